// The words under which states, events, effects and standings are written in the journal and shown. They never change:
// an old journal must stay readable.
#include "workflow/machine/effect.h"
#include "workflow/machine/event.h"
#include "workflow/machine/report.h"
#include "workflow/machine/state.h"

#include <array>

namespace hsmbridge::workflow {
namespace {

constexpr std::array<std::string_view, kStateCount> kStates{
    "Preparing",        "Prepared",         "AwaitingLocalApproval",
    "AwaitingCommand",  "Submitting",       "LookingUp",
    "AwaitingApproval", "AwaitingIssuance", "Withdrawing",
    "Retrieving",       "Verifying",        "Installing",
    "Unresolved",       "Completed",        "Rejected",
    "Expired",          "Cancelled",        "Failed",
    "Quarantined",      "Abandoned"};

constexpr std::array<std::string_view, 7> kKinds{"enroll",     "renew",      "revoke",    "crl",
                                                 "ocsp-batch", "cross-sign", "key-create"};

constexpr std::array<std::string_view, kEventCount> kEvents{"Created",
                                                            "KeyPlanned",
                                                            "KeyReady",
                                                            "CsrSigned",
                                                            "DraftFrozen",
                                                            "PreparationFailed",
                                                            "DraftAccepted",
                                                            "DraftRefused",
                                                            "DraftTooOld",
                                                            "LocallyApproved",
                                                            "LocallyRejected",
                                                            "Commanded",
                                                            "AttemptStarted",
                                                            "SubmissionAnswered",
                                                            "SubmissionNotAccepted",
                                                            "SubmissionRefused",
                                                            "AnswerLost",
                                                            "FoundAtProvider",
                                                            "AbsentAtProvider",
                                                            "LookUpInconclusive",
                                                            "Reported",
                                                            "HandedOut",
                                                            "NothingHandedOut",
                                                            "Verified",
                                                            "VerificationFailed",
                                                            "HandoutUnreadable",
                                                            "TargetInstalled",
                                                            "TargetFailed",
                                                            "TargetSkipped",
                                                            "CancelAsked",
                                                            "CancelAnswered",
                                                            "CancelImpossible",
                                                            "DeadlinePassed",
                                                            "ResolvedAsThere",
                                                            "ResolvedAsCertificate",
                                                            "ResolvedAsAbsent",
                                                            "ResolvedAsAbandoned",
                                                            "LookUpAsked",
                                                            "ResolvedAsDone",
                                                            "NotValidYet",
                                                            "DeviationsAccepted",
                                                            "JudgementAsked"};

constexpr std::array<std::string_view, 14> kEffects{
    "ensure_key", "sign_csr", "build_draft", "check_draft", "submit",         "look_up",  "poll",
    "retrieve",   "verify",   "install",     "withdraw",    "answer_overdue", "deadline", "draft_age"};

constexpr std::array<std::string_view, 11> kStandings{
    "awaiting_approval", "awaiting_issuance", "ready",  "handed_out", "done",        "rejected",
    "expired",           "cancelled",         "failed", "gone",       "unrecognised"};

template <class Enum, std::size_t N>
std::optional<Enum> from_word(const std::array<std::string_view, N>& words, std::string_view word) {
  for (std::size_t i = 0; i < N; ++i) {
    if (words[i] == word) return static_cast<Enum>(i);
  }
  return std::nullopt;
}

}  // namespace

std::string_view to_string(Kind kind) {
  return kKinds[static_cast<std::size_t>(kind)];
}

std::string_view to_string(StateName name) {
  return kStates[static_cast<std::size_t>(name)];
}
std::optional<StateName> state_name_from(std::string_view word) {
  return from_word<StateName>(kStates, word);
}

std::string_view to_string(EventName name) {
  return kEvents[static_cast<std::size_t>(name)];
}
std::optional<EventName> event_name_from(std::string_view word) {
  return from_word<EventName>(kEvents, word);
}

std::string_view to_string(EffectName name) {
  return kEffects[static_cast<std::size_t>(name)];
}
std::optional<EffectName> effect_name_from(std::string_view word) {
  return from_word<EffectName>(kEffects, word);
}

std::string_view to_string(RequestStatus standing) {
  return kStandings[static_cast<std::size_t>(standing)];
}
std::optional<RequestStatus> request_status_from(std::string_view word) {
  return from_word<RequestStatus>(kStandings, word);
}

}  // namespace hsmbridge::workflow
