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
constexpr std::uint32_t kNotThere = to(S::submitting, S::failed, S::cancelled, S::expired);
constexpr std::uint32_t kFound = to(S::awaiting_approval, S::retrieving, S::withdrawing);

constexpr std::string_view kSecondOrder =
    "an earlier attempt was answered after all: two orders may exist, a person decides";
constexpr std::string_view kStored = "a result: stored before anything else happens to it";
constexpr std::string_view kNews = "the provider said something new";
constexpr std::string_view kFoundByPerson =
    "a person found it: polled, or withdrawn where that was asked for; its certificate, where it is issued, is fetched";
constexpr std::string_view kTooOldToSign =
    "not known to be signed while its draft was young enough: withdrawn, and a result that is there already is late";
constexpr std::string_view kJudgedAgain =
    "a person asks to judge the stored certificate again, with what its profile accepts today";
constexpr std::string_view kAnswerAfterAll = "the answer to an attempt that was given up came after all";
constexpr std::string_view kLost = "the result was handed out once and is lost";
constexpr std::string_view kTooOld = "the draft grew too old: it is built again and approvals are void";
constexpr std::string_view kWishWaits = "the wish waits for the answer";
constexpr std::string_view kWithdrawn = "it exists at the provider: withdrawn there";

// A rule for several states.
struct Row {
  std::uint32_t from;  // bit set of StateName
  EventName event;
  std::uint32_t to;
  std::string_view sentence;
};

//  from                event                          to              rule
constexpr Row kRows[] = {
    {to(S::preparing), E::key_planned, to(S::preparing), "the key is on disk by name before it is made"},
    {to(S::preparing), E::key_ready, to(S::preparing), "the key is in the token: the CSR is signed"},
    {to(S::preparing), E::csr_signed, to(S::preparing), "the CSR is signed and proved: the draft is built"},
    {to(S::preparing), E::draft_frozen, to(S::prepared), "the draft is proved and frozen"},
    {to(S::preparing), E::preparation_failed, to(S::failed), "nothing was sent and nothing can be"},
    {to(S::prepared), E::draft_accepted, kReleased,
     "the draft may go: local approval, command or submission comes next"},
    {to(S::prepared), E::draft_too_old, to(S::preparing),
     "its provider would not make the draft like this any more: built again"},
    {to(S::prepared), E::draft_refused, to(S::failed), "the provider cannot carry it, or policy forbids it"},
    {to(S::awaiting_local_approval), E::locally_approved, kReleased,
     "one person more; enough of them release the draft"},
    {to(S::awaiting_local_approval), E::locally_rejected, to(S::rejected), "a person at this bridge said no"},
    {to(S::awaiting_command), E::commanded, to(S::submitting), "an operator gave the command"},
    {kFrozen, E::draft_too_old, to(S::preparing), kTooOld},
    {kUnsent, E::cancel_asked, to(S::cancelled), "nothing was sent: cancelled at once"},
    {kUnsent, E::deadline_passed, to(S::expired), "nothing was sent: expired at once"},
    {kUnsent, E::submission_answered, to(S::unresolved), kSecondOrder},
    {kUnsent, E::found_at_provider, to(S::unresolved), kSecondOrder},
    {kUnsent, E::result_received, to(S::unresolved), kSecondOrder},

    {to(S::submitting), E::attempt_started, to(S::submitting), "journalled as begun before the first byte leaves"},
    {to(S::submitting), E::submission_answered, kLanding, "the provider took it and said where it stands"},
    {to(S::submitting), E::found_at_provider, kLanding, "a look-up found an earlier attempt after all"},
    {to(S::submitting), E::submission_not_accepted, kNotThere | to(S::preparing),
     "nothing happened there: the next attempt follows, with another draft where this one was outdated"},
    {to(S::submitting), E::submission_refused, to(S::failed, S::rejected),
     "nothing happened there, and repeating cannot help"},
    {to(S::submitting), E::answer_lost, to(S::looking_up), "it may have happened: look before repeating"},
    {to(S::submitting), E::draft_too_old, to(S::preparing), "not begun, and the draft grew too old: it is built again"},
    {to(S::submitting), E::cancel_asked, to(S::cancelled, S::submitting),
     "cancelled at once while planned; once begun the wish waits for the answer"},
    {to(S::submitting), E::deadline_passed, to(S::expired, S::submitting),
     "expired at once while planned; once begun the wish waits for the answer"},
    {to(S::submitting) | kUnknown, E::result_received, kLanding | kResult, kStored},

    {kUnknown, E::found_at_provider, kLanding, "it is there"},
    {kUnknown, E::submission_answered, kLanding, kAnswerAfterAll},
    {kUnknown, E::submission_not_accepted, kNotThere, kAnswerAfterAll},
    {kUnknown, E::submission_refused, to(S::failed, S::rejected), kAnswerAfterAll},
    {to(S::looking_up), E::absent_at_provider,
     to(S::looking_up, S::submitting, S::cancelled, S::expired, S::unresolved),
     "absent once: looked for again until the provider's search cannot lag behind any more; still absent then: it is "
     "not there, unless it was seen there before"},
    {to(S::looking_up), E::look_up_inconclusive, to(S::unresolved),
     "the provider cannot tell, or did not for most of a day: a person decides"},
    {to(S::looking_up), E::cancel_asked, to(S::looking_up), kWishWaits},
    {to(S::looking_up), E::deadline_passed, to(S::looking_up), kWishWaits},
    {kUnknown, E::resolved_as_there, kFound, kFoundByPerson},
    {to(S::looking_up), E::resolved_as_absent, kVouchedAbsent,
     "a person vouches that it is not there, once the lost call cannot be under way any more"},
    {to(S::unresolved), E::resolved_as_absent, kVouchedAbsent,
     "a person vouches that it is not there: the next attempt, approved again where approvals are wanted"},
    {to(S::unresolved), E::judgement_asked, to(S::verifying), kJudgedAgain},
    {to(S::unresolved), E::look_up_asked, to(S::looking_up, S::verifying),
     "a person asks to look once more: at the provider, or at the result where one is stored"},
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
     "a named person gave up a revocation that its provider leaves hanging"},

    {to(S::withdrawing), E::reported, kGivenUp,
     "the provider's word after we gave up; what is issued late is recorded"},
    {to(S::withdrawing), E::found_at_provider, kGivenUp, "the provider's word after we gave up"},
    {to(S::withdrawing), E::submission_answered, kGivenUp, kAnswerAfterAll},
    {to(S::withdrawing), E::result_received, kGivenUp | kResult, kStored},
    {to(S::withdrawing), E::cancel_answered, kGivenUp, "the provider took the cancel, or says what it is now"},
    {to(S::withdrawing), E::cancel_impossible, to(S::withdrawing),
     "no cancel there: only its final word is left to wait for"},
    {to(S::withdrawing), E::nothing_handed_out, to(S::unresolved), kLost},

    {to(S::retrieving), E::result_received, to(S::verifying), kStored},
    {to(S::retrieving), E::reported, to(S::retrieving, S::unresolved), kNews},
    {to(S::retrieving), E::nothing_handed_out, to(S::unresolved), kLost},

    {to(S::verifying), E::verified, to(S::installing, S::completed), "the certificate answers the request"},
    {to(S::verifying), E::verification_failed, to(S::quarantined),
     "the certificate does not answer the request: kept, not installed"},
    {to(S::verifying), E::not_valid_yet, to(S::verifying), "all is well but its first day, which is waited for"},
    {to(S::verifying), E::result_unreadable, to(S::retrieving, S::unresolved),
     "no certificate can be made of it: asked for again a few times where the provider keeps it, then kept for a "
     "person"},
    {to(S::verifying, S::quarantined), E::judgement_asked, to(S::verifying), kJudgedAgain},
    {to(S::quarantined), E::deviations_accepted, to(S::verifying),
     "a named person takes the certificate with its deviations: judged again with these accepted"},

    {to(S::installing), E::target_installed, to(S::installing, S::completed),
     "one target more; all of them complete it"},
    {to(S::installing), E::target_failed, to(S::installing), "tried again later; the certificate is safe"},
    {to(S::installing), E::target_skipped, to(S::installing, S::completed),
     "given up by a named person, or a newer certificate is there already"},

    {kStuck, E::resolved_as_certificate, to(S::verifying), "a person brought the certificate"},
    {kStuck, E::resolved_as_abandoned, to(S::abandoned), "a named person gave up"},
    {kWaiting | kUnknown | to(S::withdrawing), E::resolved_as_done, to(S::completed),
     "a person vouches that the revocation took effect"},
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
    "the worker: key found or made, draft built, proved and frozen",
    "the worker: the draft is checked against policy and what the provider can carry",
    "signed approvals at this bridge",
    "an operator's direct command",
    "the answer to the one submission",
    "the provider's word on a submission whose answer was lost",
    "approvers at the provider",
    "the provider: approved but not executed, or with the CA",
    "the provider's final word after we gave up",
    "certificate and chain",
    "proof that the certificate answers the request",
    "every place where the certificate goes",
    "a person",
    "a person: a certificate exists and is not what was asked",
    "nothing: it is done",
    "nothing: somebody said no",
    "nothing: time ran out",
    "nothing: it was cancelled",
    "nothing: no certificate exists",
    "nothing: a named person gave up",
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
