#include "workflow/machine/transitions.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

// A result is here: judged, quarantined or installed.
namespace hsmbridge::workflow {
namespace {

using Names = std::vector<std::string>;

bool contains(const Names& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

Names joined(Names names, const Names& more) {
  for (const std::string& name : more) {
    if (!contains(names, name)) names.push_back(name);
  }
  return names;
}

// The result is judged (again), with what was accepted before and now.
State judged_again(const PreparedRequest& prepared, const Submission& submission, const IssuedResult& result, bool late,
                   Names accepted) {
  return Verifying{prepared, submission, result, late, std::move(accepted)};
}

// A provider that still has the result may have sent a broken copy of it. A few times that is tried; then a person is
// asked, who may have it tried again.
Next unreadable(const Verifying& state, const ResultUnreadable& event, const Timing& timing) {
  if (event.still_there && state.submission.is_known() && state.unreadable < timing.most_unreadable) {
    return State{Retrieving{state.prepared, state.submission, event.why, state.late, state.unreadable + 1}};
  }
  std::string why = event.why;
  if (state.unreadable > 0) {
    why = fmt::format("{} answers in a row could not be read; the last: {}", state.unreadable + 1, why);
  }
  return State{Unresolved{state.prepared, state.submission, std::move(why), state.result, given_up_before(state.late)}};
}

const std::string& target_named_in(const Context& context) {
  if (const auto* done = context.is<TargetInstalled>()) return done->target;
  if (const auto* skipped = context.is<TargetSkipped>()) return skipped->target;
  return context.is<TargetFailed>()->target;
}

State completed(const Installing& state) {
  Completed done{state.prepared.key, state.certificate, false, state.findings};
  for (const TargetState& one : state.targets) {
    if (one.stage == TargetState::Stage::skipped) done.skipped.push_back(one.target.name);
  }
  return done;
}

}  // namespace

Next from(const Verifying& state, const Context& context) {
  if (const auto* verified = context.is<Verified>()) {
    const Enroll* enrolment = context.order.enrolment();
    if (state.late || enrolment == nullptr || enrolment->targets.empty()) {
      return State{Completed{state.prepared.key, verified->certificate, state.late, verified->findings}};
    }
    Installing next{state.prepared, verified->certificate, {}, verified->findings};
    for (const InstallTarget& target : enrolment->targets) next.targets.push_back(TargetState{target, {}, 0, {}});
    return State{std::move(next)};
  }
  if (const auto* wrong = context.is<VerificationFailed>()) {
    return State{Quarantined{wrong->certificate, wrong->findings, state.prepared, state.submission, state.result,
                             state.late, state.accepted}};
  }
  if (const auto* early = context.is<NotValidYet>()) {
    Verifying next = state;
    next.not_yet = early->not_yet;
    return State{std::move(next)};
  }
  if (const auto* asked = context.is<JudgementAsked>()) {
    return judged_again(state.prepared, state.submission, state.result, state.late,
                        joined(state.accepted, asked->accept));
  }
  if (const auto* event = context.is<ResultUnreadable>()) return unreadable(state, *event, context.timing);
  return at_any_time(state.prepared, state.submission, state.late, context);
}

Next from(const Quarantined& state, const Context& context) {
  if (is_word_of_a_person(context) && !context.is<ResolvedAsCertificate>()) {
    return at_any_time(state.prepared, state.submission, state.late, context);
  }
  if (state.prepared.draft.csr.empty()) {
    return refuse("its record, written by an older version, does not say what was requested: it can only be abandoned");
  }
  if (context.is<ResolvedAsCertificate>()) return at_any_time(state.prepared, state.submission, state.late, context);
  if (const auto* asked = context.is<JudgementAsked>()) {
    return judged_again(state.prepared, state.submission, state.result, state.late,
                        joined(state.accepted, asked->accept));
  }
  const auto* taken = context.is<DeviationsAccepted>();
  Names fatal;
  for (const Finding& one : state.findings) {
    if (one.fatal && !contains(fatal, one.name)) fatal.push_back(one.name);
  }
  for (const std::string& name : taken->findings) {
    if (!contains(fatal, name)) return refuse(fmt::format("its certificate has no finding called {}", name));
  }
  fatal.erase(std::remove_if(fatal.begin(), fatal.end(),
                             [&](const std::string& name) { return contains(taken->findings, name); }),
              fatal.end());
  if (!fatal.empty()) {
    return refuse(
        fmt::format("every deviation that stops its certificate must be accepted by name; not yet accepted: {}",
                    fmt::join(fatal, ", ")));
  }
  return judged_again(state.prepared, state.submission, state.result, state.late,
                      joined(state.accepted, taken->findings));
}

Next from(const Installing& state, const Context& context) {
  Installing next = state;
  const std::string& name = target_named_in(context);
  const auto target = std::find_if(next.targets.begin(), next.targets.end(),
                                   [&name](const TargetState& one) { return one.target.name == name; });
  if (target == next.targets.end()) return refuse(fmt::format("there is no install target '{}'", name));
  if (is_over(target->stage)) return refuse(fmt::format("'{}' is already done or skipped", name));
  if (const auto* trouble = context.is<TargetFailed>()) {
    target->stage = TargetState::Stage::failed;
    target->failures = std::max(target->failures + 1, trouble->attempt);
    target->last_error = trouble->problem.message;
  } else {
    const bool done = context.is<TargetInstalled>() != nullptr;
    target->stage = done ? TargetState::Stage::done : TargetState::Stage::skipped;
    if (done) target->last_error.clear();
  }
  const bool all =
      std::all_of(next.targets.begin(), next.targets.end(), [](const TargetState& one) { return is_over(one.stage); });
  return all ? completed(next) : State{std::move(next)};
}

}  // namespace hsmbridge::workflow
