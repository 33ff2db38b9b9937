#pragma once

#include "workflow/machine/order.h"
#include "workflow/machine/state.h"

#include <span>
#include <string>
#include <string_view>
#include <vector>

// The life of certificate and key records, as far as requests rule it. Pure. What time alone does to them (the end of a
// certificate, the end of an overlap) is service/certificates/sweep.h's.
namespace hsmbridge::workflow {

// The words of CertificateRecord::status and KeyRecord::status.
namespace status {
inline constexpr const char* kCurrent = "current";        // in use, as far as we know
inline constexpr const char* kSuperseded = "superseded";  // a renewal took its place
inline constexpr const char* kRevoking = "revoking";      // a revocation is under way; it may still be valid
inline constexpr const char* kRevoked = "revoked";        // its provider says so, or a person vouched for it
inline constexpr const char* kHeld = "held";              // put on hold by its provider; may still be revoked for good
inline constexpr const char* kExpired = "expired";        // past its end
inline constexpr const char* kQuarantined = "quarantined";  // it does not answer its request: never installed
inline constexpr const char* kLate = "late";                // it came after its request was given up: not installed

// Not known to be made: by a request, or by a program that did not tell whose id it is; under a random id of ours; under
// an id that a person chose, which others may use too.
inline constexpr const char* kPlanned = "planned";
inline constexpr const char* kPlannedAtRandom = "planned-at-random";
inline constexpr const char* kPlannedById = "planned-by-id";
inline constexpr const char* kActive = "active";
inline constexpr const char* kRetired = "retired";          // replaced everywhere; it stays in its token
inline constexpr const char* kDestroyed = "destroyed";      // by a person, with `key delete`
inline constexpr const char* kCompromised = "compromised";  // whether it was destroyed or not: somebody has a copy
}  // namespace status

// Whether a key's status is one of the three of a key that is not known to be made.
bool is_planned(std::string_view key_status);

// Every status of a certificate, for the command line.
std::span<const std::string_view> certificate_statuses();

// A reason of RFC 5280 §5.3.1.
struct RevocationReason {
  std::string_view name;  // "keyCompromise"
  unsigned code;          // CRLReason
  std::string_view meaning;
  bool compromise = false;  // the private key of what is revoked is somebody else's too
};
// All that can be asked for: removeFromCRL (8) is no reason to revoke, and nothing here takes a hold back.
std::span<const RevocationReason> revocation_reasons();
// By its name, upper and lower case alike; null when there is none.
const RevocationReason* revocation_reason(std::string_view name);
// By its CRLReason; null likewise.
const RevocationReason* revocation_reason(unsigned code);

inline constexpr std::string_view kKeyCompromise = "keyCompromise";
inline constexpr std::string_view kCertificateHold = "certificateHold";

// What becomes of a record because of a step: of a certificate (id: its SHA-256, hex) or of every key of a
// SubjectPublicKeyInfo (id: its hash, hex). Applied in the step's own transaction, and only while the record's status
// is one of `from` (empty: whatever it is), so that a late step never overwrites what happened meanwhile.
struct StatusChange {
  enum class Of { certificate, key };
  Of of = Of::certificate;
  std::string id;
  std::vector<std::string> from;
  std::string to;

  bool operator==(const StatusChange&) const = default;
};

// What the creation of a request does to records, and what reaching `next` does. A store supersedes the predecessor of
// a renewal only when the renewal's certificate is fit to take its place then (not revoked, about to be, or on hold).
std::vector<StatusChange> record_changes_at_begin(const Order& order);
std::vector<StatusChange> record_changes(const Order& order, const State& next);

}  // namespace hsmbridge::workflow
