#include "workflow/machine/rules.h"

#include <array>

namespace hsmbridge::workflow {
namespace {

using S = StateName;
using E = EventName;

template <class... Names>
constexpr std::uint32_t to(Names... names) {
  return (bit(names) | ...);
}

// Where a clear word of the provider about a submission can lead.
constexpr std::uint32_t kLanding =
    to(S::awaiting_approval, S::awaiting_issuance, S::withdrawing, S::retrieving, S::verifying, S::completed,
       S::rejected, S::expired, S::cancelled, S::failed, S::unresolved);
constexpr std::uint32_t kReport = kLanding & ~bit(S::withdrawing);
constexpr std::uint32_t kGivenUp = to(S::withdrawing, S::retrieving, S::verifying, S::completed, S::rejected,
                                      S::expired, S::cancelled, S::failed, S::unresolved);
constexpr std::uint32_t kReleased = to(S::awaiting_local_approval, S::awaiting_command, S::submitting);

constexpr std::string_view kSecondOrder =
    "an earlier attempt was answered after all: two orders may exist, a person decides";
constexpr std::uint32_t kVouchedAbsent = to(S::prepared, S::submitting, S::cancelled, S::expired);
constexpr std::string_view kFoundByPerson =
    "a person found it: polled, or withdrawn where that was asked for; its certificate, where it is issued, is fetched";
constexpr std::string_view kTooOldToSign =
    "not known to be signed while its draft was young enough: withdrawn, and a result that is there already is late";
constexpr std::string_view kVouchedDone = "a person vouches that the revocation took effect";
constexpr std::string_view kGivenUpHanging = "a named person gave up a revocation that its provider leaves hanging";
constexpr std::string_view kJudgedAgain =
    "a person asks to judge the stored certificate again, with what its profile accepts today";
constexpr std::string_view kAnswerAfterAll = "the answer to an attempt that was given up came after all";

//  from                        event                        to                                      rule
constexpr Rule kRules[] = {
    {S::preparing, E::key_planned, to(S::preparing), "the key is on disk by name before it is made"},
    {S::preparing, E::key_ready, to(S::preparing), "the key is in the token: the CSR is signed"},
    {S::preparing, E::csr_signed, to(S::preparing), "the CSR is signed and proved: the draft is built"},
    {S::preparing, E::draft_frozen, to(S::prepared), "the draft is proved and frozen"},
    {S::preparing, E::preparation_failed, to(S::failed), "nothing was sent and nothing can be"},
    {S::preparing, E::cancel_asked, to(S::cancelled), "nothing was sent: cancelled at once"},
    {S::preparing, E::deadline_passed, to(S::expired), "nothing was sent: expired at once"},
    {S::preparing, E::submission_answered, to(S::unresolved), kSecondOrder},
    {S::preparing, E::found_at_provider, to(S::unresolved), kSecondOrder},

    {S::prepared, E::draft_accepted, kReleased, "the draft may go: local approval, command or submission comes next"},
    {S::prepared, E::draft_too_old, to(S::preparing),
     "its provider would not make the draft like this any more: built again"},
    {S::prepared, E::draft_refused, to(S::failed), "the provider cannot carry it, or policy forbids it"},
    {S::prepared, E::cancel_asked, to(S::cancelled), "nothing was sent: cancelled at once"},
    {S::prepared, E::deadline_passed, to(S::expired), "nothing was sent: expired at once"},
    {S::prepared, E::submission_answered, to(S::unresolved), kSecondOrder},
    {S::prepared, E::found_at_provider, to(S::unresolved), kSecondOrder},

    {S::awaiting_local_approval, E::locally_approved, kReleased, "one person more; enough of them release the draft"},
    {S::awaiting_local_approval, E::locally_rejected, to(S::rejected), "a person at this bridge said no"},
    {S::awaiting_local_approval, E::draft_too_old, to(S::preparing),
     "the draft grew too old: built anew, approvals void"},
    {S::awaiting_local_approval, E::cancel_asked, to(S::cancelled), "nothing was sent: cancelled at once"},
    {S::awaiting_local_approval, E::deadline_passed, to(S::expired), "nothing was sent: expired at once"},
    {S::awaiting_local_approval, E::submission_answered, to(S::unresolved), kSecondOrder},
    {S::awaiting_local_approval, E::found_at_provider, to(S::unresolved), kSecondOrder},

    {S::awaiting_command, E::commanded, to(S::submitting), "an operator gave the command"},
    {S::awaiting_command, E::draft_too_old, to(S::preparing), "the draft grew too old: built anew, approvals void"},
    {S::awaiting_command, E::cancel_asked, to(S::cancelled), "nothing was sent: cancelled at once"},
    {S::awaiting_command, E::deadline_passed, to(S::expired), "nothing was sent: expired at once"},
    {S::awaiting_command, E::submission_answered, to(S::unresolved), kSecondOrder},
    {S::awaiting_command, E::found_at_provider, to(S::unresolved), kSecondOrder},

    {S::submitting, E::attempt_started, to(S::submitting), "journalled as begun before the first byte leaves"},
    {S::submitting, E::submission_answered, kLanding, "the provider took it and said where it stands"},
    {S::submitting, E::found_at_provider, kLanding, "a look-up found an earlier attempt after all"},
    {S::submitting, E::submission_not_accepted, to(S::submitting, S::preparing, S::failed, S::cancelled, S::expired),
     "nothing happened there: the next attempt follows, with another draft where this one was outdated"},
    {S::submitting, E::submission_refused, to(S::failed, S::rejected),
     "nothing happened there, and repeating cannot help"},
    {S::submitting, E::answer_lost, to(S::looking_up), "it may have happened: look before repeating"},
    {S::submitting, E::draft_too_old, to(S::preparing), "not begun, and the draft grew too old: built anew"},
    {S::submitting, E::cancel_asked, to(S::cancelled, S::submitting),
     "cancelled at once while planned; once begun the wish waits for the answer"},
    {S::submitting, E::deadline_passed, to(S::expired, S::submitting),
     "expired at once while planned; once begun the wish waits for the answer"},

    {S::looking_up, E::found_at_provider, kLanding, "it is there"},
    {S::looking_up, E::submission_answered, kLanding, kAnswerAfterAll},
    {S::looking_up, E::submission_not_accepted, to(S::submitting, S::failed, S::cancelled, S::expired),
     kAnswerAfterAll},
    {S::looking_up, E::submission_refused, to(S::failed, S::rejected), kAnswerAfterAll},
    {S::looking_up, E::absent_at_provider, to(S::looking_up, S::submitting, S::cancelled, S::expired, S::unresolved),
     "absent once: looked for again until the provider's search cannot lag behind any more; still absent then: it is "
     "not there, unless it was seen there before"},
    {S::looking_up, E::look_up_inconclusive, to(S::unresolved),
     "the provider cannot tell, or did not for most of a day: a person decides"},
    {S::looking_up, E::cancel_asked, to(S::looking_up), "the wish waits for the answer"},
    {S::looking_up, E::deadline_passed, to(S::looking_up), "the wish waits for the answer"},
    {S::looking_up, E::resolved_as_there, to(S::awaiting_approval, S::retrieving, S::withdrawing), kFoundByPerson},
    {S::looking_up, E::resolved_as_certificate, to(S::verifying), "a person brought the certificate"},
    {S::looking_up, E::resolved_as_absent, kVouchedAbsent,
     "a person vouches that it is not there, once the lost call cannot be under way any more"},
    {S::looking_up, E::resolved_as_abandoned, to(S::abandoned), "a named person gave up"},
    {S::looking_up, E::resolved_as_done, to(S::completed), kVouchedDone},

    {S::awaiting_approval, E::reported, kReport, "the provider said something new"},
    {S::awaiting_approval, E::found_at_provider, kReport, "the provider said something new"},
    {S::awaiting_approval, E::submission_answered, kReport, kAnswerAfterAll},
    {S::awaiting_approval, E::nothing_handed_out, to(S::unresolved), "the result was handed out once and is lost"},
    {S::awaiting_approval, E::cancel_asked, to(S::withdrawing), "it exists at the provider: withdrawn there"},
    {S::awaiting_approval, E::deadline_passed, to(S::withdrawing), "it exists at the provider: withdrawn there"},
    {S::awaiting_approval, E::draft_too_old, to(S::withdrawing), kTooOldToSign},
    {S::awaiting_approval, E::resolved_as_done, to(S::completed), kVouchedDone},
    {S::awaiting_approval, E::resolved_as_abandoned, to(S::abandoned), kGivenUpHanging},

    {S::awaiting_issuance, E::reported, kReport, "the provider said something new"},
    {S::awaiting_issuance, E::found_at_provider, kReport, "the provider said something new"},
    {S::awaiting_issuance, E::submission_answered, kReport, kAnswerAfterAll},
    {S::awaiting_issuance, E::nothing_handed_out, to(S::unresolved), "the result was handed out once and is lost"},
    {S::awaiting_issuance, E::cancel_asked, to(S::withdrawing), "it exists at the provider: withdrawn there"},
    {S::awaiting_issuance, E::deadline_passed, to(S::withdrawing), "it exists at the provider: withdrawn there"},
    {S::awaiting_issuance, E::draft_too_old, to(S::withdrawing), kTooOldToSign},
    {S::awaiting_issuance, E::resolved_as_done, to(S::completed), kVouchedDone},
    {S::awaiting_issuance, E::resolved_as_abandoned, to(S::abandoned), kGivenUpHanging},

    {S::withdrawing, E::reported, kGivenUp, "the provider's word after we gave up; what is issued late is recorded"},
    {S::withdrawing, E::found_at_provider, kGivenUp, "the provider's word after we gave up"},
    {S::withdrawing, E::submission_answered, kGivenUp, kAnswerAfterAll},
    {S::withdrawing, E::cancel_answered, kGivenUp, "the provider took the cancel, or says what it is now"},
    {S::withdrawing, E::cancel_impossible, to(S::withdrawing),
     "no cancel there: only its final word is left to wait for"},
    {S::withdrawing, E::nothing_handed_out, to(S::unresolved), "the result was handed out once and is lost"},
    {S::withdrawing, E::resolved_as_certificate, to(S::verifying), "a person brought the certificate"},
    {S::withdrawing, E::resolved_as_abandoned, to(S::abandoned), "a named person gave up"},
    {S::withdrawing, E::resolved_as_done, to(S::completed), kVouchedDone},

    {S::retrieving, E::handed_out, to(S::verifying), "stored before anything else happens to it"},
    {S::retrieving, E::reported, to(S::retrieving, S::verifying, S::unresolved), "the provider said something new"},
    {S::retrieving, E::nothing_handed_out, to(S::unresolved), "the result was handed out once and is lost"},
    {S::retrieving, E::resolved_as_certificate, to(S::verifying), "a person brought the certificate"},
    {S::retrieving, E::resolved_as_abandoned, to(S::abandoned), "a named person gave up"},

    {S::verifying, E::verified, to(S::installing, S::completed), "the certificate answers the request"},
    {S::verifying, E::verification_failed, to(S::quarantined),
     "the certificate does not answer the request: kept, not installed"},
    {S::verifying, E::not_valid_yet, to(S::verifying), "all is well but its first day, which is waited for"},
    {S::verifying, E::handout_unreadable, to(S::retrieving, S::unresolved),
     "no certificate can be made of it: asked for again a few times where the provider keeps it, then kept for a "
     "person"},
    {S::verifying, E::judgement_asked, to(S::verifying), kJudgedAgain},
    {S::verifying, E::resolved_as_certificate, to(S::verifying), "a person brought the certificate"},
    {S::verifying, E::resolved_as_abandoned, to(S::abandoned), "a named person gave up"},

    {S::installing, E::target_installed, to(S::installing, S::completed), "one target more; all of them complete it"},
    {S::installing, E::target_failed, to(S::installing), "tried again later; the certificate is safe"},
    {S::installing, E::target_skipped, to(S::installing, S::completed),
     "given up by a named person, or a newer certificate is there already"},

    {S::quarantined, E::deviations_accepted, to(S::verifying),
     "a named person takes the certificate with its deviations: judged again with these accepted"},
    {S::quarantined, E::judgement_asked, to(S::verifying), kJudgedAgain},
    {S::quarantined, E::resolved_as_certificate, to(S::verifying), "a person brought the certificate"},
    {S::quarantined, E::resolved_as_abandoned, to(S::abandoned), "a named person gave up"},

    {S::unresolved, E::judgement_asked, to(S::verifying), kJudgedAgain},
    {S::unresolved, E::look_up_asked, to(S::looking_up, S::verifying),
     "a person asks to look once more: at the provider, or at the result where one is stored"},
    {S::unresolved, E::resolved_as_there, to(S::awaiting_approval, S::retrieving, S::withdrawing), kFoundByPerson},
    {S::unresolved, E::resolved_as_certificate, to(S::verifying), "a person brought the certificate"},
    {S::unresolved, E::resolved_as_absent, kVouchedAbsent,
     "a person vouches that it is not there: the next attempt, approved anew where approvals are wanted"},
    {S::unresolved, E::resolved_as_abandoned, to(S::abandoned), "a named person gave up"},
    {S::unresolved, E::resolved_as_done, to(S::completed), kVouchedDone},
    {S::unresolved, E::submission_answered, kLanding, kAnswerAfterAll},
    {S::unresolved, E::submission_not_accepted, to(S::submitting, S::failed, S::cancelled, S::expired),
     kAnswerAfterAll},
    {S::unresolved, E::submission_refused, to(S::failed, S::rejected), kAnswerAfterAll},
    {S::unresolved, E::found_at_provider, kLanding, "it is there"},
    {S::unresolved, E::reported, kLanding, "the provider said something new"},
    {S::unresolved, E::handed_out, to(S::verifying), "stored before anything else happens to it"},
};

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
    "nothing: it is done",
    "nothing: somebody said no",
    "nothing: time ran out",
    "nothing: it was cancelled",
    "nothing: no certificate exists",
    "a person: a certificate exists and is not what was asked",
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
