#pragma once

#include "base/clock.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace hsmbridge::workflow {

// A certificate that a CA of this bridge has revoked. Whose and which: as TakenSerial says.
struct RevokedSerial {
  std::string issuer, serial;
  unsigned reason = 0;   // CRLReason (RFC 5280 §5.3.1)
  Instant revoked_at{};  // to the second
  Instant not_after{};   // of the certificate
  std::string request;   // that asked for it
  // The URL of the shard that its certificate names (RFC 5280 §5.2.5); "": it names none; kEveryShard: nobody knows.
  std::string distribution_point = {};

  bool operator==(const RevokedSerial&) const = default;
};

inline constexpr const char* kEveryShard = "*";
inline constexpr const char* kLostCrl = "lost";

// A CRL that was signed and published.
struct PublishedCrl {
  std::uint64_t number = 0;
  Instant this_update{}, next_update{};
  std::string sha256;                   // of the DER, hex; of one that nobody has any more: kLostCrl
  std::string distribution_point = {};  // the URL of a shard; "" of the complete CRL

  bool operator==(const PublishedCrl&) const = default;
};

// Whether nobody has one that is valid now: none is out, the last one ended, or it is of the future, by a clock that was
// ahead.
inline bool is_crl_overdue(const std::optional<PublishedCrl>& last, Instant now) {
  constexpr Duration kClockError = std::chrono::minutes{5};
  return !last || last->next_update <= now || last->this_update > now + kClockError;
}

// What the CAs of this bridge have revoked, and the numbers of their CRLs. Rules of all ports: store.h.
class Revocations {
 public:
  virtual ~Revocations() = default;

  // False where it was revoked before: what was written down first stays.
  virtual bool revoke(const RevokedSerial& revoked) = 0;
  virtual std::optional<RevokedSerial> revocation(const std::string& issuer, const std::string& serial) = 0;
  // Those whose certificates end then or later, by serial number: what a shard has to say, or with "" all of them.
  virtual std::vector<RevokedSerial> revocations(const std::string& issuer, const std::string& distribution_point,
                                                 Instant ends_after) = 0;
  virtual std::size_t count_revocations(const std::string& issuer, const std::string& distribution_point,
                                        Instant ends_after) = 0;
  // Every distribution point that certificates which end then or later name (TakenSerial), revoked or not; "" is that of
  // those that name none.
  virtual std::vector<std::string> distribution_points(const std::string& issuer, Instant ends_after) = 0;

  // The next number of the issuer's CRLs, taken for good, whether one with it is ever published: 1, 2, … Nothing, and
  // none is taken, where it would not follow `published`, the number of the CRL that is out (0: none is).
  virtual std::optional<std::uint64_t> take_crl_number(const std::string& issuer, std::uint64_t published,
                                                       Instant at) = 0;
  // Whether a CRL of that number may be this store's: the number was taken here, or that CRL taken over.
  virtual bool is_crl_number_taken(const std::string& issuer, std::uint64_t number) = 0;
  // The CRL of a number that was taken is out. Throws conflict where it was out before, or was never taken.
  virtual void crl_published(const std::string& issuer, const PublishedCrl& crl) = 0;
  // Of that shard, or with "" the complete one. One number series serves all of them.
  virtual std::optional<PublishedCrl> last_crl(const std::string& issuer, const std::string& distribution_point) = 0;
  // The one of that number, where it was published here or taken over as the last one.
  virtual std::optional<PublishedCrl> published_crl(const std::string& issuer, std::uint64_t number) = 0;
  // The CRL of that number was seen at the URL where CRLs are put. A lower number than before changes nothing.
  virtual void crl_put(const std::string& issuer, const std::string& url, std::uint64_t number) = 0;
  // The last that was; 0 for none.
  virtual std::uint64_t number_put(const std::string& issuer, const std::string& url) = 0;
};

}  // namespace hsmbridge::workflow
