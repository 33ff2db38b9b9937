#pragma once

#include "support/orders.h"
#include "workflow/machine/decide.h"
#include "workflow/machine/event.h"
#include "workflow/machine/state.h"

#include <utility>
#include <vector>

// One filled example of every state and every event. A new alternative without a sample does not compile.
namespace hsmbridge::workflow::samples {

using namespace std::chrono_literals;

inline const Instant kStart = parse_rfc3339("2026-11-23T12:00:00Z");

inline Order order() {
  Order order;
  order.id = RequestId("0a1b2c3d4e5f6g7h");
  order.provider = "tsb";
  order.profile = "server";
  order.what = Enroll{"web",
                      {KeyWish::Source::make, "web-2026", "ec:P-256", "000102030405060708090a0b0c0d0e0f"},
                      test::content_for("CN=www.example.com"),
                      {{"token", ""}, {"file:chain", "/tmp/chain.pem"}}};
  order.created_at = kStart;
  order.created_by = "uid:0";
  return order;
}

inline Predecessor predecessor() {
  return Predecessor{"5eed", Bytes{0x30, 0x00}, SpkiHash("ab12"), "current", ProviderReference("ref-0"), R"({"id":7})"};
}
inline Order renewal() {
  Order renewal = order();
  test::make_renewal(renewal, predecessor());
  return renewal;
}
inline Order revocation() {
  Order revocation = order();
  test::make_revocation(revocation, predecessor(), "keyCompromise");
  return revocation;
}
inline Order crl() {
  Order crl = order();
  crl.provider = "issuing";
  crl.profile.clear();
  crl.what = IssueCrl{};
  return crl;
}
// For a CSR that somebody else made: its key is in no token.
inline Order brought() {
  Order brought = order();
  Enroll& enrolment = std::get<Enroll>(brought.what);
  enrolment.token.clear();
  enrolment.key = {KeyWish::Source::brought, "csr:010203", {}, {}, SpkiHash{"ab12"}, {}, Bytes{1, 2, 3}};
  enrolment.targets = {{"file:/etc/web.pem", "/etc/web.pem"}};
  return brought;
}
inline std::vector<Order> every_order() {
  return {order(), renewal(), revocation(), brought(), crl()};
}

inline Key key() {
  return Key{"pkcs11:token=web;id=%00%01", "web-2026", "0001", SpkiHash("ab12"), true};
}
inline Draft draft() {
  return Draft{Bytes{1, 2, 3},       Bytes{4, 5}, "ecdsa-sha256",    Bytes{6},
               "CN=www.example.com", kStart,      R"({"seat":"s"})", "digicert-tlm"};
}
inline PreparedRequest prepared(unsigned attempts = 0) {
  return PreparedRequest{key(), draft(), attempts};
}
inline Submission submission(unsigned attempt = 1) {
  return Submission{attempt, ProviderReference("ref-1"), R"({"step":1})", kStart};
}
inline IssuedResult issued() {
  return IssuedResult{IssuedSignature{Bytes{9, 8}}, Bytes{7}, 3s};
}
inline Progress progress() {
  return Progress{{Approver{"alice", "k1", "ops", Approver::Decision::approved},
                   Approver{"bob", "k2", "ops", Approver::Decision::pending},
                   Approver{"", "0123456789abcdef0123", "", Approver::Decision::rejected}},
                  "2 of 3 in group ops",
                  kStart + 24h,
                  "a note"};
}
inline StatusReport report(RequestStatus status) {
  StatusReport report;
  report.status = status;
  report.provider_status = "WORD";
  report.reference = ProviderReference("ref-1");
  return report;
}
// The result of an attempt, or of the submission that was asked about (0).
inline ResultReceived received(unsigned attempt = 0) {
  return ResultReceived{attempt, report(RequestStatus::handed_out), issued()};
}
inline Problem problem(std::string kind = "unavailable") {
  return Problem{std::move(kind), "no route", "wait"};
}
inline std::vector<Finding> findings() {
  return {Finding{"serial-zero", false, "the serial number is 0"}};
}
inline NotYet not_yet() {
  return NotYet{"c0ffee", kStart + 1h, 3s};
}
inline WithdrawWish wish() {
  return WithdrawWish{WithdrawWish::Cause::cancel, "uid:7", "changed my mind"};
}
inline LocalApproval approval(std::string person = "alice") {
  return LocalApproval{std::move(person), draft_digest(draft()), kStart, "signed"};
}

template <class T>
T sample();
template <>
inline Preparing sample() {
  return {key(), draft().csr, 1, "", SentDraft{draft(), 1}, 1};
}
template <>
inline Prepared sample() {
  return {prepared()};
}
template <>
inline AwaitingLocalApproval sample() {
  PreparedRequest waiting = prepared();
  waiting.approval = {2, kStart, {"signed"}};
  return {waiting};
}
template <>
inline AwaitingCommand sample() {
  return {prepared()};
}
template <>
inline Submitting sample() {
  return {prepared(1), 1, Submitting::Phase::started, kStart + 60s, {}, "earlier trouble"};
}
template <>
inline LookingUp sample() {
  return {prepared(1), Submission{1, {}, {}, kStart}, "the connection died", {}, {}, kStart};
}
template <>
inline AwaitingApproval sample() {
  return {{prepared(1), submission(), progress(), "PENDING", {}}};
}
template <>
inline AwaitingIssuance sample() {
  return {{prepared(1), submission(), {}, "APPROVED", kStart}};
}
template <>
inline Withdrawing sample() {
  return {prepared(1), submission(), wish(), Withdrawing::Cancel::accepted, "note", "PENDING", {}};
}
template <>
inline Retrieving sample() {
  return {prepared(1), submission(), "ISSUED", false, 2};
}
template <>
inline Verifying sample() {
  return {prepared(1), submission(), issued(), false, {"serial-not-positive"}, 1, not_yet()};
}
template <>
inline Installing sample() {
  return {prepared(1),
          "c0ffee",
          {TargetState{{"token", ""}, TargetState::Stage::done, 0, {}},
           TargetState{{"file:chain", "/tmp/chain.pem"}, TargetState::Stage::failed, 2, "disk full"}},
          findings()};
}
template <>
inline Unresolved sample() {
  return {prepared(1), submission(), "nobody knows", issued()};
}
template <>
inline Completed sample() {
  return {key(), "c0ffee", true, findings()};
}
template <>
inline Rejected sample() {
  return {"bob", "wrong name"};
}
template <>
inline Expired sample() {
  return {"the window"};
}
template <>
inline Cancelled sample() {
  return {"uid:7", "changed my mind"};
}
template <>
inline Failed sample() {
  return {"denied", "no", "ask"};
}
template <>
inline Quarantined sample() {
  return {"c0ffee",
          {Finding{"subject-changed", true, "the subject is CN=x"}},
          prepared(1),
          submission(),
          issued(),
          true,
          {"serial-not-positive"}};
}
template <>
inline Abandoned sample() {
  return {"uid:7", "gave up"};
}

template <>
inline Created sample() {
  return {order()};
}
template <>
inline KeyPlanned sample() {
  return {"web", "web-2026", "0001", "ec:P-256"};
}
template <>
inline KeyReady sample() {
  return {key()};
}
template <>
inline CsrSigned sample() {
  return {draft().csr};
}
template <>
inline DraftFrozen sample() {
  return {draft()};
}
template <>
inline PreparationFailed sample() {
  return {problem("denied")};
}
template <>
inline DraftAccepted sample() {
  return {Instant{} + 5h};
}
template <>
inline DraftRefused sample() {
  return {problem("refused")};
}
template <>
inline DraftTooOld sample() {
  return {48h, "the issuer has another key now"};
}
template <>
inline LocallyApproved sample() {
  return {approval()};
}
template <>
inline LocallyRejected sample() {
  return {"bob", "wrong name", "signed"};
}
template <>
inline ApprovalsDue sample() {
  return {};
}
template <>
inline ApprovalsVoided sample() {
  return {"the policy changed"};
}
template <>
inline CommandOver sample() {
  return {};
}
template <>
inline Commanded sample() {
  return {"d1ge57"};
}
template <>
inline AttemptStarted sample() {
  return {1, "host/1", kStart + 60s};
}
template <>
inline SubmissionAnswered sample() {
  return {1, report(RequestStatus::awaiting_approval)};
}
template <>
inline SubmissionNotAccepted sample() {
  return {1, problem(), 30s};
}
template <>
inline SubmissionRefused sample() {
  return {1, problem("invalid_input")};
}
template <>
inline AnswerLost sample() {
  return {1, "the connection died"};
}
template <>
inline FoundAtProvider sample() {
  return {1, report(RequestStatus::awaiting_approval)};
}
template <>
inline AbsentAtProvider sample() {
  return {1};
}
template <>
inline LookUpInconclusive sample() {
  return {1, "it cannot tell"};
}
template <>
inline Reported sample() {
  StatusReport full = report(RequestStatus::awaiting_approval);
  full.message = "650 key";
  full.by = "bob";
  full.provider_state = "{}";
  full.progress = progress();
  full.retry_after = 5s;
  return {full};
}
template <>
inline ResultReceived sample() {
  return received();
}
template <>
inline NothingHandedOut sample() {
  return {"it was given once"};
}
template <>
inline Verified sample() {
  return {"c0ffee", findings()};
}
template <>
inline VerificationFailed sample() {
  return {"c0ffee", findings()};
}
template <>
inline ResultUnreadable sample() {
  return {"not a signature", true};
}
template <>
inline TargetInstalled sample() {
  return {"file:chain"};
}
template <>
inline TargetFailed sample() {
  return {"file:chain", problem(), 1};
}
template <>
inline TargetSkipped sample() {
  return {"file:chain", "that machine is gone"};
}
template <>
inline CancelAsked sample() {
  return {"changed my mind"};
}
template <>
inline CancelAnswered sample() {
  return {report(RequestStatus::cancelled)};
}
template <>
inline CancelImpossible sample() {
  return {"there is no cancel"};
}
template <>
inline DeadlinePassed sample() {
  return {};
}
template <>
inline ResolvedAsThere sample() {
  return {ProviderReference("ref-9"), false};
}
template <>
inline ResolvedAsCertificate sample() {
  return {issued()};
}
template <>
inline ResolvedAsAbsent sample() {
  return {"I looked"};
}
template <>
inline ResolvedAsAbandoned sample() {
  return {"gave up"};
}
template <>
inline LookUpAsked sample() {
  return {};
}
template <>
inline ResolvedAsDone sample() {
  return {"it is on the list"};
}
template <>
inline NotValidYet sample() {
  return {not_yet()};
}
template <>
inline DeviationsAccepted sample() {
  return {{"subject-changed"}, "the CA writes it so"};
}
template <>
inline JudgementAsked sample() {
  return {{"subject-changed"}};
}

template <class Variant, std::size_t... I>
std::vector<Variant> every(std::index_sequence<I...>) {
  return {Variant(sample<std::variant_alternative_t<I, Variant>>())...};
}
inline std::vector<State> every_state() {
  return every<State>(std::make_index_sequence<kStateCount>());
}
inline std::vector<EventBody> every_event() {
  return every<EventBody>(std::make_index_sequence<kEventCount>());
}

}  // namespace hsmbridge::workflow::samples
