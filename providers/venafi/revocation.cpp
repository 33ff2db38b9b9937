#include "providers/venafi/revocation.h"

#include "base/text.h"
#include "providers/following.h"
#include "x509/objects/certificate.h"

#include <algorithm>
#include <array>

namespace hsmbridge::venafi {
namespace {

using workflow::RequestStatus;

struct ReasonRow {
  std::string_view rfc5280;
  std::string_view word;
};
// The service's whole enumeration. cACompromise, certificateHold, removeFromCRL, privilegeWithdrawn and aACompromise
// have no word there: a wrong one would be a wrong statement in a public list.
constexpr auto kReasons = std::to_array<ReasonRow>({
    {"unspecified", "UNSPECIFIED"},
    {"keyCompromise", "KEY_COMPROMISE"},
    {"affiliationChanged", "AFFILIATION_CHANGED"},
    {"superseded", "SUPERSEDED"},
    {"cessationOfOperation", "CESSATION_OF_OPERATION"},
});

struct StatusRow {
  std::string_view status;
  RequestStatus standing;
  std::string_view meaning;
};
constexpr auto kStatuses = std::to_array<StatusRow>({
    {"SUBMITTED", RequestStatus::awaiting_issuance, "handed to the certificate authority"},
    {"PENDING_APPROVAL", RequestStatus::awaiting_approval, ""},
    {"PENDING_FINAL_APPROVAL", RequestStatus::awaiting_approval, ""},
    {"REJECTED_APPROVAL", RequestStatus::rejected, "an approver refused it, or nobody approved it in time"},
    {"FAILED", RequestStatus::failed, ""},
});

}  // namespace

std::optional<std::string_view> reason_word(std::string_view rfc5280) {
  if (rfc5280.empty()) return kReasons.front().word;
  const ReasonRow* row = providers::row_with(kReasons, &ReasonRow::rfc5280, rfc5280);
  return row == nullptr ? std::nullopt : std::optional(row->word);
}

std::string known_reasons() {
  return joined(kReasons, ", ", &ReasonRow::rfc5280);
}

std::string fingerprint_of(ByteView certificate) {
  return upper(hex(sha1(certificate)));
}

workflow::Report report_of(const RevocationAnswer& answer) {
  workflow::Report report;
  if (answer.listed) {
    report.status = RequestStatus::done;
    report.provider_status = "REVOKED";
    report.message = "the issuer's revocation list names it";
    return report;
  }
  report.provider_status = answer.status;
  report.message = answer.error;
  if (answer.status.empty()) {
    report.status = RequestStatus::awaiting_issuance;
    report.progress.note = "the service shows no revocation for it yet";
    return report;
  }
  const StatusRow* row = providers::row_with(kStatuses, &StatusRow::status, answer.status);
  report.status = row == nullptr ? RequestStatus::unrecognised : row->standing;
  if (row != nullptr && report.message.empty()) report.message = row->meaning;
  return report;
}

}  // namespace hsmbridge::venafi
