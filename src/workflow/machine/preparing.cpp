#include "workflow/machine/transitions.h"

#include <fmt/core.h>

#include <algorithm>
#include <utility>

// From the key to a draft that may go. Nothing has been sent of it.
namespace hsmbridge::workflow {
namespace {

// The stations on the way to the submission; those that a request does not need are passed through.
enum class Station { local_approval, command, submission };

State released(const Order& order, PreparedRequest prepared, Station next) {
  if (next == Station::local_approval && order.local_approvals > 0) {
    return AwaitingLocalApproval{std::move(prepared), order.local_approvals, {}};
  }
  if (next <= Station::command && order.wants_command) return AwaitingCommand{std::move(prepared)};
  const unsigned attempt = prepared.attempts_made + 1;
  return planned(std::move(prepared), attempt);
}

Next from_unsent(const PreparedRequest& prepared, const Context& context) {
  if (const auto answer = answer_of(context)) {
    return two_orders(prepared, *answer, "nothing newer was sent", context.at());
  }
  if (const auto* old = context.is<DraftTooOld>()) return built_anew(context.order, prepared, *old);
  return given_up(wish_of(context));
}

}  // namespace

Preparing first_state(const Order& order) {
  Preparing state;
  if (const Bytes& csr = order.brought_csr(); !csr.empty()) {
    const KeyWish& wish = enrolment_of(order).key;
    Key key;
    key.label = wish.selector;
    key.spki = wish.spki;
    state.key = std::move(key);
    state.csr = csr;
  }
  return state;
}

State built_anew(const Order& order, const PreparedRequest& prepared, const DraftTooOld& old) {
  Preparing next{prepared.key, order.brought_csr(), prepared.attempts_made,
                 old.why.empty() ? fmt::format("the draft was {} old", spoken(old.age)) : old.why, prepared.sent};
  const unsigned before = prepared.sent ? prepared.sent->last_attempt : 0;
  if (prepared.attempts_made > before) next.sent = SentDraft{prepared.draft, prepared.attempts_made};
  return next;
}

Next from(const Preparing& state, const Context& context) {
  if (context.is<KeyPlanned>()) return State{state};
  if (const auto* ready = context.is<KeyReady>()) {
    // Two workers may have carried out one plan. The first key counts: a draft may have been signed with it already.
    if (state.key && *state.key != ready->key) {
      return refuse(fmt::format("its key is already {} (SPKI {}), not {} (SPKI {})", state.key->uri,
                                state.key->spki.str(), ready->key.uri, ready->key.spki.str()));
    }
    Preparing next = state;
    next.key = ready->key;
    return State{std::move(next)};
  }
  if (const auto* signed_csr = context.is<CsrSigned>()) {
    if (!state.key) return refuse("a CSR cannot be signed before its key is ready");
    if (!state.csr.empty() && state.csr != signed_csr->csr) return refuse("its CSR is already signed");
    Preparing next = state;
    next.csr = signed_csr->csr;
    return State{std::move(next)};
  }
  if (const auto* frozen = context.is<DraftFrozen>()) {
    if (!state.key && context.order.traits().needs_key) {
      return refuse("a draft cannot be frozen before its key is ready");
    }
    if (frozen->draft.csr != state.csr) return refuse("the draft is for another CSR than the signed one");
    return State{Prepared{PreparedRequest{state.key.value_or(Key{}), frozen->draft, state.attempts_made, state.sent}}};
  }
  if (const auto* problem = context.is<PreparationFailed>()) {
    return State{Failed{problem->problem.kind, problem->problem.message, problem->problem.hint}};
  }
  if (const auto answer = answer_of(context)) {
    if (!state.sent) return refuse(fmt::format("attempt {} was never started", answer->attempt));
    return two_orders(PreparedRequest{state.key.value_or(Key{}), state.sent->draft, state.attempts_made, state.sent},
                      *answer, "a new draft was being prepared", context.at());
  }
  return given_up(wish_of(context));
}

Next from(const Prepared& state, const Context& context) {
  if (context.is<DraftAccepted>()) return released(context.order, state.prepared, Station::local_approval);
  if (const auto* refused = context.is<DraftRefused>()) {
    return State{Failed{refused->problem.kind, refused->problem.message, refused->problem.hint}};
  }
  return from_unsent(state.prepared, context);
}

Next from(const AwaitingLocalApproval& state, const Context& context) {
  if (const auto* approved = context.is<LocallyApproved>()) {
    const LocalApproval& approval = approved->approval;
    if (approval.draft_digest != draft_digest(state.prepared.draft)) {
      return refuse("the approval is for other bytes than the frozen draft");
    }
    const bool again = std::any_of(state.approvals.begin(), state.approvals.end(),
                                   [&approval](const LocalApproval& one) { return one.person == approval.person; });
    if (again) return refuse(fmt::format("{} has approved already", approval.person));
    AwaitingLocalApproval next = state;
    next.approvals.push_back(approval);
    if (next.approvals.size() < next.needed) return State{std::move(next)};
    return released(context.order, state.prepared, Station::command);
  }
  if (const auto* rejected = context.is<LocallyRejected>()) return State{Rejected{rejected->person, rejected->reason}};
  return from_unsent(state.prepared, context);
}

Next from(const AwaitingCommand& state, const Context& context) {
  if (context.is<Commanded>()) return released(context.order, state.prepared, Station::submission);
  return from_unsent(state.prepared, context);
}

}  // namespace hsmbridge::workflow
