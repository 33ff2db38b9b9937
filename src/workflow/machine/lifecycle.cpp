#include "workflow/machine/lifecycle.h"

#include "base/text.h"

namespace hsmbridge::workflow {
namespace {

using Of = StatusChange::Of;

constexpr std::string_view kCertificateStatuses[] = {status::kCurrent,     status::kSuperseded, status::kRevoking,
                                                     status::kRevoked,     status::kHeld,       status::kExpired,
                                                     status::kQuarantined, status::kLate};

//  name, CRLReason (RFC 5280 §5.3.1), meaning
constexpr RevocationReason kReasons[] = {
    {"unspecified", 0, "no reason is given"},
    {kKeyCompromise, 1, "somebody else may have the private key", true},
    {"cACompromise", 2, "somebody else may have the private key of this CA", true},
    {"affiliationChanged", 3, "a name in it is not right any more"},
    {"superseded", 4, "another certificate took its place"},
    {"cessationOfOperation", 5, "it is not needed any more"},
    {kCertificateHold, 6, "not to be trusted for now; where a provider has it"},
    {"privilegeWithdrawn", 9, "a right that it grants was taken away"},
    {"aACompromise", 10, "somebody else may have the attribute authority's key"},
};

}  // namespace

bool is_planned(std::string_view key_status) {
  return key_status == status::kPlanned || key_status == status::kPlannedAtRandom || key_status == status::kPlannedById;
}

std::span<const std::string_view> certificate_statuses() {
  return kCertificateStatuses;
}

std::span<const RevocationReason> revocation_reasons() {
  return kReasons;
}

const RevocationReason* revocation_reason(std::string_view name) {
  for (const RevocationReason& row : kReasons) {
    if (equal_ignoring_case(row.name, name)) return &row;
  }
  return nullptr;
}

const RevocationReason* revocation_reason(unsigned code) {
  for (const RevocationReason& row : kReasons) {
    if (row.code == code) return &row;
  }
  return nullptr;
}

std::vector<StatusChange> record_changes_at_begin(const Order& order) {
  const Revoke* revocation = order.revocation();
  if (revocation == nullptr) return {};
  const Predecessor& old = revocation->predecessor;
  std::vector<StatusChange> changes{{Of::certificate, old.certificate, {}, status::kRevoking}};
  // The key is what somebody else may have, whatever becomes of the revocation, and whether our own is still there.
  const RevocationReason* const reason = revocation_reason(revocation->reason);
  if (reason != nullptr && reason->compromise && !old.spki.empty()) {
    changes.push_back(
        {Of::key, old.spki.str(), {status::kActive, status::kRetired, status::kDestroyed}, status::kCompromised});
  }
  return changes;
}

std::vector<StatusChange> record_changes(const Order& order, const State& next) {
  const Predecessor* old = order.predecessor();
  if (old == nullptr || !is_final(name_of(next))) return {};
  const auto* completed = std::get_if<Completed>(&next);
  if (const Revoke* revocation = order.revocation()) {
    const char* const ended = revocation->reason == kCertificateHold ? status::kHeld : status::kRevoked;
    if (completed != nullptr) return {{Of::certificate, old->certificate, {}, ended}};
    // Only what may have been submitted is abandoned: it may be revoked, and nobody knows.
    if (std::holds_alternative<Abandoned>(next)) return {};
    return {{Of::certificate, old->certificate, {status::kRevoking}, old->status}};
  }
  // A certificate that came late was not installed: its predecessor is still the one in use.
  if (completed == nullptr || completed->late) return {};
  return {{Of::certificate, old->certificate, {status::kCurrent}, status::kSuperseded}};
}

}  // namespace hsmbridge::workflow
