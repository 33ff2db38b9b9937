#include "workflow/machine/rules.h"

#include <array>
#include <bit>

namespace hsmbridge::workflow {
namespace {

using S = StateName;
using E = EventName;

template <class... Names>
constexpr std::uint32_t to(Names... names) {
  return (bit(names) | ...);
}

constexpr std::uint32_t kUnsent = to(S::preparing, S::prepared, S::awaiting_local_approval, S::awaiting_command);
constexpr std::uint32_t kFrozen = to(S::awaiting_local_approval, S::awaiting_command);
constexpr std::uint32_t kWaiting = to(S::awaiting_approval, S::awaiting_issuance);
constexpr std::uint32_t kUnknown = to(S::looking_up, S::unresolved);
// Where a person who knows better can end it.
constexpr std::uint32_t kStuck =
    to(S::looking_up, S::withdrawing, S::retrieving, S::verifying, S::quarantined, S::unresolved);

// Where a clear word of the provider about a submission can lead; a result leads to Verifying, where one is wanted.
constexpr std::uint32_t kEnded = to(S::completed, S::rejected, S::expired, S::cancelled, S::failed, S::unresolved);
constexpr std::uint32_t kReport = kWaiting | to(S::retrieving) | kEnded;
constexpr std::uint32_t kLanding = kReport | to(S::withdrawing);
constexpr std::uint32_t kGivenUp = to(S::withdrawing, S::retrieving) | kEnded;
constexpr std::uint32_t kResult = to(S::verifying);
constexpr std::uint32_t kReleased = to(S::awaiting_local_approval, S::awaiting_command, S::submitting);
constexpr std::uint32_t kVouchedAbsent = to(S::prepared, S::submitting, S::cancelled, S::expired);
constexpr std::uint32_t kNotThere = to(S::awaiting_command, S::submitting, S::failed, S::cancelled, S::expired);
constexpr std::uint32_t kFound = to(S::awaiting_approval, S::retrieving, S::withdrawing);

constexpr std::string_view kSecondOrder =
    "an earlier attempt was answered after all: two orders may exist, so a person decides";
constexpr std::string_view kStored = "a result arrived: it is stored before anything else is done with it";
constexpr std::string_view kNews = "the provider reported a change";
constexpr std::string_view kFoundByPerson =
    "a person found it at the provider: it is polled, or withdrawn if that was requested; if its certificate has been "
    "issued, it is fetched";
constexpr std::string_view kTooOldToSign =
    "not known to be signed before its draft became too old: it is withdrawn, and a result that exists already counts "
    "as late";
constexpr std::string_view kJudgedAgain =
    "a person asks to check the stored certificate again, with what its profile accepts now";
constexpr std::string_view kAnswerAfterAll = "the answer to an attempt that had been given up arrived after all";
constexpr std::string_view kLost = "the provider gives out the result only once, and it is lost";
constexpr std::string_view kTooOld = "the draft became too old: it is built again, and its approvals are void";
constexpr std::string_view kWishWaits = "this is done once the answer is known";
constexpr std::string_view kWithdrawn = "it exists at the provider, so it is withdrawn there";

// A rule for several states.
struct Row {
  std::uint32_t from;  // bit set of StateName
  EventName event;
  std::uint32_t to;
  std::string_view sentence;
};

//  from                event                          to              rule
constexpr Row kRows[] = {
    {to(S::preparing), E::key_planned, to(S::preparing), "the key's name is on disk before the key is generated"},
    {to(S::preparing), E::key_ready, to(S::preparing), "the key is in the token: the CSR is signed"},
    {to(S::preparing), E::csr_signed, to(S::preparing), "the CSR is signed and verified: the draft is built"},
    {to(S::preparing), E::draft_frozen, to(S::prepared), "the draft is verified and frozen"},
    {to(S::preparing), E::preparation_failed, to(S::failed), "nothing was sent, and nothing can be sent"},
    {to(S::prepared), E::draft_accepted, kReleased,
     "the draft is accepted: local approval, command or submission comes next"},
    {to(S::prepared), E::draft_too_old, to(S::preparing),
     "its provider would build another draft now: it is built again"},
    {to(S::prepared), E::draft_refused, to(S::failed), "the provider cannot carry it, or policy forbids it"},
    {to(S::awaiting_local_approval), E::locally_approved, kReleased | to(S::expired),
     "one more person approved; enough approvals release the draft"},
    {to(S::awaiting_local_approval), E::locally_rejected, kReleased | to(S::rejected, S::expired),
     "a person at this bridge rejected it; it is over once there cannot be enough approvals any more"},
    {to(S::awaiting_local_approval), E::approvals_due, kReleased | to(S::expired),
     "a timelock or the time to approve it ended: the approvals are judged again"},
    {to(S::awaiting_local_approval), E::approvals_voided, to(S::failed),
     "its profile wants other approvals now: those that were given are void, and it has to be requested again"},
    {to(S::awaiting_command), E::commanded, to(S::submitting), "an operator gave the command"},
    {kFrozen, E::draft_too_old, to(S::preparing), kTooOld},
    {kUnsent, E::cancel_asked, to(S::cancelled), "nothing was sent: cancelled at once"},
    {kUnsent, E::deadline_passed, to(S::expired), "nothing was sent: expired at once"},
    {kUnsent, E::submission_answered, to(S::unresolved), kSecondOrder},
    {kUnsent, E::found_at_provider, to(S::unresolved), kSecondOrder},
    {kUnsent, E::result_received, to(S::unresolved), kSecondOrder},

    {to(S::submitting), E::attempt_started, to(S::submitting),
     "the attempt is in the journal before the first byte is sent"},
    {to(S::submitting), E::submission_answered, kLanding, "the provider accepted it and reported its status"},
    {to(S::submitting), E::found_at_provider, kLanding, "a look-up found an earlier attempt after all"},
    {to(S::submitting), E::submission_not_accepted, kNotThere | to(S::preparing),
     "nothing happened at the provider: the next attempt follows, after another command where one is required, and "
     "with "
     "a new draft if this one was outdated"},
    {to(S::submitting), E::command_over, to(S::awaiting_command),
     "an operator's command is for now: it was not carried out in time"},
    {to(S::submitting), E::submission_refused, to(S::failed, S::rejected),
     "nothing happened at the provider, and repeating cannot help"},
    {to(S::submitting), E::answer_lost, to(S::looking_up),
     "it may have happened: the provider is asked before anything is repeated"},
    {to(S::submitting), E::draft_too_old, to(S::preparing),
     "not started, and the draft became too old: it is built again"},
    {to(S::submitting), E::cancel_asked, to(S::cancelled, S::submitting),
     "cancelled at once while planned; once started, as soon as the answer is known"},
    {to(S::submitting), E::deadline_passed, to(S::expired, S::submitting),
     "expired at once while planned; once started, as soon as the answer is known"},
    {to(S::submitting) | kUnknown, E::result_received, kLanding | kResult, kStored},

    {kUnknown, E::found_at_provider, kLanding, "it is at the provider"},
    {kUnknown, E::submission_answered, kLanding, kAnswerAfterAll},
    {kUnknown, E::submission_not_accepted, kNotThere, kAnswerAfterAll},
    {kUnknown, E::submission_refused, to(S::failed, S::rejected), kAnswerAfterAll},
    {to(S::looking_up), E::absent_at_provider,
     to(S::looking_up, S::awaiting_command, S::submitting, S::cancelled, S::expired, S::unresolved),
     "not found: it is looked up again until the provider's search can no longer lag behind; if it is still not found "
     "then, it is not there, unless it was seen there before"},
    {to(S::looking_up), E::look_up_inconclusive, to(S::unresolved),
     "the provider cannot tell, or has not for most of a day: a person decides"},
    {to(S::looking_up), E::cancel_asked, to(S::looking_up), kWishWaits},
    {to(S::looking_up), E::deadline_passed, to(S::looking_up), kWishWaits},
    {kUnknown, E::resolved_as_there, kFound, kFoundByPerson},
    {to(S::looking_up), E::resolved_as_absent, kVouchedAbsent,
     "a person confirms that it is not at the provider, once the lost call can no longer be under way"},
    {to(S::unresolved), E::resolved_as_absent, kVouchedAbsent,
     "a person confirms that it is not at the provider: the next attempt follows, approved again where approvals are "
     "required"},
    {to(S::unresolved), E::judgement_asked, to(S::verifying), kJudgedAgain},
    {to(S::unresolved), E::look_up_asked, to(S::looking_up, S::verifying),
     "a person asks for another look: at the provider, or at the result if one is stored"},
    {to(S::unresolved), E::reported, kLanding, kNews},

    {kWaiting, E::reported, kReport, kNews},
    {kWaiting, E::found_at_provider, kReport, kNews},
    {kWaiting, E::submission_answered, kReport, kAnswerAfterAll},
    {kWaiting, E::result_received, kReport | kResult, kStored},
    {kWaiting, E::nothing_handed_out, to(S::unresolved), kLost},
    {kWaiting, E::cancel_asked, to(S::withdrawing), kWithdrawn},
    {kWaiting, E::deadline_passed, to(S::withdrawing), kWithdrawn},
    {kWaiting, E::draft_too_old, to(S::withdrawing), kTooOldToSign},
    {kWaiting, E::resolved_as_abandoned, to(S::abandoned),
     "a named person abandoned a revocation that its provider does not finish"},

    {to(S::withdrawing), E::reported, kGivenUp,
     "the provider's answer after the request was given up; a certificate that is issued late is recorded"},
    {to(S::withdrawing), E::found_at_provider, kGivenUp, "the provider's answer after the request was given up"},
    {to(S::withdrawing), E::submission_answered, kGivenUp, kAnswerAfterAll},
    {to(S::withdrawing), E::result_received, kGivenUp | kResult, kStored},
    {to(S::withdrawing), E::cancel_answered, kGivenUp,
     "the provider accepted the cancellation, or reports the current status"},
    {to(S::withdrawing), E::cancel_impossible, to(S::withdrawing),
     "the provider cannot cancel it: its final status is waited for"},
    {to(S::withdrawing), E::nothing_handed_out, to(S::unresolved), kLost},

    {to(S::retrieving), E::result_received, to(S::verifying), kStored},
    {to(S::retrieving), E::reported, to(S::retrieving, S::unresolved), kNews},
    {to(S::retrieving), E::nothing_handed_out, to(S::unresolved), kLost},

    {to(S::verifying), E::verified, to(S::installing, S::completed), "the certificate matches the request"},
    {to(S::verifying), E::verification_failed, to(S::quarantined),
     "the certificate does not match the request: it is kept and not installed"},
    {to(S::verifying), E::not_valid_yet, to(S::verifying),
     "the certificate matches but is not valid yet: its first day is waited for"},
    {to(S::verifying), E::result_unreadable, to(S::retrieving, S::unresolved),
     "it does not hold a readable certificate: it is fetched again a few times if the provider keeps it, then kept for "
     "a person"},
    {to(S::verifying, S::quarantined), E::judgement_asked, to(S::verifying), kJudgedAgain},
    {to(S::quarantined), E::deviations_accepted, to(S::verifying),
     "a named person accepts the certificate with its deviations: it is checked again with these accepted"},

    {to(S::installing), E::target_installed, to(S::installing, S::completed),
     "one more target is done; the last one completes the request"},
    {to(S::installing), E::target_failed, to(S::installing), "it is tried again later; the certificate is safe"},
    {to(S::installing), E::target_skipped, to(S::installing, S::completed),
     "a named person gave it up, or a newer certificate is there already"},

    {kStuck, E::resolved_as_certificate, to(S::verifying), "a person supplied the certificate"},
    {kStuck, E::resolved_as_abandoned, to(S::abandoned), "a named person abandoned the request"},
    {kWaiting | kUnknown | to(S::withdrawing), E::resolved_as_done, to(S::completed),
     "a person confirms that the revocation took effect"},
};

constexpr std::size_t count_rules() {
  std::size_t count = 0;
  for (const Row& row : kRows) count += static_cast<std::size_t>(std::popcount(row.from));
  return count;
}

// One rule a state, by state.
constexpr auto kRules = [] {
  std::array<Rule, count_rules()> all{};
  std::size_t next = 0;
  for (std::size_t i = 0; i < kStateCount; ++i) {
    const auto state = static_cast<StateName>(i);
    for (const Row& row : kRows) {
      if ((row.from & bit(state)) != 0) all[next++] = Rule{state, row.event, row.to, row.sentence};
    }
  }
  return all;
}();

constexpr std::array<std::string_view, kStateCount> kWaitsFor{
    "the worker: key found or generated, draft built, verified and frozen",
    "the worker: the draft is checked against policy and what the provider can carry",
    "signed approvals at this bridge",
    "an operator's direct command",
    "the answer to the one submission",
    "the provider's status of a submission whose answer was lost",
    "approvers at the provider",
    "the provider: approved but not executed, or with the CA",
    "the provider's final status after the request was given up",
    "certificate and chain",
    "the check that the certificate matches the request",
    "every install target",
    "a person",
    "a person: a certificate exists and is not what was requested",
    "nothing: it is done",
    "nothing: it was rejected",
    "nothing: a deadline passed",
    "nothing: it was cancelled",
    "nothing: no certificate exists",
    "nothing: a named person abandoned it",
};

}  // namespace

std::span<const Rule> rules() {
  return kRules;
}

const Rule* rule_for(StateName from, EventName event) {
  for (const Rule& rule : kRules) {
    if (rule.from == from && rule.event == event) return &rule;
  }
  return nullptr;
}

std::string_view waits_for(StateName name) {
  return kWaitsFor[static_cast<std::size_t>(name)];
}

}  // namespace hsmbridge::workflow
