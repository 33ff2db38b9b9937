#include "workflow/engine/impl.h"

#include <algorithm>
#include <tuple>
#include <utility>

// Lanes, the clock, and answers that are kept aside.
namespace hsmbridge::workflow {
namespace {

// How often an engine looks for what others kept aside.
constexpr Duration kLookAside = std::chrono::minutes{1};
// Clocks are adjusted by less than that all the time.
constexpr Duration kSetBack = std::chrono::seconds{2};

// What a finished effect says about its lane. `unclear`: it need not have spoken with the token or the provider.
enum class LaneWord { down, works, unclear };

LaneWord word_about_lane(const Finished& finished) {
  if (!finished.begun || is_timer(finished.work.claim.effect.name)) return LaneWord::unclear;
  if (finished.outcome.lane_trouble || (finished.error && says_lane_is_down(*finished.error))) return LaneWord::down;
  if (finished.error && finished.error->kind() == ErrorKind::unavailable) return LaneWord::unclear;
  switch (finished.work.claim.effect.name) {
    case EffectName::build_draft:
    case EffectName::check_draft:
    case EffectName::verify:
      return LaneWord::unclear;  // often done without a call
    case EffectName::submit:
      return finished.outcome.event && !std::holds_alternative<AnswerLost>(*finished.outcome.event) ? LaneWord::works
                                                                                                    : LaneWord::unclear;
    default:
      return LaneWord::works;
  }
}

}  // namespace

// One word when a lane goes down and one when it works again, however many requests wait for it.
void Engine::Impl::note_lane(Finished& finished) {
  const std::string& lane = finished.work.lane;
  if (finished.begun) pauses_.survived(lane);
  switch (word_about_lane(finished)) {
    case LaneWord::unclear:
      return;
    case LaneWord::works: {
      const auto came = pauses_.works(lane);
      (came == LanePauses::Came::as_ever ? answered_ : back_).insert(lane);
      if (came != LanePauses::Came::back) return;
      return tell(&EngineObserver::lane_works, lane);
    }
    case LaneWord::down:
      break;
  }
  const Error& why = finished.error ? *finished.error : *finished.outcome.lane_trouble;
  const auto down =
      pauses_.down(lane, finished.work.claim.record.order.id.str(), patience_asked(finished), clock_.since_boot());
  finished.waits_for_lane = down.blame == LanePauses::Blame::lane;
  if (down.news) tell(&EngineObserver::lane_down, lane, why);
}

// Lanes in which workers died before, each after the others: the one that killed them is tried last, and what is tried
// alone shows whether it was that one.
void Engine::Impl::suspect_deadly_lanes() {
  std::vector<std::tuple<unsigned, bool, std::string, Instant>> suspects;
  for (const auto& [lane, facts] : store_->lanes()) {
    came_back_[lane] = facts.came_back;
    if (facts.deaths > 0 && options_.lanes.count(lane) != 0) {
      suspects.emplace_back(facts.deaths, lane.starts_with("token:"), lane, facts.died_at);
    }
  }
  std::sort(suspects.begin(), suspects.end());
  const Instant now = clock_.now();
  Duration pause{};
  for (const auto& [deaths, is_token, lane, died_at] : suspects) {
    pause += pause_after_deaths(deaths);
    const Duration left = std::clamp(died_at + pause - now, Duration::zero(), pause);
    pauses_.suspect(lane, left, clock_.since_boot());
    if (left == Duration::zero()) continue;
    const Error why{ErrorKind::unavailable,
                    fmt::format("{} workers died during a call of {}: it is tried again in {}, one call at a time",
                                deaths, spoken_lane(lane), spoken(left))};
    tell(&EngineObserver::lane_down, lane, why);
  }
}

// What other processes saw of the lanes that are left alone here.
void Engine::Impl::read_lanes() {
  if (!pauses_.any()) return;
  for (const auto& [lane, facts] : store_->lanes()) {
    if (std::exchange(came_back_[lane], facts.came_back) != facts.came_back) pauses_.wake(lane);
  }
}

void Engine::Impl::tell_lanes() {
  if (!answered_.empty()) {
    // Others may have died in a lane that works here: who starts next must not leave it alone for that.
    for (const auto& [lane, facts] : store_->lanes()) {
      if (facts.deaths == 0 || answered_.count(lane) == 0) continue;
      came_back_[lane] = facts.came_back;
      back_.insert(lane);
    }
    answered_.clear();
  }
  while (!back_.empty()) {
    store_->lane_works(*back_.begin());
    ++came_back_[*back_.begin()];
    back_.erase(back_.begin());
  }
}

bool Engine::Impl::is_set_back() const {
  return !wall_ || *wall_ - (clock_.now().time_since_epoch() - clock_.since_boot()) >= kSetBack;
}

// A clock that was ahead leaves every pause as long as it was ahead by: it is taken off. At the start, and whenever the
// wall clock is set back meanwhile.
void Engine::Impl::watch_clock() {
  const Duration wall = clock_.now().time_since_epoch() - clock_.since_boot();
  const bool first = !wall_;
  const Duration back = first ? Duration::zero() : *wall_ - wall;
  if (first || back >= kSetBack) {
    const Duration ahead = store_->follow_clock(clock_.now());
    started_at_ = std::min(started_at_, clock_.now());
    if (!first) note(Gravity::warning, fmt::format("the clock of this machine was set back by {}", spoken(back)));
    if (ahead > Duration::zero()) {
      note(Gravity::warning,
           fmt::format("steps were planned by a clock that was {} ahead of this one: they are due that much sooner now",
                       spoken(ahead)));
    }
  }
  wall_ = wall;
}

// An answer that nobody else has and that the store does not take now is kept next to it: this process may be ended
// before the store works again.
void Engine::Impl::keep_aside() {
  for (Finished& one : kept_) {
    if (!one.aside.empty() || precious_words(one).empty()) continue;
    const Claim& claim = one.work.claim;
    const std::string& actor = one.outcome.actor;
    EventBody body = *one.outcome.event;
    // By then the request may wait for another submission.
    auto* const result = std::get_if<ResultReceived>(&body);
    const Submission* const submission = submission_of(claim.record.state);
    if (result != nullptr && result->report.reference.empty() && submission != nullptr) {
      result->report.reference = submission->reference;
    }
    try {
      one.aside = store_->keep_aside({{},
                                      claim.effect_id,
                                      claim.effect,
                                      claim.record.order.id,
                                      Event{one.at, actor.empty() ? "worker:" + options_.worker : actor, body},
                                      one.outcome.key});
    } catch (...) {
      note(Gravity::error,
           fmt::format("the answer to {} of request {} cannot be kept next to the store either: {}",
                       claim.effect.identity(), claim.record.order.id.str(), current_error().message()));
    }
  }
}

namespace {

// A result that names no attempt is of the submission that was asked about when it came.
bool is_result_of_another(const KeptAnswer& kept, const State& state) {
  const auto* result = std::get_if<ResultReceived>(&kept.event.body);
  if (result == nullptr || result->attempt != 0) return false;
  const Submission* const submission = submission_of(state);
  const ProviderReference& reference = result->report.reference;
  if (!reference.empty()) {
    return submission != nullptr && !submission->reference.empty() && submission->reference != reference;
  }
  // Files of older programs do not say whose it is: fetched for one that has moved on since.
  return kept.effect.name == EffectName::retrieve && !std::holds_alternative<Retrieving>(state) &&
         !std::holds_alternative<Unresolved>(state);
}

}  // namespace

// What a process that is no more could not store.
void Engine::Impl::adopt_kept() {
  for (KeptAnswer& kept : store_->kept_aside()) {
    const bool in_hand =
        std::any_of(kept_.begin(), kept_.end(), [&](const Finished& one) { return one.aside == kept.name; });
    if (in_hand) continue;
    std::optional<Record> record;
    bool written = false;
    try {
      record = store_->find(kept.request);
      Step as_written;
      as_written.request = kept.request;
      as_written.event = kept.event;
      written = record && is_written(as_written);
    } catch (...) {
      const Error error = trouble_in_flight();
      if (!is_fault_of_one(error)) throw;
      note(Gravity::error, fmt::format("{} is kept for request {}, which cannot be read: {}", kept.name,
                                       kept.request.str(), error.message()));
      continue;
    }
    if (!record) {
      note(Gravity::error,
           fmt::format("{} is kept for request {}, which is not in this store", kept.name, kept.request.str()));
      continue;
    }
    if (written) {
      store_->forget_aside(kept.name);
      continue;
    }
    if (is_result_of_another(kept, record->state)) {
      store_->keep_late_answer(
          {kept.request, kept.event, "it is the result of another submission than the awaited one"}, kept.key);
      store_->forget_aside(kept.name);
      continue;
    }
    note(Gravity::warning, fmt::format("request {}: the answer to {} was kept in {} and is stored now",
                                       kept.request.str(), kept.effect.identity(), kept.name));
    Finished finished;
    finished.work.claim.effect_id = kept.effect_id;
    finished.work.claim.effect = std::move(kept.effect);
    finished.work.claim.record = std::move(*record);
    finished.at = kept.event.at;
    finished.outcome.actor = kept.event.actor;
    finished.outcome.event = std::move(kept.event.body);
    finished.outcome.key = std::move(kept.key);
    finished.aside = std::move(kept.name);
    kept_.push_back(std::move(finished));
  }
}

// Whether an answer of a call for this request is not stored yet, here or next to the store.
bool Engine::Impl::answer_is_kept(const RequestId& id) {
  const bool in_hand = std::any_of(kept_.begin(), kept_.end(), [&](const Finished& one) {
    return one.work.claim.record.order.id == id && !precious_words(one).empty();
  });
  return in_hand || store_->may_be_kept(id);
}

// What is to be seen to now and then beside effects.
void Engine::Impl::look_around() {
  if (!wall_) suspect_deadly_lanes();
  watch_clock();
  tell_lanes();
  const Duration now = clock_.since_boot();
  if (aside_due_ && *aside_due_ > now) return;
  adopt_kept();
  aside_due_ = now + kLookAside;
}

}  // namespace hsmbridge::workflow
