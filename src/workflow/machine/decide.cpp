#include "workflow/machine/decide.h"

#include "base/error.h"
#include "workflow/machine/codec.h"
#include "workflow/machine/lifecycle.h"
#include "workflow/machine/rules.h"
#include "workflow/machine/schedule.h"
#include "workflow/machine/transitions.h"

#include <fmt/core.h>

#include <algorithm>
#include <utility>

namespace hsmbridge::workflow {
namespace {

// ---- ends that several states share ---------------------------------------------------------------------------------

State given_up(const WithdrawWish& wish) {
  switch (wish.cause) {
    case WithdrawWish::Cause::deadline:
      return Expired{"the request's own deadline"};
    case WithdrawWish::Cause::draft_age:
      return Expired{wish.reason};
    case WithdrawWish::Cause::cancel:
      break;
  }
  return Cancelled{wish.actor, wish.reason};
}

WithdrawWish wish_of(const Context& context) {
  if (const auto* cancel = context.is<CancelAsked>()) {
    return WithdrawWish{WithdrawWish::Cause::cancel, context.event.actor, cancel->reason};
  }
  if (const auto* old = context.is<DraftTooOld>()) {
    return WithdrawWish{WithdrawWish::Cause::draft_age, context.event.actor,
                        fmt::format("the draft was {} old and not signed: its profile allows {}", spoken(old->age),
                                    spoken(context.order.max_age.value_or(old->age)))};
  }
  return WithdrawWish{WithdrawWish::Cause::deadline, context.event.actor, "the request's own deadline passed"};
}

State failed(const Problem& problem) {
  if (error_kind_from(problem.kind) == ErrorKind::refused) return Rejected{{}, problem.message};
  return Failed{problem.kind, problem.message, problem.hint};
}

std::string named(const Submission& submission) {
  if (submission.reference.empty()) return fmt::format("attempt {} (no reference)", submission.attempt);
  return fmt::format("attempt {} ({})", submission.attempt, submission.reference.str());
}

// With the draft that this attempt sent: by it the certificate is judged.
Dossier as_sent(Dossier dossier, unsigned attempt) {
  if (dossier.sent && attempt <= dossier.sent->last_attempt) dossier.draft = dossier.sent->draft;
  return dossier;
}

// Two orders may exist at the provider. Neither is dropped and neither is trusted: a person decides, and which draft
// counts depends on the attempt that the decision is about, so both stay.
State two_orders(Dossier dossier, const SubmissionAnswered& answer, const std::string& other, Instant at,
                 const std::optional<WithdrawWish>& wish = std::nullopt, Instant not_before = {}) {
  Submission late{answer.attempt, answer.report.reference, answer.report.provider_state, at};
  std::string why = fmt::format("{} was answered after it had been given up; {}", named(late), other);
  return Unresolved{std::move(dossier), std::move(late), std::move(why), answer.report.handout, wish, not_before};
}

// That an attempt is there: its own answer says it, or a look-up does.
std::optional<SubmissionAnswered> answer_of(const Context& context) {
  if (const auto* answered = context.is<SubmissionAnswered>()) return *answered;
  if (const auto* found = context.is<FoundAtProvider>()) return SubmissionAnswered{found->attempt, found->report};
  return std::nullopt;
}

// ---- where a clear word of the provider leads -----------------------------------------------------------------------

// What the provider said, joined with what was known: it need not repeat its reference or state.
Submission updated(Submission submission, const Report& report) {
  if (!report.reference.empty()) submission.reference = report.reference;
  if (!report.provider_state.empty()) submission.provider_state = report.provider_state;
  return submission;
}

std::string spoken_status(const Report& report) {
  if (report.message.empty()) return report.provider_status;
  return report.provider_status.empty() ? report.message : report.provider_status + ": " + report.message;
}

Progress progress_with_note(const Report& report) {
  Progress progress = report.progress;
  if (report.status == RequestStatus::unrecognised && progress.note.empty()) {
    progress.note =
        fmt::format("the provider says '{}', a status that this version does not know", report.provider_status);
  }
  return progress;
}

// A revocation hands nothing out: a provider that speaks of a certificate to fetch has not said what became of it.
RequestStatus revocation_standing(const Order& order, RequestStatus standing) {
  const bool speaks_of_a_certificate = standing == RequestStatus::ready || standing == RequestStatus::handed_out;
  return !needs_key(order) && speaks_of_a_certificate ? RequestStatus::unrecognised : standing;
}

// The submission is known to exist (or to have ended): where it stands now. `wish` turns waiting into withdrawing, and
// a certificate into a late one.
State landed(const Order& order, Dossier dossier, Submission submission, const Report& report,
             const std::optional<WithdrawWish>& wish) {
  const bool late = wish.has_value();
  switch (revocation_standing(order, report.status)) {
    case RequestStatus::done:
      if (!needs_key(order)) return revoked(order, dossier);
      [[fallthrough]];
    case RequestStatus::handed_out:
      if (!report.handout) {
        return Unresolved{std::move(dossier),
                          std::move(submission),
                          "the provider says it is done but handed out nothing (results that are given once are gone "
                          "after the first look): " +
                              spoken_status(report),
                          {},
                          wish};
      }
      return Verifying{std::move(dossier), std::move(submission), *report.handout, late};
    case RequestStatus::ready:
      return Retrieving{std::move(dossier), std::move(submission), report.provider_status, late};
    case RequestStatus::rejected:
      return Rejected{report.by, spoken_status(report)};
    case RequestStatus::expired:
      return Expired{"the approval window at the provider: " + spoken_status(report)};
    case RequestStatus::cancelled:
      return wish ? given_up(*wish)
                  : State{Cancelled{report.by.empty() ? "the provider" : report.by, spoken_status(report)}};
    case RequestStatus::failed:
      return Failed{std::string(to_string(ErrorKind::refused)), "the provider failed it: " + spoken_status(report), {}};
    case RequestStatus::gone:
      return Unresolved{
          std::move(dossier), std::move(submission), "the provider took it and does not know it", {}, wish};
    case RequestStatus::awaiting_approval:
    case RequestStatus::awaiting_issuance:
    case RequestStatus::unrecognised:
      break;
  }
  if (!submission.is_known()) {
    return Unresolved{std::move(dossier),
                      std::move(submission),
                      "the provider took it without giving a reference to ask for: " + spoken_status(report),
                      {},
                      wish};
  }
  if (wish) {
    return Withdrawing{
        std::move(dossier), std::move(submission), *wish, Withdrawing::Cancel::wanted, {}, report.provider_status, {}};
  }
  if (report.status == RequestStatus::awaiting_issuance) {
    return AwaitingIssuance{
        std::move(dossier), std::move(submission), progress_with_note(report), report.provider_status, {}};
  }
  return AwaitingApproval{
      std::move(dossier), std::move(submission), progress_with_note(report), report.provider_status, {}};
}

// An answer to some attempt that names another reference than the one we wait for.
bool is_another_order(const Context& context, const Submission& current) {
  const auto answer = answer_of(context);
  if (!answer) return false;
  const ProviderReference& reference = answer->report.reference;
  if (!reference.empty() && !current.reference.empty()) return reference != current.reference;
  return answer->attempt != current.attempt;
}

State another_order(const Dossier& dossier, const Context& context, const Submission& current,
                    const std::optional<WithdrawWish>& wish = std::nullopt) {
  const SubmissionAnswered answer = answer_of(context).value_or(SubmissionAnswered{});
  return two_orders(dossier, answer, named(current) + " was being waited for", context.at(), wish);
}

// ---- one function a state -------------------------------------------------------------------------------------------

State released(const Order& order, Dossier dossier, unsigned from) {
  // States that do not apply to a request are passed through. `from`: 0 before local approval, 1 before the command.
  if (from == 0 && order.local_approvals > 0) {
    return AwaitingLocalApproval{std::move(dossier), order.local_approvals, {}};
  }
  if (from <= 1 && order.wants_command) return AwaitingCommand{std::move(dossier)};
  const unsigned attempt = dossier.attempts_made + 1;
  return Submitting{std::move(dossier), attempt, Submitting::Phase::planned, {}, {}, {}};
}

State built_anew(const Dossier& dossier, const DraftTooOld& old) {
  Preparing next{dossier.key,
                 {},
                 dossier.attempts_made,
                 old.why.empty() ? fmt::format("the draft was {} old", spoken(old.age)) : old.why,
                 dossier.sent};
  const unsigned before = dossier.sent ? dossier.sent->last_attempt : 0;
  if (dossier.attempts_made > before) next.sent = SentDraft{dossier.draft, dossier.attempts_made};
  return next;
}

Next from(const Preparing& state, const Context& context) {
  if (context.is<KeyPlanned>()) return State{state};
  if (const auto* ready = context.is<KeyReady>()) {
    // Two workers may have carried out one plan. The first key counts: a draft may have been signed with it already.
    if (state.key && *state.key != ready->key) {
      return refuse(fmt::format("its key is ready already: {} (SPKI {}), not {} (SPKI {})", state.key->uri,
                                state.key->spki.str(), ready->key.uri, ready->key.spki.str()));
    }
    Preparing next = state;
    next.key = ready->key;
    return State{std::move(next)};
  }
  if (const auto* signed_csr = context.is<CsrSigned>()) {
    if (!state.key) return refuse("a CSR cannot be signed before its key is ready");
    if (!state.csr.empty() && state.csr != signed_csr->csr) return refuse("its CSR is signed already");
    Preparing next = state;
    next.csr = signed_csr->csr;
    return State{std::move(next)};
  }
  if (const auto* frozen = context.is<DraftFrozen>()) {
    if (!state.key && needs_key(context.order)) return refuse("a draft cannot be frozen before its key is ready");
    if (frozen->draft.csr != state.csr) return refuse("the draft is of another CSR than the signed one");
    return State{Prepared{Dossier{state.key.value_or(Key{}), frozen->draft, state.attempts_made, state.sent}}};
  }
  if (const auto* problem = context.is<PreparationFailed>()) {
    return State{Failed{problem->problem.kind, problem->problem.message, problem->problem.hint}};
  }
  if (const auto answer = answer_of(context)) {
    if (!state.sent) return refuse(fmt::format("attempt {} was never begun", answer->attempt));
    return two_orders(Dossier{state.key.value_or(Key{}), state.sent->draft, state.attempts_made, state.sent}, *answer,
                      "a new draft was being prepared", context.at());
  }
  return given_up(wish_of(context));
}

// A state before any submission of this draft.
Next from_unsent(const Dossier& dossier, const Context& context) {
  if (const auto answer = answer_of(context)) {
    return two_orders(dossier, *answer, "nothing newer was sent", context.at());
  }
  if (const auto* old = context.is<DraftTooOld>()) return built_anew(dossier, *old);
  return given_up(wish_of(context));
}

Next from(const Prepared& state, const Context& context) {
  if (context.is<DraftAccepted>()) return released(context.order, state.dossier, 0);
  if (const auto* refused = context.is<DraftRefused>()) {
    return State{Failed{refused->problem.kind, refused->problem.message, refused->problem.hint}};
  }
  return from_unsent(state.dossier, context);
}

Next from(const AwaitingLocalApproval& state, const Context& context) {
  if (const auto* approved = context.is<LocallyApproved>()) {
    const LocalApproval& approval = approved->approval;
    if (approval.draft_digest != draft_digest(state.dossier.draft)) {
      return refuse("the approval is for other bytes than the frozen draft");
    }
    const bool again = std::any_of(state.approvals.begin(), state.approvals.end(),
                                   [&approval](const LocalApproval& one) { return one.person == approval.person; });
    if (again) return refuse(fmt::format("{} has approved already", approval.person));
    AwaitingLocalApproval next = state;
    next.approvals.push_back(approval);
    if (next.approvals.size() < next.needed) return State{std::move(next)};
    return released(context.order, state.dossier, 1);
  }
  if (const auto* rejected = context.is<LocallyRejected>()) return State{Rejected{rejected->person, rejected->reason}};
  return from_unsent(state.dossier, context);
}

Next from(const AwaitingCommand& state, const Context& context) {
  if (context.is<Commanded>()) return released(context.order, state.dossier, 2);
  return from_unsent(state.dossier, context);
}

// The attempt is known to have left nothing at the provider.
State not_accepted(const Dossier& dossier, const SubmissionNotAccepted& answer, const std::optional<WithdrawWish>& wish,
                   const Timing& timing) {
  if (wish) return given_up(*wish);
  // A provider that cannot be reached, or does not take our credentials, is waited for (the request's deadline bounds
  // it); one that says no again and again is not.
  const ErrorKind kind = error_kind_from(answer.problem.kind);
  const bool out_of_reach = kind == ErrorKind::unavailable || kind == ErrorKind::denied;
  const unsigned refusals = dossier.refusals + (out_of_reach ? 0 : 1);
  if (refusals >= timing.most_attempts) {
    return Failed{answer.problem.kind,
                  fmt::format("{} attempts were not accepted, the last: {}", refusals, answer.problem.message),
                  answer.problem.hint};
  }
  Submitting next{dossier, answer.attempt + 1, Submitting::Phase::planned, {}, {}, answer.problem.message};
  next.dossier.attempts_made = answer.attempt;
  next.dossier.refusals = refusals;
  if (!answer.remember.empty()) next.dossier.remembered = answer.remember;
  return next;
}

// When the call that was begun is over for certain, at the latest. A clock that was ahead then and is right now must
// not put that off by as much as it was ahead.
Instant over_by(const Submitting& state, Instant now) {
  const bool begun_ahead = state.started_at != Instant{} && state.started_at > now;
  return begun_ahead ? now + (state.answer_by - state.started_at) : state.answer_by;
}

Next from(const Submitting& state, const Context& context) {
  const bool started = state.phase == Submitting::Phase::started;
  if (const auto* begun = context.is<AttemptStarted>()) {
    if (started || begun->attempt != state.attempt) {
      return refuse(fmt::format("attempt {} was begun before: it is never begun again", begun->attempt));
    }
    // The timer may come late; the rule may not: nothing is sent that is older than its profile allows.
    if (context.order.max_age && context.at() - state.dossier.draft.built_at > *context.order.max_age) {
      return refuse("the draft is older than its profile allows: it is built anew");
    }
    Submitting next = state;
    next.phase = Submitting::Phase::started;
    next.answer_by = begun->answer_by;
    next.started_at = context.at();
    next.dossier.attempts_made = begun->attempt;
    return State{std::move(next)};
  }
  if (const auto answer = answer_of(context)) {
    if (answer->attempt > state.attempt || (answer->attempt == state.attempt && !started)) {
      return refuse(fmt::format("attempt {} was never begun", answer->attempt));
    }
    if (answer->attempt < state.attempt && started) {
      return two_orders(state.dossier, *answer, fmt::format("attempt {} is under way", state.attempt), context.at(),
                        state.wish, over_by(state, context.at()) + context.timing.settle);
    }
    return landed(context.order, as_sent(state.dossier, answer->attempt),
                  updated(Submission{answer->attempt, {}, {}, context.at()}, answer->report), answer->report,
                  state.wish);
  }
  if (const auto* answer = context.is<SubmissionNotAccepted>()) {
    if (!started || answer->attempt != state.attempt) return refuse("that attempt is over");
    if (answer->outdated && !state.wish) {
      return built_anew(state.dossier, DraftTooOld{Duration::zero(), answer->problem.message});
    }
    return not_accepted(state.dossier, *answer, state.wish, context.timing);
  }
  if (const auto* answer = context.is<SubmissionRefused>()) {
    if (!started || answer->attempt != state.attempt) return refuse("that attempt is over");
    return failed(answer->problem);
  }
  if (const auto* lost = context.is<AnswerLost>()) {
    if (!started || lost->attempt != state.attempt) return refuse("that attempt is over");
    return State{LookingUp{state.dossier,
                           Submission{state.attempt, {}, {}, context.at()},
                           lost->why,
                           {},
                           state.wish,
                           over_by(state, context.at()) + context.timing.settle}};
  }
  if (started) {
    if (!wants_to_end(context)) return refuse("a submission is under way");
    if (state.wish) return refuse("it is to be withdrawn already, as soon as the provider's answer is known");
    Submitting next = state;
    next.wish = wish_of(context);
    return State{std::move(next)};
  }
  if (const auto* old = context.is<DraftTooOld>()) return built_anew(state.dossier, *old);
  return given_up(wish_of(context));
}

// What a person knows about a submission, said while it is looked up or when nobody could tell.
Next there_after_all(const Dossier& dossier, Submission submission, const std::optional<WithdrawWish>& wish,
                     const ResolvedAsThere& there) {
  if (there.reference.empty()) return refuse("a reference is needed");
  submission.reference = there.reference;
  if (there.issued) return State{Retrieving{dossier, std::move(submission), {}, wish.has_value()}};
  if (wish) {
    return State{Withdrawing{dossier, std::move(submission), *wish, Withdrawing::Cancel::wanted, {}, {}, {}}};
  }
  return State{AwaitingApproval{dossier, std::move(submission), {}, {}, {}}};
}

Next may_be_under_way(Instant until) {
  return refuse(fmt::format("the call may still be under way until {}: look again then", rfc3339(until)));
}

Next absent_after_all(const Dossier& dossier, const Submission& submission, const std::optional<WithdrawWish>& wish,
                      const Context& context) {
  if (wish) return given_up(*wish);
  if (dossier.draft.csr.empty() && needs_key(context.order)) return refuse("its draft is gone: make a new request");
  const unsigned made = std::max(submission.attempt, dossier.attempts_made);
  // A draft that was built anew may have come here before anybody approved it.
  if (context.order.local_approvals > 0 || context.order.wants_command) {
    Prepared again{dossier};
    again.dossier.attempts_made = made;
    return State{std::move(again)};
  }
  return State{Submitting{dossier,
                          made + 1,
                          Submitting::Phase::planned,
                          {},
                          {},
                          "a person vouched that the attempt before is not at the provider"}};
}

// Said once, it may be that the search does not show it yet. Said again after the longest time that may take, of a
// submission that nobody saw there: it is not there. What comes between only tells that it has not appeared.
Next absent(const LookingUp& state, const Context& context) {
  LookingUp next = state;
  // The provider was asked: the call is over, whatever a clock that was ahead said about its end.
  next.not_before = std::min(state.not_before, context.at());
  if (!state.first_absent) next.first_absent = context.at();
  // A last look in the future was made by a clock that was ahead; one that is not known, by an older program.
  if (state.last_absent && *state.last_absent < context.at()) {
    next.waited += std::min(context.at() - *state.last_absent, state.pause);
  }
  next.last_absent = context.at();
  const Duration sure = absent_for_sure_after(context.order, context.timing);
  if (next.waited < sure) {
    next.pause = pause_between_looks(next.waited, sure, context.timing);
    return State{std::move(next)};
  }
  if (state.submission.is_known()) {
    return State{Unresolved{state.dossier,
                            state.submission,
                            fmt::format("the provider had taken {}, and its search does not show it any more; {}",
                                        named(state.submission), state.why),
                            {},
                            state.wish}};
  }
  if (state.wish) return given_up(*state.wish);
  const unsigned made = std::max(state.submission.attempt, state.dossier.attempts_made);
  // What loses every answer may also hide what it did: an order after another is no way to find out.
  if (made >= context.timing.most_lost) {
    return State{Unresolved{
        state.dossier,
        state.submission,
        fmt::format("{} attempts were made, and the provider shows none of them; the last one: {}", made, state.why),
        {},
        state.wish}};
  }
  return State{Submitting{state.dossier,
                          made + 1,
                          Submitting::Phase::planned,
                          {},
                          {},
                          "the attempt before is provably not at the provider"}};
}

Next from(const LookingUp& state, const Context& context) {
  const unsigned attempt = state.submission.attempt;
  if (is_word_of_a_person(context)) {
    return at_any_time(state.dossier, state.submission, state.wish.has_value(), context);
  }
  if (const auto* there = context.is<ResolvedAsThere>()) {
    return there_after_all(state.dossier, state.submission, state.wish, *there);
  }
  if (context.is<ResolvedAsAbsent>()) {
    if (context.at() < state.not_before) return may_be_under_way(state.not_before);
    return absent_after_all(state.dossier, state.submission, state.wish, context);
  }
  if (const auto answer = answer_of(context); answer && answer->attempt != attempt) {
    return two_orders(state.dossier, *answer, fmt::format("attempt {} may exist too", attempt), context.at(),
                      state.wish, state.not_before);
  }
  if (const Report* report = report_of(context.event.body)) {
    return landed(context.order, state.dossier, updated(state.submission, *report), *report, state.wish);
  }
  if (const auto* answer = context.is<SubmissionNotAccepted>()) {
    if (answer->attempt != attempt) return refuse("that attempt is over");
    if (state.submission.is_known()) return refuse("the provider took that attempt: " + named(state.submission));
    return not_accepted(state.dossier, *answer, state.wish, context.timing);
  }
  if (const auto* answer = context.is<SubmissionRefused>()) {
    if (answer->attempt != attempt) return refuse("that attempt is over");
    if (state.submission.is_known()) return refuse("the provider took that attempt: " + named(state.submission));
    return failed(answer->problem);
  }
  if (const auto* answer = context.is<AbsentAtProvider>()) {
    if (answer->attempt != attempt) return refuse("that attempt is over");
    return absent(state, context);
  }
  if (const auto* inconclusive = context.is<LookUpInconclusive>()) {
    if (inconclusive->attempt != attempt) return refuse("that attempt is over");
    return State{Unresolved{state.dossier,
                            state.submission,
                            fmt::format("{}; {}", state.why, inconclusive->why),
                            {},
                            state.wish,
                            state.not_before}};
  }
  if (state.wish) return refuse("it is to be withdrawn already, as soon as the provider's answer is known");
  LookingUp next = state;
  next.wish = wish_of(context);
  return State{std::move(next)};
}

// The reference was not found. Once can be a passing fault of the provider; twice, far enough apart, is a fact.
template <class Waiting>
Next reference_gone(const Waiting& state, const Context& context, State when_confirmed) {
  Waiting next = state;
  if (!state.gone_since || *state.gone_since > context.at()) {
    next.gone_since = context.at();
    return State{std::move(next)};
  }
  if (context.at() - *state.gone_since < context.timing.gone_confirm) return State{std::move(next)};
  return when_confirmed;
}

template <class Waiting>
Next from_waiting(const Waiting& state, const Context& context) {
  if (is_word_of_a_person(context)) {
    if (needs_key(context.order)) return refuse("the provider has it in hand: cancel it, which withdraws it there");
    return at_any_time(state.dossier, state.submission, false, context);
  }
  if (context.is<DraftTooOld>() && state.dossier.draft.to_be_signed.empty()) {
    return refuse("a CSR was sent, which has no dates to grow old");
  }
  if (wants_to_end(context) || context.is<DraftTooOld>()) {
    return State{Withdrawing{
        state.dossier, state.submission, wish_of(context), Withdrawing::Cancel::wanted, {}, state.provider_status, {}}};
  }
  if (const auto* nothing = context.is<NothingHandedOut>()) {
    return State{Unresolved{state.dossier, state.submission, nothing->why, {}}};
  }
  const Report* report = report_of(context.event.body);
  if (report == nullptr) return refuse("nobody asked for that now");
  if (is_another_order(context, state.submission)) return another_order(state.dossier, context, state.submission);
  if (report->status == RequestStatus::gone) {
    return reference_gone(
        state, context,
        Unresolved{state.dossier,
                   state.submission,
                   fmt::format("the provider does not know {} any more, asked twice", state.submission.reference.str()),
                   {}});
  }
  if (report->status == RequestStatus::unrecognised) {
    Waiting next = state;
    next.submission = updated(next.submission, *report);
    next.progress = progress_with_note(*report);
    next.provider_status = report->provider_status;
    next.gone_since.reset();
    return State{std::move(next)};
  }
  return landed(context.order, state.dossier, updated(state.submission, *report), *report, std::nullopt);
}

Next from(const AwaitingApproval& state, const Context& context) {
  return from_waiting(state, context);
}
Next from(const AwaitingIssuance& state, const Context& context) {
  return from_waiting(state, context);
}

Next from(const Withdrawing& state, const Context& context) {
  if (is_word_of_a_person(context)) return at_any_time(state.dossier, state.submission, true, context);
  if (const auto* impossible = context.is<CancelImpossible>()) {
    Withdrawing next = state;
    next.cancel = Withdrawing::Cancel::impossible;
    next.cancel_note = impossible->why;
    return State{std::move(next)};
  }
  if (const auto* nothing = context.is<NothingHandedOut>()) {
    return State{Unresolved{state.dossier, state.submission, nothing->why, {}, state.wish}};
  }
  const Report* report = report_of(context.event.body);
  if (report == nullptr) return refuse("nobody asked for that now");
  if (is_another_order(context, state.submission)) {
    return another_order(state.dossier, context, state.submission, state.wish);
  }
  Withdrawing next = state;
  // Who asks before cancelling may find the request gone, or in a state it does not know: then nothing was cancelled.
  const bool spoke_of_it = report->status != RequestStatus::gone && report->status != RequestStatus::unrecognised;
  if (context.is<CancelAnswered>() && spoke_of_it) next.cancel = Withdrawing::Cancel::accepted;
  if (report->status == RequestStatus::gone) {
    // A provider that took our cancel may forget the request: that is its final word then.
    return reference_gone(
        next, context,
        next.cancel == Withdrawing::Cancel::accepted
            ? given_up(state.wish)
            : State{Unresolved{state.dossier,
                               state.submission,
                               fmt::format("it was to be withdrawn, and the provider does not know {} "
                                           "any more, asked twice",
                                           state.submission.reference.str()),
                               {},
                               state.wish}});
  }
  if (report->status == RequestStatus::awaiting_approval || report->status == RequestStatus::awaiting_issuance ||
      report->status == RequestStatus::unrecognised) {
    next.submission = updated(next.submission, *report);
    next.provider_status = report->provider_status;
    next.gone_since.reset();
    return State{std::move(next)};
  }
  return landed(context.order, state.dossier, updated(state.submission, *report), *report, state.wish);
}

Next from(const Retrieving& state, const Context& context) {
  if (const auto* out = context.is<HandedOut>()) {
    Submission submission = state.submission;
    if (!out->provider_state.empty()) submission.provider_state = out->provider_state;
    return State{Verifying{state.dossier, std::move(submission), out->handout, state.late, {}, state.unreadable}};
  }
  if (const auto* nothing = context.is<NothingHandedOut>()) {
    return State{Unresolved{state.dossier, state.submission, nothing->why, {}, given_up_before(state.late)}};
  }
  if (is_word_of_a_person(context)) return at_any_time(state.dossier, state.submission, state.late, context);
  const Report* report = report_of(context.event.body);
  if (report == nullptr) return refuse("nobody asked for that now");
  if (report->status == RequestStatus::handed_out && report->handout) {
    return State{Verifying{
        state.dossier, updated(state.submission, *report), *report->handout, state.late, {}, state.unreadable}};
  }
  if (report->status == RequestStatus::rejected || report->status == RequestStatus::expired ||
      report->status == RequestStatus::cancelled || report->status == RequestStatus::failed ||
      report->status == RequestStatus::gone || report->status == RequestStatus::handed_out) {
    return State{Unresolved{state.dossier,
                            updated(state.submission, *report),
                            "the provider had said that the certificate is ready, and now says " +
                                std::string(to_string(report->status)) + " (" + spoken_status(*report) + ")",
                            {},
                            given_up_before(state.late)}};
  }
  Retrieving next = state;
  next.submission = updated(next.submission, *report);
  next.provider_status = report->provider_status;
  return State{std::move(next)};
}

// The same attempt said in so many words that it left nothing there. Not believed where something speaks against it.
std::string against_nothing_there(const Unresolved& state, unsigned attempt) {
  if (attempt != state.submission.attempt) return "that attempt is over";
  if (state.submission.is_known()) return "the provider took that attempt: " + named(state.submission);
  if (state.handout) return "a result is stored: it was there";
  if (attempt < state.dossier.attempts_made) return "a later attempt was begun";
  return {};
}

// Which attempt a reference belongs to that a person names: another one than the recorded one is another attempt's.
unsigned attempt_named(const Unresolved& state, const ResolvedAsThere& there) {
  const Submission& known = state.submission;
  const bool is_other = !known.reference.empty() && there.reference != known.reference;
  return is_other ? std::max(known.attempt, state.dossier.attempts_made) : known.attempt;
}

// An answer to another attempt, while a person is waited for. It is written down and never taken for the answer to the
// recorded one; where nothing is known of that, what is known of this one is kept in its place.
Next with_another(const Unresolved& state, const SubmissionAnswered& answer) {
  Unresolved next = state;
  const Submission other{answer.attempt, answer.report.reference, answer.report.provider_state,
                         state.submission.submitted_at};
  next.why += fmt::format("; another answer came, to {}: {}", named(other), spoken_status(answer.report));
  const bool knows_more = answer.report.handout || (!state.submission.is_known() && other.is_known());
  if (!state.handout && knows_more) {
    next.why += fmt::format("; {} may exist too", named(state.submission));
    next.submission = other;
    next.handout = answer.report.handout;
  }
  return State{std::move(next)};
}

Next from(const Unresolved& state, const Context& context) {
  const Dossier dossier = as_sent(state.dossier, state.submission.attempt);
  const bool late = state.wish.has_value();
  if (context.is<LookUpAsked>()) {
    // With a result in hand it is the result that is looked at: a search that misses it would end in another attempt.
    if (state.handout) return State{Verifying{dossier, state.submission, *state.handout, late}};
    std::string why = state.why;
    if (!state.submission.reference.empty()) why += fmt::format("; known as {}", state.submission.reference.str());
    return State{
        LookingUp{dossier, state.submission, std::move(why), {}, state.wish, std::max(context.at(), state.not_before)}};
  }
  if (const auto* asked = context.is<JudgementAsked>()) {
    if (!state.handout) return refuse("no certificate is stored that could be judged: have it looked for (--look-up)");
    return State{Verifying{dossier, state.submission, *state.handout, late, asked->accept}};
  }
  if (const auto* there = context.is<ResolvedAsThere>()) {
    Submission submission = state.submission;
    submission.attempt = attempt_named(state, *there);
    // What the provider said about one order is not handed to it as if it were about another.
    if (submission.attempt != state.submission.attempt) submission.provider_state.clear();
    return there_after_all(as_sent(state.dossier, submission.attempt), std::move(submission), state.wish, *there);
  }
  if (const auto* brought = context.is<ResolvedAsCertificate>()) {
    return State{Verifying{dossier, state.submission, brought->handout, late}};
  }
  if (context.is<ResolvedAsDone>()) return revoked(context.order, state.dossier);
  if (context.is<ResolvedAsAbsent>()) {
    if (state.handout) return refuse("a result is stored: it was there. Bring the certificate, or abandon it");
    if (context.at() < state.not_before) return may_be_under_way(state.not_before);
    return absent_after_all(dossier, state.submission, state.wish, context);
  }
  if (const auto* abandoned = context.is<ResolvedAsAbandoned>()) {
    return State{Abandoned{context.event.actor, abandoned->reason}};
  }
  if (const auto* answer = context.is<SubmissionNotAccepted>()) {
    if (auto why = against_nothing_there(state, answer->attempt); !why.empty()) return refuse(std::move(why));
    return not_accepted(dossier, *answer, state.wish, context.timing);
  }
  if (const auto* answer = context.is<SubmissionRefused>()) {
    if (auto why = against_nothing_there(state, answer->attempt); !why.empty()) return refuse(std::move(why));
    return failed(answer->problem);
  }
  if (const auto* out = context.is<HandedOut>()) {
    return State{Verifying{dossier, state.submission, out->handout, late}};
  }
  const Report* report = report_of(context.event.body);
  if (report == nullptr) return refuse("nobody asked for that now");
  if (is_another_order(context, state.submission)) {
    return with_another(state, answer_of(context).value_or(SubmissionAnswered{}));
  }
  // Nothing takes a stored result out of the state but another result.
  if (state.handout && !report->handout) {
    if (context.is<Reported>()) return refuse("a person decides now");
    Unresolved next = state;
    next.submission = updated(next.submission, *report);
    next.why += fmt::format("; another answer came: {} {}", report->reference.str(), spoken_status(*report));
    return State{std::move(next)};
  }
  if (context.is<Reported>() && !report->handout) return refuse("a person decides now");
  return landed(context.order, dossier, updated(state.submission, *report), *report, state.wish);
}

Next next_state(const State& state, const Context& context) {
  switch (name_of(state)) {
    case StateName::preparing:
      return from(std::get<Preparing>(state), context);
    case StateName::prepared:
      return from(std::get<Prepared>(state), context);
    case StateName::awaiting_local_approval:
      return from(std::get<AwaitingLocalApproval>(state), context);
    case StateName::awaiting_command:
      return from(std::get<AwaitingCommand>(state), context);
    case StateName::submitting:
      return from(std::get<Submitting>(state), context);
    case StateName::looking_up:
      return from(std::get<LookingUp>(state), context);
    case StateName::awaiting_approval:
      return from(std::get<AwaitingApproval>(state), context);
    case StateName::awaiting_issuance:
      return from(std::get<AwaitingIssuance>(state), context);
    case StateName::withdrawing:
      return from(std::get<Withdrawing>(state), context);
    case StateName::retrieving:
      return from(std::get<Retrieving>(state), context);
    case StateName::verifying:
      return from(std::get<Verifying>(state), context);
    case StateName::installing:
      return from(std::get<Installing>(state), context);
    case StateName::unresolved:
      return from(std::get<Unresolved>(state), context);
    case StateName::quarantined:
      return from(std::get<Quarantined>(state), context);
    default:
      return refuse("nothing final is left again");
  }
}

// What a person may say, in the words of a person.
struct PersonsAct {
  EventName event;
  std::string_view not_now;
};
constexpr PersonsAct kPersonsActs[] = {
    {EventName::look_up_asked, "there is no lost answer to look for"},
    {EventName::judgement_asked, "no certificate is stored that could be judged again"},
    {EventName::deviations_accepted, "there is no quarantined certificate that could be accepted"},
    {EventName::resolved_as_there, "a reference cannot be given"},
    {EventName::resolved_as_certificate, "a certificate cannot be given"},
    {EventName::resolved_as_absent, "nobody needs to vouch that it is not at the provider"},
    {EventName::resolved_as_abandoned, "it cannot be given up: 'request cancel' is for that"},
    {EventName::resolved_as_done, "nobody needs to vouch that it is done"},
    {EventName::target_skipped, "there is no installation to give up"},
    {EventName::locally_approved, "there is nothing to approve here"},
    {EventName::locally_rejected, "there is nothing to reject here"},
    {EventName::commanded, "there is nothing to command"},
};

std::string not_for_this_state(StateName state, EventName event) {
  if (is_final(state)) return fmt::format("the request is {}: nothing changes it any more", to_string(state));
  if (event == EventName::cancel_asked) {
    switch (state) {
      case StateName::withdrawing:
        return "it is being withdrawn already";
      case StateName::unresolved:
        return "whether it exists at the provider is not known: decide with 'request resolve' first";
      case StateName::retrieving:
      case StateName::verifying:
        return "a certificate was issued: it can be revoked once `cert list --all` shows it, not cancelled";
      default:
        return "a certificate exists: it can be revoked, not cancelled";
    }
  }
  for (const PersonsAct& act : kPersonsActs) {
    if (act.event == event) return fmt::format("{} while it is {}", act.not_now, to_string(state));
  }
  return fmt::format("{} is not for a request that is {}", to_string(event), to_string(state));
}

// What a person may say depends on what was asked for.
std::optional<std::string_view> not_for_this_kind(const Order& order, const Context& context) {
  if (context.is<ResolvedAsCertificate>() && !needs_key(order)) return "a revocation brings no certificate";
  if (context.is<ResolvedAsDone>() && needs_key(order)) {
    return "only a revocation is done by a word alone: bring the certificate, or its reference";
  }
  return std::nullopt;
}

}  // namespace

std::variant<Decision, Refusal> decide(const Order& order, const State& state, const Event& event,
                                       const Timing& timing) {
  const StateName here = name_of(state);
  const Rule* rule = rule_for(here, name_of(event.body));
  if (rule == nullptr) return Refusal{not_for_this_state(here, name_of(event.body))};
  const Context context{order, event, timing};
  if (const auto misfit = not_for_this_kind(order, context)) return Refusal{std::string(*misfit)};
  Next next = next_state(state, context);
  if (auto* refusal = std::get_if<Refusal>(&next)) return std::move(*refusal);
  State& reached = std::get<State>(next);
  if ((rule->to & bit(name_of(reached))) == 0) {
    return Refusal{fmt::format("internal: {} in {} may not lead to {}", to_string(name_of(event.body)), to_string(here),
                               to_string(name_of(reached)))};
  }
  std::vector<Effect> effects = wanted_effects(reached, context);
  std::vector<StatusChange> records = record_changes(order, reached);
  return Decision{std::move(reached), std::move(effects), rule->sentence, std::move(records)};
}

Decision begin(const Order& order, const Timing& timing) {
  const Event created{order.created_at, order.created_by, Created{order}};
  const Context context{order, created, timing};
  State state = Preparing{};
  std::vector<Effect> effects = wanted_effects(state, context);
  return Decision{std::move(state), std::move(effects), "a request is made", record_changes_at_begin(order)};
}

bool changes_something(const State& state, const Report& report) {
  if (report.handout) return true;
  // The state may have been read from the journal, which cuts long words: they are compared as they are written there.
  const std::string status = as_written(report.provider_status);
  const auto waiting = [&](const auto& here, RequestStatus expected) {
    return report.status != expected || here.gone_since.has_value() || as_written(here.provider_status) != status ||
           to_json(here.progress) != to_json(progress_with_note(report)) ||
           updated(here.submission, report) != here.submission;
  };
  switch (name_of(state)) {
    case StateName::awaiting_approval: {
      const auto& here = std::get<AwaitingApproval>(state);
      if (report.status == RequestStatus::unrecognised) return waiting(here, RequestStatus::unrecognised);
      return waiting(here, RequestStatus::awaiting_approval);
    }
    case StateName::awaiting_issuance: {
      const auto& here = std::get<AwaitingIssuance>(state);
      if (report.status == RequestStatus::unrecognised) return waiting(here, RequestStatus::unrecognised);
      return waiting(here, RequestStatus::awaiting_issuance);
    }
    case StateName::withdrawing: {
      const auto& here = std::get<Withdrawing>(state);
      const bool still = report.status == RequestStatus::awaiting_approval ||
                         report.status == RequestStatus::awaiting_issuance ||
                         report.status == RequestStatus::unrecognised;
      return !still || here.gone_since.has_value() || as_written(here.provider_status) != status ||
             updated(here.submission, report) != here.submission;
    }
    case StateName::retrieving: {
      const auto& here = std::get<Retrieving>(state);
      const bool still = report.status == RequestStatus::awaiting_approval || report.status == RequestStatus::ready ||
                         report.status == RequestStatus::awaiting_issuance ||
                         report.status == RequestStatus::unrecognised;
      return !still || as_written(here.provider_status) != status ||
             updated(here.submission, report) != here.submission;
    }
    default:
      return true;
  }
}

}  // namespace hsmbridge::workflow
