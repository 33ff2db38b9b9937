#include "workflow/machine/transitions.h"

#include <fmt/core.h>

#include <algorithm>
#include <utility>

// What became of an attempt is not known: the provider is asked, and where it cannot tell a person.
namespace hsmbridge::workflow {
namespace {

// What a person knows about a submission, said while it is looked up or when nobody could tell.
Next there_after_all(const PreparedRequest& prepared, Submission submission, const std::optional<WithdrawWish>& wish,
                     const ResolvedAsThere& there) {
  if (there.reference.empty()) return refuse("a reference is needed");
  submission.reference = there.reference;
  if (there.issued) return State{Retrieving{prepared, std::move(submission), {}, wish.has_value()}};
  if (wish) {
    return State{Withdrawing{prepared, std::move(submission), *wish, Withdrawing::Cancel::wanted, {}, {}, {}}};
  }
  return State{AwaitingApproval{{prepared, std::move(submission), {}, {}, {}}}};
}

Next may_be_under_way(Instant until) {
  return refuse(fmt::format("the call may still be under way until {}: look again then", rfc3339(until)));
}

Next absent_after_all(const PreparedRequest& prepared, const Submission& submission,
                      const std::optional<WithdrawWish>& wish, const Context& context) {
  if (wish) return given_up(*wish);
  if (prepared.draft.csr.empty() && context.order.traits().needs_key) {
    return refuse("its draft is gone: create a new request");
  }
  const unsigned made = std::max(submission.attempt, prepared.attempts_made);
  // A draft that was built again may have come here before anybody approved it.
  if (context.order.wants_approval() || context.order.wants_command) {
    Prepared again{prepared};
    again.prepared.attempts_made = made;
    return State{std::move(again)};
  }
  return planned_again(context.order, prepared, made + 1,
                       "a person confirmed that the previous attempt is not at the provider");
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
  const auto unresolved = [&state](std::string why) {
    return State{Unresolved{state.prepared, state.submission, std::move(why), {}, state.wish}};
  };
  if (next.waited < sure) {
    next.pause = pause_between_looks(next.waited, sure, context.timing);
    return State{std::move(next)};
  }
  if (state.submission.is_known()) {
    return unresolved(fmt::format("the provider had accepted {}, and its search no longer shows it; {}",
                                  named(state.submission), state.why));
  }
  if (state.wish) return given_up(*state.wish);
  const unsigned made = std::max(state.submission.attempt, state.prepared.attempts_made);
  // What loses every answer may also hide what it did: an order after another is no way to find out.
  if (made >= context.timing.most_lost) {
    return unresolved(
        fmt::format("{} attempts were made, and the provider shows none of them; the last one: {}", made, state.why));
  }
  return planned_again(context.order, state.prepared, made + 1, "the previous attempt is provably not at the provider");
}

// The same attempt said in so many words that it left nothing there. Not believed where something speaks against it.
std::string against_nothing_there(const Submission& submission, unsigned attempt) {
  if (attempt != submission.attempt) return "that attempt is over";
  if (submission.is_known()) return "the provider accepted that attempt: " + named(submission);
  return {};
}
std::string against_nothing_there(const Unresolved& state, unsigned attempt) {
  if (auto why = against_nothing_there(state.submission, attempt); !why.empty()) return why;
  if (state.result) return "a result is stored: it was there";
  if (attempt < state.prepared.attempts_made) return "a later attempt was started";
  return {};
}

// Which attempt a reference belongs to that a person names: another one than the recorded one is another attempt's.
unsigned attempt_named(const Unresolved& state, const ResolvedAsThere& there) {
  const Submission& known = state.submission;
  const bool is_other = !known.reference.empty() && there.reference != known.reference;
  return is_other ? std::max(known.attempt, state.prepared.attempts_made) : known.attempt;
}

// An answer to another attempt, while a person is waited for. It is written down and never taken for the answer to the
// recorded one; where nothing is known of that, what is known of this one is kept in its place.
Next with_another(const Unresolved& state, const Answer& answer) {
  Unresolved next = state;
  const Submission other{answer.attempt, answer.report.reference, answer.report.provider_state,
                         state.submission.submitted_at};
  next.why += fmt::format("; another answer arrived, to {}: {}", named(other), spoken_status(answer.report));
  const bool knows_more = answer.result != nullptr || (!state.submission.is_known() && other.is_known());
  if (!state.result && knows_more) {
    next.why += fmt::format("; {} may exist too", named(state.submission));
    next.submission = other;
    if (answer.result != nullptr) next.result = *answer.result;
  }
  return State{std::move(next)};
}

}  // namespace

Next from(const LookingUp& state, const Context& context) {
  const unsigned attempt = state.submission.attempt;
  if (is_word_of_a_person(context)) {
    return at_any_time(state.prepared, state.submission, state.wish.has_value(), context);
  }
  if (const auto* there = context.is<ResolvedAsThere>()) {
    return there_after_all(state.prepared, state.submission, state.wish, *there);
  }
  if (context.is<ResolvedAsAbsent>()) {
    if (context.at() < state.not_before) return may_be_under_way(state.not_before);
    return absent_after_all(state.prepared, state.submission, state.wish, context);
  }
  if (const auto answer = answer_of(context); answer && answer->attempt != attempt) {
    return two_orders(state.prepared, *answer, fmt::format("attempt {} may exist too", attempt), context.at(),
                      state.wish, state.not_before);
  }
  if (const StatusReport* report = report_of(context.event.body)) {
    return landed(context, state.prepared, updated(state.submission, *report), *report, state.wish);
  }
  if (const auto* answer = context.is<SubmissionNotAccepted>()) {
    if (auto why = against_nothing_there(state.submission, answer->attempt); !why.empty())
      return refuse(std::move(why));
    return not_accepted(context, state.prepared, *answer, state.wish);
  }
  if (const auto* answer = context.is<SubmissionRefused>()) {
    if (auto why = against_nothing_there(state.submission, answer->attempt); !why.empty())
      return refuse(std::move(why));
    return failed(answer->problem);
  }
  if (const auto* answer = context.is<AbsentAtProvider>()) {
    if (answer->attempt != attempt) return refuse("that attempt is over");
    return absent(state, context);
  }
  if (const auto* inconclusive = context.is<LookUpInconclusive>()) {
    if (inconclusive->attempt != attempt) return refuse("that attempt is over");
    return State{Unresolved{state.prepared,
                            state.submission,
                            fmt::format("{}; {}", state.why, inconclusive->why),
                            {},
                            state.wish,
                            state.not_before}};
  }
  if (state.wish) return refuse("it will already be withdrawn as soon as the provider's answer is known");
  LookingUp next = state;
  next.wish = wish_of(context);
  return State{std::move(next)};
}

Next from(const Unresolved& state, const Context& context) {
  const PreparedRequest prepared = as_sent(state.prepared, state.submission.attempt);
  const bool late = state.wish.has_value();
  if (context.is<LookUpAsked>()) {
    // With a result in hand it is the result that is looked at: a search that misses it would end in another attempt.
    if (state.result) return State{Verifying{prepared, state.submission, *state.result, late}};
    std::string why = state.why;
    if (!state.submission.reference.empty()) why += fmt::format("; known as {}", state.submission.reference.str());
    return State{LookingUp{
        prepared, state.submission, std::move(why), {}, state.wish, std::max(context.at(), state.not_before)}};
  }
  if (const auto* asked = context.is<JudgementAsked>()) {
    if (!state.result) return refuse("no certificate is stored that could be checked: have it looked up (--look-up)");
    return State{Verifying{prepared, state.submission, *state.result, late, asked->accept}};
  }
  if (const auto* there = context.is<ResolvedAsThere>()) {
    Submission submission = state.submission;
    submission.attempt = attempt_named(state, *there);
    // What the provider said about one order is not handed to it as if it were about another.
    if (submission.attempt != state.submission.attempt) submission.provider_state.clear();
    return there_after_all(as_sent(state.prepared, submission.attempt), std::move(submission), state.wish, *there);
  }
  if (is_word_of_a_person(context)) return at_any_time(prepared, state.submission, late, context);
  if (context.is<ResolvedAsAbsent>()) {
    if (state.result)
      return refuse("a result is stored, so it was there: supply the certificate, or abandon the request");
    if (context.at() < state.not_before) return may_be_under_way(state.not_before);
    return absent_after_all(prepared, state.submission, state.wish, context);
  }
  if (const auto* answer = context.is<SubmissionNotAccepted>()) {
    if (auto why = against_nothing_there(state, answer->attempt); !why.empty()) return refuse(std::move(why));
    return not_accepted(context, prepared, *answer, state.wish);
  }
  if (const auto* answer = context.is<SubmissionRefused>()) {
    if (auto why = against_nothing_there(state, answer->attempt); !why.empty()) return refuse(std::move(why));
    return failed(answer->problem);
  }
  const StatusReport* report = report_of(context.event.body);
  if (report == nullptr) return refuse("no such answer is expected now");
  if (const auto another = answer_to_another(context, state.submission)) return with_another(state, *another);
  if (context.is<Reported>()) return refuse("a person decides now");
  // Nothing takes a stored result out of the state but another result.
  if (state.result && result_in(context) == nullptr) {
    Unresolved next = state;
    next.submission = updated(next.submission, *report);
    next.why += fmt::format("; another answer arrived: {} {}", report->reference.str(), spoken_status(*report));
    return State{std::move(next)};
  }
  return landed(context, prepared, updated(state.submission, *report), *report, state.wish);
}

}  // namespace hsmbridge::workflow
