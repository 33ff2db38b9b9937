#include "workflow/machine/schedule.h"

#include "workflow/machine/backoff.h"

#include <algorithm>
#include <utility>

namespace hsmbridge::workflow {
namespace {

// What the event says about patience, for the due time of what follows it.
std::optional<Duration> asked_patience(const Context& context) {
  if (const Report* report = report_of(context.event.body)) return report->retry_after;
  if (const auto* refused = context.is<SubmissionNotAccepted>()) return refused->retry_after;
  return std::nullopt;
}

class Schedule {
 public:
  explicit Schedule(const Context& context) : context_(context), at_(context.at()) {}

  std::vector<Effect> of(const State& state) {
    switch (name_of(state)) {
      case StateName::preparing:
        add(next_preparation(std::get<Preparing>(state)), at_ + pause_before_another_draft());
        break;
      case StateName::prepared:
        add(EffectName::check_draft, at_);
        break;
      case StateName::awaiting_local_approval:
        add_draft_age(std::get<AwaitingLocalApproval>(state).dossier.draft);
        break;
      case StateName::awaiting_command:
        add_draft_age(std::get<AwaitingCommand>(state).dossier.draft);
        break;
      case StateName::submitting:
        submitting(std::get<Submitting>(state));
        break;
      case StateName::looking_up:
        looking_up(std::get<LookingUp>(state));
        break;
      case StateName::awaiting_approval:
        waiting(std::get<AwaitingApproval>(state));
        break;
      case StateName::awaiting_issuance:
        waiting(std::get<AwaitingIssuance>(state));
        break;
      case StateName::withdrawing:
        withdrawing(std::get<Withdrawing>(state));
        break;
      case StateName::retrieving:
        retrieving(std::get<Retrieving>(state));
        break;
      case StateName::verifying:
        verifying(std::get<Verifying>(state));
        break;
      case StateName::installing:
        installing(std::get<Installing>(state));
        break;
      default:
        break;
    }
    add_deadline(state);
    return std::move(effects_);
  }

 private:
  void add(EffectName name, Instant due, unsigned attempt = 0, std::string target = {}) {
    effects_.push_back(Effect{name, due, attempt, std::move(target)});
  }
  EffectName next_preparation(const Preparing& state) const {
    if (!needs_key(context_.order)) return EffectName::build_draft;
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
  void submitting(const Submitting& state) {
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
    add_draft_age(state.dossier.draft);
  }
  void looking_up(const LookingUp& state) {
    Instant due = std::max(at_, state.not_before);
    if (state.last_absent) due = std::max(due, *state.last_absent + state.pause);
    add(EffectName::look_up, due, state.submission.attempt);
  }
  template <class Waiting>
  void waiting(const Waiting& state) {
    // Only bytes with their dates in them grow too old once they are sent: a CA that gets a CSR writes the dates
    // itself.
    if (!state.dossier.draft.to_be_signed.empty()) add_draft_age(state.dossier.draft);
    if (state.gone_since) return add(EffectName::poll, *state.gone_since + context_.timing.gone_confirm);
    if (context_.is<ResolvedAsThere>()) return add(EffectName::poll, at_);
    add(EffectName::poll, at_ + next_poll(context_.order.id, at_ - state.submission.submitted_at,
                                          asked_patience(context_), context_.timing));
  }
  void withdrawing(const Withdrawing& state) {
    if (state.gone_since) return add(EffectName::poll, *state.gone_since + context_.timing.gone_confirm);
    // A provider whose cancel fails again and again is polled all the same, or its final word would never be heard.
    if (state.cancel == Withdrawing::Cancel::wanted) {
      // Asked just now, and not granted: again when it is next looked at.
      const bool again = context_.is<CancelAnswered>();
      add(EffectName::withdraw, again ? at_ + patience(context_.timing.withdraw_poll) : at_);
    }
    add(EffectName::poll, at_ + patience(context_.timing.withdraw_poll));
  }
  void retrieving(const Retrieving& state) {
    Duration pause{};
    if (context_.is<Reported>()) pause = patience(context_.timing.poll_first);
    if (context_.is<HandoutUnreadable>()) {
      pause = next_retry(context_.order.id, state.unreadable, std::nullopt, context_.timing);
    }
    add(EffectName::retrieve, at_ + pause);
  }
  void verifying(const Verifying& state) {
    add(EffectName::verify, state.not_yet ? std::max(at_, state.not_yet->not_before) : at_);
  }
  void installing(const Installing& state) {
    for (const TargetState& target : state.targets) {
      if (is_over(target.stage)) continue;
      const Duration delay = target.stage == TargetState::Stage::failed
                                 ? next_retry(context_.order.id, target.failures, std::nullopt, context_.timing)
                                 : Duration::zero();
      add(EffectName::install, at_ + delay, 0, target.target.name);
    }
  }
  void add_deadline(const State& state) {
    if (!context_.order.deadline || name_of(state) > StateName::awaiting_issuance) return;
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
  return needs_key(order) ? std::max(timing.settle, timing.search_lag) : timing.settle;
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
