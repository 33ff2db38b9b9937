#include "providers/venafi/progress.h"

#include "base/error.h"
#include "base/text.h"
#include "base/unicode.h"
#include "providers/following.h"
#include "x509/objects/certificate.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>

namespace hsmbridge::venafi {
namespace {

using workflow::Approver;
using workflow::RequestStatus;

struct StatusRow {
  std::string_view status;
  RequestStatus standing;
  bool approval;
  std::string_view meaning;
};
// The service's whole enumeration. Which of them are final is nowhere published; it follows from what they mean.
constexpr auto kStatuses = std::to_array<StatusRow>({
    {"NEW", RequestStatus::awaiting_issuance, false, ""},
    {"PENDING", RequestStatus::awaiting_issuance, false, ""},
    {"PENDING_APPROVAL", RequestStatus::awaiting_approval, true, ""},
    {"PENDING_FINAL_APPROVAL", RequestStatus::awaiting_approval, true, ""},
    {"REJECTED_APPROVAL", RequestStatus::rejected, true, "an approver rejected it, or the time for approval expired"},
    {"REQUESTED", RequestStatus::awaiting_issuance, false, ""},
    {"ISSUED", RequestStatus::ready, false, ""},
    {"REJECTED", RequestStatus::rejected, false, "the certificate authority refused it"},
    {"CANCELLED", RequestStatus::cancelled, false, "it was withdrawn at the service"},
    // A certificate existed. One that is revoked before it was fetched is not handed on.
    {"REVOKED", RequestStatus::failed, false, "a certificate was issued, and it has been revoked since"},
    {"FAILED", RequestStatus::failed, false, ""},
    {"DELETED", RequestStatus::cancelled, false, "it was deleted at the service"},
});

const StatusRow* row_of(std::string_view status) {
  return providers::row_with(kStatuses, &StatusRow::status, status);
}

std::string name_of(std::string_view id, const std::map<std::string, std::string>& people) {
  const auto name = people.find(lower(id));
  return name == people.end() ? "" : name->second;
}

// An id alone says nothing of whose it is: at other providers an approver is a key.
std::string called(std::string_view id, const std::map<std::string, std::string>& people,
                   std::string_view kind = "user") {
  const std::string name = name_of(id, people);
  return name.empty() ? fmt::format("{} {}", kind, printable(id)) : name;
}

Approver::Decision decision_of(std::string_view status) {
  if (status == "APPROVED") return Approver::Decision::approved;
  return status == "REJECTED" ? Approver::Decision::rejected : Approver::Decision::pending;
}

void add(std::vector<Approver>& to, const ApprovalRequest::Person& person, std::string group,
         const std::map<std::string, std::string>& people) {
  const bool team = person.type == "TEAM";
  if (team) group += group.empty() ? "team" : ", team";
  to.push_back(
      {called(person.id, people, team ? "team" : "user"), person.id, std::move(group), Approver::Decision::pending});
}

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

// Of a revocation.
constexpr auto kRevocations = std::to_array<StatusRow>({
    {"SUBMITTED", RequestStatus::awaiting_issuance, false, "handed to the certificate authority"},
    {"PENDING_APPROVAL", RequestStatus::awaiting_approval, false, ""},
    {"PENDING_FINAL_APPROVAL", RequestStatus::awaiting_approval, false, ""},
    {"REJECTED_APPROVAL", RequestStatus::rejected, false, "an approver rejected it, or the time for approval expired"},
    {"FAILED", RequestStatus::failed, false, ""},
});

}  // namespace

std::string to_text(const State& state) {
  return providers::stored({{"request", state.request},
                            {"certificates", state.certificates},
                            {"zone", state.zone},
                            {"application", state.application},
                            {"template", state.issuing_template},
                            {"validity", state.validity},
                            {"tags", state.tags},
                            {"missing_since", providers::stored(state.missing_since)},
                            {"account", state.account}});
}

State state_from(std::string_view text) {
  return providers::stored_state<State>(text, [](const providers::Members& in) {
    return State{in.text("request"),  in.texts("certificates"), in.text("application"),
                 in.text("template"), in.date("missing_since"), in.text("account"),
                 in.text("zone"),     in.text("validity"),      in.texts("tags")};
  });
}

const workflow::Predecessor& predecessor_of(const workflow::Order& order) {
  const workflow::Predecessor* predecessor = order.predecessor();
  if (predecessor == nullptr || predecessor->der.empty()) {
    throw Error{ErrorKind::internal, "the order does not hold the certificate that it is about"};
  }
  return *predecessor;
}

State state_of(const workflow::Predecessor& predecessor) {
  try {
    return state_from(predecessor.provider_state);
  } catch (const Error&) {
    return {};
  }
}

RequestStatus standing_of(std::string_view status) {
  const StatusRow* row = row_of(status);
  return row == nullptr ? RequestStatus::unrecognised : row->standing;
}

std::string_view meaning_of(std::string_view status) {
  const StatusRow* row = row_of(status);
  return row == nullptr ? "" : row->meaning;
}

bool is_approval_status(std::string_view status) {
  const StatusRow* row = row_of(status);
  return row != nullptr && row->approval;
}

workflow::Progress progress_of(const ApprovalRequest& approval, const std::map<std::string, std::string>& people) {
  workflow::Progress progress;
  // It is stored and shown: nobody reads more of them.
  const std::size_t most = std::min<std::size_t>(approval.approvers.size(), 100);
  for (std::size_t i = 0; i < most; ++i) add(progress.approvers, approval.approvers[i], "", people);
  if (approval.final_approver) add(progress.approvers, *approval.final_approver, "final approver", people);
  std::int64_t approved = 0;
  for (const auto& outcome : approval.outcomes) {
    const Approver::Decision decision = decision_of(outcome.status);
    if (decision == Approver::Decision::approved) ++approved;
    const auto there = std::find_if(progress.approvers.begin(), progress.approvers.end(),
                                    [&](const Approver& approver) { return approver.key == outcome.user; });
    // Who decides for a team is not in the list of those who may.
    if (there != progress.approvers.end()) {
      there->decision = decision;
    } else if (!outcome.user.empty() && progress.approvers.size() < 200) {
      progress.approvers.push_back({called(outcome.user, people), outcome.user, "", decision});
    }
  }
  if (approval.required > 0) {
    progress.quorum = fmt::format("{} of {} approvals", approved, approval.required);
  } else {
    progress.quorum = "quorum unknown";
  }
  if (approval.status == "PENDING_FINAL_APPROVAL") progress.note = "the approvers agreed; the final approver decides";
  if (approval.rejected_after_days && approval.created && *approval.rejected_after_days > 0 &&
      *approval.rejected_after_days < 1000) {
    progress.about_until = *approval.created + std::chrono::hours{24 * *approval.rejected_after_days};
  }
  return progress;
}

Refused refused_by(const ApprovalRequest& approval, const std::map<std::string, std::string>& people) {
  Refused refused;
  for (const auto& outcome : approval.outcomes) {
    if (outcome.status != "REJECTED") continue;
    if (!outcome.user.empty()) refused.by += (refused.by.empty() ? "" : ", ") + called(outcome.user, people);
    if (!outcome.reason.empty()) refused.why += (refused.why.empty() ? "" : "; ") + printable(outcome.reason);
  }
  refused.expired = refused.by.empty() && approval.status == "EXPIRED";
  if (refused.expired) refused.why = "the time for approval expired";
  return refused;
}

workflow::Report report_of(const CertificateRequest& request) {
  workflow::Report report;
  report.status = standing_of(request.status);
  report.provider_status = request.status;
  report.message = meaning_of(request.status);
  if (!request.error.empty()) report.message += (report.message.empty() ? "" : ": ") + request.error;
  if (report.status == RequestStatus::ready && request.certificate_ids.empty()) {
    report.message = "issued, but the service does not say yet which certificate it is";
  }
  return report;
}

workflow::Report report_with(const CertificateRequest& request, State state) {
  workflow::Report report = report_of(request);
  report.reference = ProviderReference(request.id);
  state.request = request.id;
  if (!request.certificate_ids.empty()) state.certificates = request.certificate_ids;
  // The leaf's and those of its chain; kept with the request.
  constexpr std::size_t kMostIds = 20;
  if (state.certificates.size() > kMostIds) state.certificates.resize(kMostIds);
  constexpr std::size_t kLongestText = 1000;
  if (report.message.size() > kLongestText) {
    report.message = printable(report.message.substr(0, kLongestText)) + "…";
  }
  if (report.provider_status.size() > 100) {
    report.provider_status = printable(report.provider_status.substr(0, 100));
  }
  report.provider_state = to_text(state);
  return report;
}

void must_be_about(const CertificateRequest& request, const ProviderReference& reference) {
  if (!equal_ignoring_case(request.id, reference.str())) {
    throw Error{ErrorKind::corrupt, fmt::format("the service was asked about request {} and answered about {}",
                                                reference.str(), printable(request.id))};
  }
}

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
  const StatusRow* row = providers::row_with(kRevocations, &StatusRow::status, answer.status);
  report.status = row == nullptr ? RequestStatus::unrecognised : row->standing;
  if (row != nullptr && report.message.empty()) report.message = row->meaning;
  return report;
}

}  // namespace hsmbridge::venafi
