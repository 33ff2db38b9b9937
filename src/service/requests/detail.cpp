#include "service/requests/requests.h"

#include <fmt/format.h>

#include <variant>

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

std::string of(const workflow::StatusReport& report) {
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
  return text;
}

std::string of(const std::vector<workflow::Finding>& findings) {
  std::string text;
  for (const auto& finding : findings) text += (text.empty() ? "" : "; ") + finding.name;
  return text;
}

std::string with_findings(const std::string& certificate, const std::vector<workflow::Finding>& findings) {
  // Of a CRL, what became of it.
  if (certificate.empty()) return findings.empty() ? "" : findings.front().explanation;
  return "certificate " + certificate.substr(0, 16) + (findings.empty() ? "" : ", " + of(findings));
}

}  // namespace

std::string detail_of(const workflow::EventBody& body) {
  using namespace workflow;
  return std::visit(
      Overloaded{
          [](const Created& e) {
            const Bytes& csr = e.order.brought_csr();
            if (e.order.issues_crl()) return workflow::names_of(e.order);
            const auto what =
                fmt::format("{} at {}, profile {}{}", workflow::names_of(e.order), e.order.provider, e.order.profile,
                            csr.empty() ? "" : ", for the CSR with SHA-256 " + hex(sha256(csr)));
            const auto* old = e.order.predecessor();
            if (old == nullptr) return what;
            const auto certificate = old->certificate.substr(0, 12);
            const auto* revocation = e.order.revocation();
            if (revocation == nullptr) return fmt::format("renewal of {}: {}", certificate, what);
            return fmt::format("revocation of {}, reason {}: {}", certificate, revocation->reason, what);
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
          [](const ApprovalsDue&) { return std::string{}; },
          [](const ApprovalsVoided& e) { return e.why; },
          [](const Commanded&) { return std::string{}; },
          [](const CommandOver&) { return std::string{}; },
          [](const AttemptStarted& e) { return fmt::format("attempt {}", e.attempt); },
          [](const SubmissionAnswered& e) { return of(e.report); },
          [](const SubmissionNotAccepted& e) { return of(e.problem); },
          [](const SubmissionRefused& e) { return of(e.problem); },
          [](const AnswerLost& e) { return e.why; },
          [](const FoundAtProvider& e) { return of(e.report); },
          [](const AbsentAtProvider& e) { return fmt::format("attempt {}", e.attempt); },
          [](const LookUpInconclusive& e) { return e.why; },
          [](const Reported& e) { return of(e.report); },
          [](const ResultReceived& e) {
            const auto said = of(e.report);
            const bool is_signature = std::holds_alternative<IssuedSignature>(e.result.product);
            return said + (said.empty() ? "" : "; ") + (is_signature ? "a signature" : "a certificate");
          },
          [](const NothingHandedOut& e) { return e.why; },
          [](const Verified& e) { return with_findings(e.certificate, e.findings); },
          [](const VerificationFailed& e) { return with_findings(e.certificate, e.findings); },
          [](const ResultUnreadable& e) { return e.why; },
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

}  // namespace hsmbridge::service
