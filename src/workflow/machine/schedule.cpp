#include "workflow/machine/schedule.h"

#include "workflow/machine/backoff.h"
#include "workflow/machine/local_approval.h"

#include <algorithm>
#include <utility>

namespace hsmbridge::workflow {
namespace {

// What the event says about patience, for the due time of what follows it.
std::optional<Duration> asked_patience(const Context& context) {
  if (const StatusReport* report = report_of(context.event.body)) return report->retry_after;
  if (const auto* refused = context.is<SubmissionNotAccepted>()) return refused->retry_after;
  return std::nullopt;
}

class Schedule {
 public:
  explicit Schedule(const Context& context) : context_(context), at_(context.at()) {}

  std::vector<Effect> of(const State& state) {
    std::visit(
        [this](const auto& here) {
          if constexpr (requires { wanted(here); }) wanted(here);
        },
        state);
    add_deadline(state);
    return std::move(effects_);
  }

 private:
  void add(EffectName name, Instant due, unsigned attempt = 0, std::string target = {}) {
    effects_.push_back(Effect{name, due, attempt, std::move(target)});
  }
  EffectName next_preparation(const Preparing& state) const {
    if (!context_.order.traits().needs_key) return EffectName::build_draft;
    if (!state.key) return EffectName::ensure_key;
    return state.csr.empty() ? EffectName::sign_csr : EffectName::build_draft;
  }
  // A provider that keeps changing its mind about its drafts must not be asked without a pause.
  Duration pause_before_another_draft() const {
    const auto* old = context_.is<DraftTooOld>();
    const bool outdated = context_.is<SubmissionNotAccepted>() != nullptr || (old != nullptr && !old->why.empty());
    if (!outdated) return Duration::zero();
    return next_retry(context_.order.id, 1, std::nullopt, context_.timing);
  }
  Duration patience(Duration planned) const { return patient(planned, asked_patience(context_)); }

  void add_draft_age(const Draft& draft) {
    if (context_.order.max_age) add(EffectName::draft_age, draft.built_at + *context_.order.max_age);
  }
  void wanted(const Preparing& state) { add(next_preparation(state), at_ + pause_before_another_draft()); }
  void wanted(const Prepared&) { add(EffectName::check_draft, at_); }
  void wanted(const AwaitingLocalApproval& state) {
    add_draft_age(state.prepared.draft);
    if (const auto due = approvals_due(context_.order, state.prepared, at_)) add(EffectName::approvals_due, *due);
  }
  void wanted(const AwaitingCommand& state) { add_draft_age(state.prepared.draft); }
  void wanted(const Submitting& state) {
    if (state.phase == Submitting::Phase::started) {
      // No submit effect any more: what is left is the timer that turns silence into a look-up.
      add(EffectName::answer_overdue, state.answer_by + context_.timing.settle, state.attempt);
      return;
    }
    Instant due = at_;
    if (const auto* refused = context_.is<SubmissionNotAccepted>()) {
      due += next_retry(context_.order.id, refused->attempt, refused->retry_after, context_.timing);
    } else if (context_.is<AbsentAtProvider>()) {
      due += next_retry(context_.order.id, state.attempt - 1, std::nullopt, context_.timing);
    }
    add(EffectName::submit, due, state.attempt);
    add_draft_age(state.prepared.draft);
    if (state.begin_by) add(EffectName::command_over, *state.begin_by);
  }
  void wanted(const LookingUp& state) {
    Instant due = std::max(at_, state.not_before);
    if (state.last_absent) due = std::max(due, *state.last_absent + state.pause);
    add(EffectName::look_up, due, state.submission.attempt);
  }
  void wanted(const AwaitingProvider& state) {
    // Only bytes with their dates in them grow too old once they are sent: a CA that gets a CSR writes the dates
    // itself.
    if (!state.prepared.draft.to_be_signed.empty()) add_draft_age(state.prepared.draft);
    if (state.gone_since) return add(EffectName::poll, *state.gone_since + context_.timing.gone_confirm);
    if (context_.is<ResolvedAsThere>()) return add(EffectName::poll, at_);
    add(EffectName::poll, at_ + next_poll(context_.order.id, at_ - state.submission.submitted_at,
                                          asked_patience(context_), context_.timing));
  }
  void wanted(const Withdrawing& state) {
    if (state.gone_since) return add(EffectName::poll, *state.gone_since + context_.timing.gone_confirm);
    // A provider whose cancel fails again and again is polled all the same, or its final word would never be heard.
    if (state.cancel == Withdrawing::Cancel::wanted) {
      // Asked just now, and not granted: again when it is next looked at.
      const bool again = context_.is<CancelAnswered>();
      add(EffectName::withdraw, again ? at_ + patience(context_.timing.withdraw_poll) : at_);
    }
    add(EffectName::poll, at_ + patience(context_.timing.withdraw_poll));
  }
  void wanted(const Retrieving& state) {
    Duration pause{};
    if (context_.is<Reported>()) pause = patience(context_.timing.poll_first);
    if (context_.is<ResultUnreadable>()) {
      pause = next_retry(context_.order.id, state.unreadable, std::nullopt, context_.timing);
    }
    add(EffectName::retrieve, at_ + pause);
  }
  void wanted(const Verifying& state) {
    add(EffectName::verify, state.not_yet ? std::max(at_, state.not_yet->not_before) : at_);
  }
  void wanted(const Installing& state) {
    for (const TargetState& target : state.targets) {
      if (is_over(target.stage)) continue;
      const Duration delay = target.stage == TargetState::Stage::failed
                                 ? next_retry(context_.order.id, target.failures, std::nullopt, context_.timing)
                                 : Duration::zero();
      add(EffectName::install, at_ + delay, 0, target.target.name);
    }
  }
  void add_deadline(const State& state) {
    if (!context_.order.deadline || !heeds_deadline(name_of(state))) return;
    const auto* submitting = std::get_if<Submitting>(&state);
    const auto* looking = std::get_if<LookingUp>(&state);
    if ((submitting && submitting->wish) || (looking && looking->wish)) return;
    add(EffectName::deadline, *context_.order.deadline);
  }

  const Context& context_;
  Instant at_;
  std::vector<Effect> effects_;
};

}  // namespace

Duration absent_for_sure_after(const Order& order, const Timing& timing) {
  return order.brings_result() ? std::max(timing.settle, timing.search_lag) : timing.settle;
}

Duration pause_between_looks(Duration waited, Duration sure, const Timing& timing) {
  const Duration longest = std::max(timing.settle, timing.poll_longest);
  return std::min(std::clamp(waited, timing.settle, longest), sure - waited);
}

bool wants_to_end(const Context& context) {
  return context.is<CancelAsked>() || context.is<DeadlinePassed>();
}

std::vector<Effect> wanted_effects(const State& state, const Context& context) {
  return Schedule(context).of(state);
}

}  // namespace hsmbridge::workflow
