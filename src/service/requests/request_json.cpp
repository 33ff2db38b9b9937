#include "service/requests/requests.h"
#include "workflow/machine/codec.h"

#include <fmt/format.h>

#include <variant>

// How requests are written for --json, and what an event says in one line.
namespace hsmbridge::service {

namespace {

template <class... Functions>
struct Overloaded : Functions... {
  using Functions::operator()...;
};
template <class... Functions>
Overloaded(Functions...) -> Overloaded<Functions...>;

std::string of(const workflow::Problem& problem) {
  return problem.message;
}

std::string of(const workflow::Report& report) {
  std::string text = report.provider_status;
  if (!report.reference.empty()) text += (text.empty() ? "" : ", ") + ("reference " + report.reference.str());
  std::string approved;
  std::string rejected;
  std::size_t waiting = 0;
  for (const auto& approver : report.progress.approvers) {
    const auto& name = approver.name.empty() ? approver.key.substr(0, 12) : approver.name;
    if (approver.decision == workflow::Approver::Decision::approved) approved += (approved.empty() ? "" : ", ") + name;
    if (approver.decision == workflow::Approver::Decision::rejected) rejected += (rejected.empty() ? "" : ", ") + name;
    if (approver.decision == workflow::Approver::Decision::pending) ++waiting;
  }
  if (!approved.empty()) text += "; approved by " + approved;
  if (!rejected.empty()) text += "; rejected by " + rejected;
  if (waiting != 0) text += fmt::format("; {} still to decide", waiting);
  if (!report.message.empty()) text += "; " + report.message;
  if (report.handout) {
    text += report.handout->content == workflow::Handout::Content::signature ? "; signature handed out"
                                                                             : "; certificate handed out";
  }
  return text;
}

std::string of(const std::vector<workflow::Finding>& findings) {
  std::string text;
  for (const auto& finding : findings) text += (text.empty() ? "" : "; ") + finding.name;
  return text;
}

std::string with_findings(const std::string& certificate, const std::vector<workflow::Finding>& findings) {
  return "certificate " + certificate.substr(0, 16) + (findings.empty() ? "" : ", " + of(findings));
}

Json to_json_of(const workflow::Effect& effect) {
  return Json::object({{"effect", effect.identity()}, {"due", rfc3339(effect.due)}});
}

}  // namespace

std::string detail_of(const workflow::EventBody& body) {
  using namespace workflow;
  return std::visit(
      Overloaded{
          [](const Created& e) {
            const auto what = fmt::format("{} at {}, profile {}", names_of(e.order), e.order.provider, e.order.profile);
            if (!e.order.predecessor) return what;
            const auto certificate = e.order.predecessor->certificate.substr(0, 12);
            if (workflow::needs_key(e.order)) return fmt::format("renewal of {}: {}", certificate, what);
            return fmt::format("revocation of {}, reason {}: {}", certificate, e.order.reason, what);
          },
          [](const KeyPlanned& e) {
            return fmt::format("{} key {} in token {}, CKA_ID {}", e.spec, e.label, e.token, e.cka_id);
          },
          [](const KeyReady& e) {
            return e.key.label + (e.key.made_here ? ", made in the token" : ", found in the token");
          },
          [](const CsrSigned& e) { return "SHA-256 " + hex(sha256(e.csr)); },
          [](const DraftFrozen& e) { return e.draft.summary; },
          [](const PreparationFailed& e) { return of(e.problem); },
          [](const DraftAccepted&) { return std::string{}; },
          [](const DraftRefused& e) { return of(e.problem); },
          [](const DraftTooOld& e) { return e.why.empty() ? spoken(e.age) + " old" : e.why; },
          [](const LocallyApproved& e) { return "by " + e.approval.person; },
          [](const LocallyRejected& e) { return "by " + e.person + (e.reason.empty() ? "" : ": " + e.reason); },
          [](const Commanded&) { return std::string{}; },
          [](const AttemptStarted& e) { return fmt::format("attempt {}", e.attempt); },
          [](const SubmissionAnswered& e) { return of(e.report); },
          [](const SubmissionNotAccepted& e) { return of(e.problem); },
          [](const SubmissionRefused& e) { return of(e.problem); },
          [](const AnswerLost& e) { return e.why; },
          [](const FoundAtProvider& e) { return of(e.report); },
          [](const AbsentAtProvider& e) { return fmt::format("attempt {}", e.attempt); },
          [](const LookUpInconclusive& e) { return e.why; },
          [](const Reported& e) { return of(e.report); },
          [](const HandedOut& e) {
            return std::string(e.handout.content == Handout::Content::signature ? "a signature" : "a certificate");
          },
          [](const NothingHandedOut& e) { return e.why; },
          [](const Verified& e) { return with_findings(e.certificate, e.findings); },
          [](const VerificationFailed& e) { return with_findings(e.certificate, e.findings); },
          [](const HandoutUnreadable& e) { return e.why; },
          [](const TargetInstalled& e) { return e.target; },
          [](const TargetFailed& e) { return e.target + ": " + of(e.problem); },
          [](const TargetSkipped& e) { return e.target + ": " + e.reason; },
          [](const CancelAsked& e) { return e.reason; },
          [](const CancelAnswered& e) { return of(e.report); },
          [](const CancelImpossible& e) { return e.why; },
          [](const DeadlinePassed&) { return std::string{}; },
          [](const ResolvedAsThere& e) { return "reference " + e.reference.str(); },
          [](const ResolvedAsCertificate&) { return std::string{"a certificate was brought"}; },
          [](const ResolvedAsAbsent& e) { return e.reason; },
          [](const ResolvedAsAbandoned& e) { return e.reason; },
          [](const LookUpAsked&) { return std::string{}; },
          [](const ResolvedAsDone& e) { return e.reason; },
          [](const NotValidYet& e) {
            return fmt::format("certificate {} is not valid before {}", e.not_yet.certificate.substr(0, 16),
                               rfc3339(e.not_yet.not_before));
          },
          [](const DeviationsAccepted& e) { return fmt::format("{}: {}", fmt::join(e.findings, ", "), e.reason); },
          [](const JudgementAsked& e) {
            return e.accept.empty() ? std::string{}
                                    : fmt::format("the profile accepts {} now", fmt::join(e.accept, ", "));
          },
      },
      body);
}

Json to_json(const RequestRow& row) {
  Json json = Json::object({{"id", row.id.str()},
                            {"kind", workflow::to_string(row.kind)},
                            {"state", row.state},
                            {"names", row.what},
                            {"key", row.key},
                            {"provider", row.provider},
                            {"waits_for", row.waits_for},
                            {"created_at", rfc3339(row.created_at)},
                            {"changed_at", rfc3339(row.changed_at)}});
  if (!row.trouble.empty()) json.set("trouble", row.trouble);
  return json;
}

Json to_json(const workflow::JournalEntry& entry) {
  return Json::object({{"sequence", static_cast<std::int64_t>(entry.sequence)},
                       {"at", rfc3339(entry.event.at)},
                       {"actor", entry.event.actor},
                       {"event", workflow::to_string(workflow::name_of(entry.event.body))},
                       {"state", workflow::to_string(entry.after)},
                       {"detail", detail_of(entry.event.body)},
                       {"body", workflow::to_json(entry.event.body)}});
}

Json to_json(const workflow::LateAnswer& answer) {
  return Json::object({{"at", rfc3339(answer.event.at)},
                       {"actor", answer.event.actor},
                       {"event", workflow::to_string(workflow::name_of(answer.event.body))},
                       {"detail", detail_of(answer.event.body)},
                       {"body", workflow::to_json(answer.event.body)},
                       {"not_taken", answer.why}});
}

Json to_json(const workflow::Explanation& explanation) {
  Json json = Json::object({{"what_happened", explanation.what_happened}, {"awaited", explanation.awaited}});
  if (explanation.since) json.set("since", rfc3339(*explanation.since));
  if (explanation.until) json.set("until", rfc3339(*explanation.until));
  json.set("approvers", Json(explanation.approvers));
  json.set("next", explanation.next);
  json.set("commands", Json(explanation.commands));
  return json;
}

Json to_json(const RequestView& view) {
  Json json = to_json(row_of(view.record));
  json.set("sequence", static_cast<std::int64_t>(view.record.sequence));
  json.set("order", workflow::to_json(view.record.order));
  json.set("current", workflow::to_json(view.record.state));
  json.set("explanation", to_json(view.explanation));
  Json effects = Json::array();
  for (const auto& effect : view.effects) effects.push(to_json_of(effect));
  json.set("effects", effects);
  Json late = Json::array();
  for (const auto& answer : view.late) late.push(to_json(answer));
  json.set("late_answers", late);
  if (view.certificate) {
    json.set("certificate", Json::object({{"sha256", view.certificate->fingerprint},
                                          {"subject", view.certificate->subject},
                                          {"issuer", view.certificate->issuer},
                                          {"serial", view.certificate->serial},
                                          {"not_before", rfc3339(view.certificate->not_before)},
                                          {"not_after", rfc3339(view.certificate->not_after)},
                                          {"status", view.certificate->status}}));
  }
  return json;
}

}  // namespace hsmbridge::service
