#pragma once

#include "base/bytes.h"
#include "base/clock.h"
#include "ca/scope.h"
#include "x509/names/name.h"

#include <cstdint>
#include <optional>
#include <string>

namespace hsmbridge::workflow {

// Under which numbers are unique and CRLs are kept: a name (RFC 5280 §4.1.2.2), whatever keys it has had. SHA-256 of its
// DER, hex.
inline std::string issuer_id(const x509::Name& issuer) {
  return hex(sha256(issuer.der()));
}

// A serial number that a CA of this bridge gives to one certificate.
struct TakenSerial {
  std::string issuer;   // issuer_id
  std::string serial;   // as x509::serial_text gives it
  std::string request;  // what it was taken for; "" outside any request
  Instant at{};
  // When the certificate ends at the latest, and the URL of the shard that it will name; "": it names none. Until then
  // that shard, or the complete CRL, is published. An end that is not told is nobody's.
  std::string distribution_point = {};
  Instant not_after{};
};

// The serial numbers of the CAs of this bridge. Rules of all ports: store.h.
class SerialNumbers {
 public:
  virtual ~SerialNumbers() = default;

  // Takes it for good, used or not. False where it was taken before, for whatever it was.
  virtual bool take_serial(const TakenSerial& serial) = 0;
  virtual bool is_taken(const std::string& issuer, const std::string& serial) = 0;
  // The request that it was taken for, "" outside any; nothing where it was not taken.
  virtual std::optional<std::string> taken_for(const std::string& issuer, const std::string& serial) = 0;
  // How many this issuer has taken.
  virtual std::uint64_t serials_taken(const std::string& issuer) = 0;
  // One that this issuer has certified, here or elsewhere, and that ends then or later; or that it may be about to
  // certify for a request that is open. One that is known before one that is not; nothing where all are CAs.
  virtual std::optional<ca::OtherThanAuthority> other_than_authority(const std::string& issuer, Instant ends_after) = 0;
};

}  // namespace hsmbridge::workflow
