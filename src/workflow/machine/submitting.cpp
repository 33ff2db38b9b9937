#include "base/error.h"
#include "workflow/machine/local_approval.h"
#include "workflow/machine/transitions.h"

#include <fmt/core.h>

#include <utility>

// The one submission: planned, begun, and what its answer says.
namespace hsmbridge::workflow {
namespace {

// When the call that was begun is over for certain, at the latest. A clock that was ahead then and is right now must
// not put that off by as much as it was ahead.
Instant over_by(const Submitting& state, Instant now) {
  const bool begun_ahead = state.started_at != Instant{} && state.started_at > now;
  return begun_ahead ? now + (state.answer_by - state.started_at) : state.answer_by;
}

// Whether the clock is before the operator's command: it was ahead then, or is behind now, and by it the command would
// hold for longer than it is meant to.
bool is_before_command(const Submitting& state, const Context& context) {
  return state.begin_by && context.at() + kClockTolerance < *state.begin_by - context.timing.command_holds;
}

}  // namespace

State planned_again(const Order& order, PreparedRequest prepared, unsigned attempt, std::string last_refusal) {
  // A command is for one attempt: no timer repeats what an operator wanted once.
  if (order.wants_command) {
    prepared.attempts_made = attempt - 1;
    return AwaitingCommand{std::move(prepared), std::move(last_refusal)};
  }
  return Submitting{std::move(prepared), attempt, Submitting::Phase::planned, {}, {}, std::move(last_refusal)};
}

State failed(const Problem& problem) {
  if (error_kind_from(problem.kind) == ErrorKind::refused) return Rejected{{}, problem.message};
  return Failed{problem.kind, problem.message, problem.hint};
}

State not_accepted(const Context& context, const PreparedRequest& prepared, const SubmissionNotAccepted& answer,
                   const std::optional<WithdrawWish>& wish) {
  if (wish) return given_up(*wish);
  // A provider that cannot be reached, or does not take our credentials, is waited for (the request's deadline bounds
  // it); one that says no again and again is not.
  const ErrorKind kind = error_kind_from(answer.problem.kind);
  const bool out_of_reach = kind == ErrorKind::unavailable || kind == ErrorKind::denied;
  const unsigned refusals = prepared.refusals + (out_of_reach ? 0 : 1);
  if (refusals >= context.timing.most_attempts) {
    return Failed{answer.problem.kind,
                  fmt::format("{} attempts were not accepted; the last answer: {}", refusals, answer.problem.message),
                  answer.problem.hint};
  }
  PreparedRequest next = prepared;
  next.attempts_made = answer.attempt;
  next.refusals = refusals;
  if (!answer.remember.empty()) next.remembered = answer.remember;
  return planned_again(context.order, std::move(next), answer.attempt + 1, answer.problem.message);
}

Next from(const Submitting& state, const Context& context) {
  const bool started = state.phase == Submitting::Phase::started;
  if (const auto* begun = context.is<AttemptStarted>()) {
    if (started || begun->attempt != state.attempt) {
      return refuse(fmt::format("attempt {} was started before; it is never started again", begun->attempt));
    }
    // The timers may come late; the rules may not.
    if (context.order.deadline && context.at() >= *context.order.deadline) {
      return refuse("the deadline of the request is over");
    }
    if ((state.begin_by && context.at() > *state.begin_by) || is_before_command(state, context)) {
      return refuse("the operator's command was not carried out in time; it has to be given again");
    }
    if (context.order.max_age && context.at() - state.prepared.draft.built_at > *context.order.max_age) {
      return refuse("the draft is older than its profile allows; it is built again");
    }
    if (std::string why = against_clock(context.order, state.prepared, context.at()); !why.empty()) {
      return refuse(std::move(why));
    }
    Submitting next = state;
    next.phase = Submitting::Phase::started;
    next.answer_by = begun->answer_by;
    next.started_at = context.at();
    next.prepared.attempts_made = begun->attempt;
    return State{std::move(next)};
  }
  if (const auto answer = answer_of(context)) {
    if (answer->attempt > state.attempt || (answer->attempt == state.attempt && !started)) {
      return refuse(fmt::format("attempt {} was never started", answer->attempt));
    }
    if (answer->attempt < state.attempt && started) {
      return two_orders(state.prepared, *answer, fmt::format("attempt {} is under way", state.attempt), context.at(),
                        state.wish, over_by(state, context.at()) + context.timing.settle);
    }
    return landed(context, as_sent(state.prepared, answer->attempt),
                  updated(Submission{answer->attempt, {}, {}, context.at()}, answer->report), answer->report,
                  state.wish);
  }
  if (const auto* answer = context.is<SubmissionNotAccepted>()) {
    if (!started || answer->attempt != state.attempt) return refuse("that attempt is over");
    if (answer->outdated && !state.wish) {
      return built_anew(context.order, state.prepared, DraftTooOld{Duration::zero(), answer->problem.message});
    }
    return not_accepted(context, state.prepared, *answer, state.wish);
  }
  if (const auto* answer = context.is<SubmissionRefused>()) {
    if (!started || answer->attempt != state.attempt) return refuse("that attempt is over");
    return failed(answer->problem);
  }
  if (const auto* lost = context.is<AnswerLost>()) {
    if (!started || lost->attempt != state.attempt) return refuse("that attempt is over");
    return State{LookingUp{state.prepared,
                           Submission{state.attempt, {}, {}, context.at()},
                           lost->why,
                           {},
                           state.wish,
                           over_by(state, context.at()) + context.timing.settle}};
  }
  if (started) {
    if (!wants_to_end(context)) return refuse("a submission is under way");
    if (state.wish) return refuse("it will already be withdrawn as soon as the provider's answer is known");
    Submitting next = state;
    next.wish = wish_of(context);
    return State{std::move(next)};
  }
  if (const auto* old = context.is<DraftTooOld>()) return built_anew(context.order, state.prepared, *old);
  if (context.is<CommandOver>()) {
    const bool holds = state.begin_by && context.at() < *state.begin_by && !is_before_command(state, context);
    if (!state.begin_by || holds) return refuse("the command still holds");
    return State{AwaitingCommand{
        state.prepared, fmt::format("it was not carried out within {}", spoken(context.timing.command_holds))}};
  }
  return given_up(wish_of(context));
}

}  // namespace hsmbridge::workflow
