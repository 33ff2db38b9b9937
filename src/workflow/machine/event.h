#pragma once

#include "workflow/machine/order.h"
#include "workflow/machine/report.h"
#include "workflow/machine/words.h"

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

// Facts that happened to a request, in the past tense, never changed afterwards. A history replays without the world:
// every time, id and random value is event data.
namespace hsmbridge::workflow {

struct Created {
  Order order;
};
struct KeyPlanned {
  std::string token, label, cka_id, spec;
};  // on disk before C_GenerateKeyPair
struct KeyReady {
  Key key;
};
struct CsrSigned {
  Bytes csr;
};  // DER, signed in the token and proved
struct DraftFrozen {
  Draft draft;
};
struct PreparationFailed {
  Problem problem;
};  // nothing was sent and nothing can be
// Our checks and the provider's local ones passed.
struct DraftAccepted {
  Instant known{};  // Records::latest_known then, where people are asked now
};
struct DraftRefused {
  Problem problem;
};
struct DraftTooOld {
  Duration age{};
  std::string why = {};  // it is not its age: what the provider's check says of it
};
struct LocallyApproved {
  LocalApproval approval;
};
struct LocallyRejected {
  std::string person, reason;
  std::string evidence = {};  // the signed vote (approval/vote.h)
};
struct ApprovalsDue {};  // a timelock or the time to approve it ended: they are judged again
struct ApprovalsVoided {
  std::string why;
};  // its profile wants other approvals now
struct Commanded {
  std::string draft = {};  // draft_digest of what the operator was shown; "" in journals of older programs
};                         // an operator's direct command; who: the event's actor
struct CommandOver {};     // it was not carried out in time
struct AttemptStarted {
  unsigned attempt = 1;
  std::string worker;
  Instant answer_by{};
};
struct SubmissionAnswered {
  unsigned attempt = 1;
  StatusReport report;
};  // a clear success without a result: a reference
struct SubmissionNotAccepted {
  unsigned attempt = 1;
  Problem problem;
  std::optional<Duration> retry_after;
  std::string remember = {};  // how to send the next attempt (PreparedRequest::remembered); "": as before
  bool outdated = false;      // the draft is why: another one is built, and approved, before the next attempt
};
struct SubmissionRefused {
  unsigned attempt = 1;
  Problem problem;
};  // not accepted, and repeating cannot help
struct AnswerLost {
  unsigned attempt = 1;
  std::string why;
};  // it may have happened
struct FoundAtProvider {
  unsigned attempt = 1;
  StatusReport report;
};
struct AbsentAtProvider {
  unsigned attempt = 1;
};
struct LookUpInconclusive {
  unsigned attempt = 1;
  std::string why;
};  // the provider cannot tell, ever
struct Reported {
  StatusReport report;
};  // a poll's answer that changed something
struct ResultReceived {
  unsigned attempt = 0;  // 0: of the submission that was asked about by its reference
  StatusReport report;
  IssuedResult result;
};  // whatever call brought it
struct NothingHandedOut {
  std::string why;
};  // a one-time result is gone
struct Verified {
  std::string certificate;
  std::vector<Finding> findings;
};
struct VerificationFailed {
  std::string certificate;
  std::vector<Finding> findings;
};
struct ResultUnreadable {
  std::string why;
  bool still_there = false;  // the provider keeps it, and can be asked for it again
};                           // no certificate can be made of it
struct TargetInstalled {
  std::string target;
};
struct TargetFailed {
  std::string target;
  Problem problem;
  unsigned attempt = 0;  // which run of this target it was; runs that a crash ended are counted
};
struct TargetSkipped {
  std::string target, reason;
};  // a person gave up one target
struct CancelAsked {
  std::string reason;
};
struct CancelAnswered {
  StatusReport report;
};  // the provider took the cancel, or says what the request is now
struct CancelImpossible {
  std::string why;
};  // this provider has no cancel, or refuses it: its final word is awaited
struct DeadlinePassed {};
struct ResolvedAsThere {
  ProviderReference reference;
  bool issued = false;  // its certificate is there, and was compared with the request's key
};                      // a person found it at the provider
struct ResolvedAsCertificate {
  IssuedResult result;
};  // a person brought the certificate
struct ResolvedAsAbsent {
  std::string reason;
};  // a person vouches that it is not there
struct ResolvedAsAbandoned {
  std::string reason;
};
struct LookUpAsked {};  // a person asks to look once more
struct ResolvedAsDone {
  std::string reason;
};  // a person vouches that the revocation took effect
struct NotValidYet {
  NotYet not_yet;
};  // nothing but its first day is wrong with the certificate
struct DeviationsAccepted {
  std::vector<std::string> findings;  // by name
  std::string reason;
};  // a named person takes the certificate as it is
struct JudgementAsked {
  std::vector<std::string> accept;  // what the profile accepts today and did not when it was ordered
};                                  // a person asks to judge the stored result again

// Every event once: its type, and the name by which rules speak of it. The type's name is its word in the journal.
#define HSMBRIDGE_EVENTS(row)                                                                                          \
  row(Created, created) row(KeyPlanned, key_planned) row(KeyReady, key_ready) row(CsrSigned, csr_signed) row(          \
      DraftFrozen, draft_frozen) row(PreparationFailed, preparation_failed) row(DraftAccepted, draft_accepted)         \
      row(DraftRefused, draft_refused) row(DraftTooOld, draft_too_old) row(LocallyApproved, locally_approved)          \
          row(LocallyRejected, locally_rejected) row(Commanded, commanded) row(CommandOver, command_over) row(         \
              AttemptStarted, attempt_started) row(ApprovalsDue, approvals_due) row(ApprovalsVoided, approvals_voided) \
              row(SubmissionAnswered, submission_answered) row(SubmissionNotAccepted, submission_not_accepted)         \
                  row(SubmissionRefused, submission_refused) row(AnswerLost, answer_lost)                              \
                      row(FoundAtProvider, found_at_provider) row(AbsentAtProvider, absent_at_provider)                \
                          row(LookUpInconclusive, look_up_inconclusive) row(Reported, reported)                        \
                              row(ResultReceived, result_received) row(NothingHandedOut, nothing_handed_out) row(      \
                                  Verified, verified) row(VerificationFailed, verification_failed)                     \
                                  row(ResultUnreadable, result_unreadable) row(TargetInstalled, target_installed) row( \
                                      TargetFailed, target_failed) row(TargetSkipped, target_skipped)                  \
                                      row(CancelAsked, cancel_asked) row(CancelAnswered, cancel_answered) row(         \
                                          CancelImpossible, cancel_impossible) row(DeadlinePassed, deadline_passed)    \
                                          row(ResolvedAsThere, resolved_as_there)                                      \
                                              row(ResolvedAsCertificate, resolved_as_certificate)                      \
                                                  row(ResolvedAsAbsent, resolved_as_absent)                            \
                                                      row(ResolvedAsAbandoned, resolved_as_abandoned)                  \
                                                          row(LookUpAsked, look_up_asked)                              \
                                                              row(ResolvedAsDone, resolved_as_done)                    \
                                                                  row(NotValidYet, not_valid_yet)                      \
                                                                      row(DeviationsAccepted, deviations_accepted)     \
                                                                          row(JudgementAsked, judgement_asked)

using EventBody = VariantOfList<void HSMBRIDGE_EVENTS(HSMBRIDGE_ALTERNATIVE)>::type;
enum class EventName { HSMBRIDGE_EVENTS(HSMBRIDGE_NAME) };
inline constexpr std::size_t kEventCount = std::variant_size_v<EventBody>;

struct Event {
  Instant at{};
  std::string actor;  // "uid:NAME", "worker:HOST/PID", "provider:NAME"
  EventBody body;
};

inline EventName name_of(const EventBody& body) {
  return static_cast<EventName>(body.index());
}
// The provider's report that the event carries, or null.
const StatusReport* report_of(const EventBody& body);
// "SubmissionAnswered"
std::string_view to_string(EventName name);
std::optional<EventName> event_name_from(std::string_view word);

}  // namespace hsmbridge::workflow
