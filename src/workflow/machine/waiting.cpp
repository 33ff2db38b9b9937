#include "workflow/machine/transitions.h"

#include <fmt/core.h>

#include <utility>

// The provider has it: approved, issued, withdrawn or fetched there.
namespace hsmbridge::workflow {
namespace {

// Goes on waiting, with what the provider said.
template <class Waiting>
State still(Waiting next, const StatusReport& report) {
  next.submission = updated(next.submission, report);
  next.provider_status = report.provider_status;
  if constexpr (requires { next.progress; }) next.progress = progress_with_note(report);
  if constexpr (requires { next.gone_since; }) next.gone_since.reset();
  return next;
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
    if (context.order.brings_result()) {
      return refuse("the provider is working on it: cancel it, which withdraws it there");
    }
    return at_any_time(state.prepared, state.submission, false, context);
  }
  if (context.is<DraftTooOld>() && state.prepared.draft.to_be_signed.empty()) {
    return refuse("a CSR was sent, which has no dates that could become too old");
  }
  if (wants_to_end(context) || context.is<DraftTooOld>()) {
    return State{Withdrawing{state.prepared,
                             state.submission,
                             wish_of(context),
                             Withdrawing::Cancel::wanted,
                             {},
                             state.provider_status,
                             {}}};
  }
  if (const auto* nothing = context.is<NothingHandedOut>()) {
    return State{Unresolved{state.prepared, state.submission, nothing->why, {}}};
  }
  const StatusReport* report = report_of(context.event.body);
  if (report == nullptr) return refuse("no such answer is expected now");
  if (const auto another = answer_to_another(context, state.submission)) {
    return two_orders(state.prepared, *another, named(state.submission) + " was being waited for", context.at());
  }
  const bool without_result = result_in(context) == nullptr;
  if (without_result && report->status == RequestStatus::gone) {
    return reference_gone(
        state, context,
        Unresolved{state.prepared,
                   state.submission,
                   fmt::format("the provider no longer knows {} (asked twice)", state.submission.reference.str()),
                   {}});
  }
  if (without_result && report->status == RequestStatus::unrecognised) return still(state, *report);
  return landed(context, state.prepared, updated(state.submission, *report), *report, std::nullopt);
}

}  // namespace

Next from(const AwaitingApproval& state, const Context& context) {
  return from_waiting(state, context);
}
Next from(const AwaitingIssuance& state, const Context& context) {
  return from_waiting(state, context);
}

Next from(const Withdrawing& state, const Context& context) {
  if (is_word_of_a_person(context)) return at_any_time(state.prepared, state.submission, true, context);
  if (const auto* impossible = context.is<CancelImpossible>()) {
    Withdrawing next = state;
    next.cancel = Withdrawing::Cancel::impossible;
    next.cancel_note = impossible->why;
    return State{std::move(next)};
  }
  if (const auto* nothing = context.is<NothingHandedOut>()) {
    return State{Unresolved{state.prepared, state.submission, nothing->why, {}, state.wish}};
  }
  const StatusReport* report = report_of(context.event.body);
  if (report == nullptr) return refuse("no such answer is expected now");
  if (const auto another = answer_to_another(context, state.submission)) {
    return two_orders(state.prepared, *another, named(state.submission) + " was being waited for", context.at(),
                      state.wish);
  }
  if (result_in(context) != nullptr) {
    return landed(context, state.prepared, updated(state.submission, *report), *report, state.wish);
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
            : State{Unresolved{state.prepared,
                               state.submission,
                               fmt::format("it was to be withdrawn, and the provider no longer knows {} (asked twice)",
                                           state.submission.reference.str()),
                               {},
                               state.wish}});
  }
  if (is_waiting(report->status)) return still(next, *report);
  return landed(context, state.prepared, updated(state.submission, *report), *report, state.wish);
}

Next from(const Retrieving& state, const Context& context) {
  if (const auto* nothing = context.is<NothingHandedOut>()) {
    return State{Unresolved{state.prepared, state.submission, nothing->why, {}, given_up_before(state.late)}};
  }
  if (is_word_of_a_person(context)) return at_any_time(state.prepared, state.submission, state.late, context);
  const StatusReport* report = report_of(context.event.body);
  if (report == nullptr) return refuse("no such answer is expected now");
  if (answer_to_another(context, state.submission)) return refuse("it is the answer to another attempt");
  if (const IssuedResult* result = result_in(context)) {
    return State{
        Verifying{state.prepared, updated(state.submission, *report), *result, state.late, {}, state.unreadable}};
  }
  if (!is_waiting(report->status) && report->status != RequestStatus::ready && report->status != RequestStatus::done) {
    return State{Unresolved{state.prepared,
                            updated(state.submission, *report),
                            "the provider had reported the certificate as ready, and now reports " +
                                std::string(to_string(report->status)) + " (" + spoken_status(*report) + ")",
                            {},
                            given_up_before(state.late)}};
  }
  return still(state, *report);
}

}  // namespace hsmbridge::workflow
