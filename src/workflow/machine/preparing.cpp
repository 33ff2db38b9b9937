#include "base/error.h"
#include "workflow/machine/local_approval.h"
#include "workflow/machine/transitions.h"

#include <fmt/core.h>

#include <utility>

// From the key to a draft that may go. Nothing has been sent of it.
namespace hsmbridge::workflow {
namespace {

PreparedRequest with_draft(const Preparing& state, const Draft& draft) {
  PreparedRequest prepared{state.key.value_or(Key{}), draft, state.attempts_made, state.sent};
  prepared.approval.number = state.approval_rounds;
  return prepared;
}

// The stations on the way to the submission; those that a request does not need are passed through.
enum class Station { local_approval, command, submission };

// A timelock that begins by a clock that is behind would be shorter, by as much, once that is right again.
Instant known_later(const Context& context) {
  const auto* const accepted = context.is<DraftAccepted>();
  return accepted != nullptr && accepted->known > context.at() ? accepted->known : Instant{};
}

State released(const Context& context, PreparedRequest prepared, Station next) {
  if (next == Station::local_approval && context.order.wants_approval()) {
    prepared.approval = ApprovalRound{prepared.approval.number + 1, context.at(), {}, known_later(context)};
    return AwaitingLocalApproval{std::move(prepared)};
  }
  if (next <= Station::command && context.order.wants_command) return AwaitingCommand{std::move(prepared)};
  const unsigned attempt = prepared.attempts_made + 1;
  Submitting submission{std::move(prepared), attempt, Submitting::Phase::planned, {}, {}, {}};
  if (context.order.wants_command) submission.begin_by = context.at() + context.timing.command_holds;
  return submission;
}

Next from_unsent(const PreparedRequest& prepared, const Context& context) {
  if (const auto answer = answer_of(context)) {
    return two_orders(prepared, *answer, "nothing newer was sent", context.at());
  }
  if (const auto* old = context.is<DraftTooOld>()) return built_anew(context.order, prepared, *old);
  return given_up(wish_of(context));
}

// What the votes that are there come to.
State judged(const AwaitingLocalApproval& state, const Context& context) {
  switch (approval_standing(context.order, state.prepared, context.at()).outcome) {
    case approval::Outcome::met:
      return released(context, state.prepared, Station::command);
    case approval::Outcome::impossible:
      if (const auto* rejected = context.is<LocallyRejected>()) return Rejected{rejected->person, rejected->reason};
      return Expired{"the time to approve it at this bridge"};
    case approval::Outcome::open:
    case approval::Outcome::timelocked:
      break;
  }
  return state;
}

Next with_vote_of(const AwaitingLocalApproval& state, const Context& context, const std::string& vote,
                  const std::string& person, approval::Decision decision) {
  std::string why = against_vote(context.order, state.prepared, vote, person, decision, context.at());
  if (!why.empty()) return refuse(std::move(why));
  AwaitingLocalApproval next = state;
  next.prepared.approval = with_vote(std::move(next.prepared.approval), vote, person);
  return judged(next, context);
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
  next.approval_rounds = prepared.approval.number;
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
    return State{Prepared{with_draft(state, frozen->draft)}};
  }
  if (const auto* problem = context.is<PreparationFailed>()) {
    return State{Failed{problem->problem.kind, problem->problem.message, problem->problem.hint}};
  }
  if (const auto answer = answer_of(context)) {
    if (!state.sent) return refuse(fmt::format("attempt {} was never started", answer->attempt));
    return two_orders(with_draft(state, state.sent->draft), *answer, "a new draft was being prepared", context.at());
  }
  return given_up(wish_of(context));
}

Next from(const Prepared& state, const Context& context) {
  if (context.is<DraftAccepted>()) return released(context, state.prepared, Station::local_approval);
  if (const auto* refused = context.is<DraftRefused>()) {
    return State{Failed{refused->problem.kind, refused->problem.message, refused->problem.hint}};
  }
  return from_unsent(state.prepared, context);
}

Next from(const AwaitingLocalApproval& state, const Context& context) {
  if (const auto* approved = context.is<LocallyApproved>()) {
    return with_vote_of(state, context, approved->approval.evidence, approved->approval.person,
                        approval::Decision::approved);
  }
  if (const auto* rejected = context.is<LocallyRejected>()) {
    return with_vote_of(state, context, rejected->evidence, rejected->person, approval::Decision::rejected);
  }
  if (context.is<ApprovalsDue>()) return judged(state, context);
  if (const auto* voided = context.is<ApprovalsVoided>()) {
    return State{Failed{std::string(to_string(ErrorKind::conflict)), voided->why, "request it again"}};
  }
  return from_unsent(state.prepared, context);
}

Next from(const AwaitingCommand& state, const Context& context) {
  if (const auto* commanded = context.is<Commanded>()) {
    if (!commanded->draft.empty() && commanded->draft != draft_digest(state.prepared.draft)) {
      return refuse("the command was given for another draft, which was built again meanwhile");
    }
    return released(context, state.prepared, Station::submission);
  }
  return from_unsent(state.prepared, context);
}

}  // namespace hsmbridge::workflow
