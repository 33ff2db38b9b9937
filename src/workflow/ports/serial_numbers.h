#pragma once

#include "base/clock.h"

#include <cstdint>
#include <string>

namespace hsmbridge::workflow {

// A serial number that a CA of this bridge gives to one certificate.
struct TakenSerial {
  // Whose: SHA-256 of the DER of the issuer's name, hex. Numbers are unique under a name (RFC 5280 §4.1.2.2), whatever
  // keys it has had.
  std::string issuer;
  std::string serial;   // as x509::serial_text gives it
  std::string request;  // what it was taken for; "" outside any request
  Instant at{};
  // The URL of the shard that the certificate will name, and when it ends at the latest: that shard is published until
  // then. "" for none.
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
  // How many this issuer has taken.
  virtual std::uint64_t serials_taken(const std::string& issuer) = 0;
};

}  // namespace hsmbridge::workflow
