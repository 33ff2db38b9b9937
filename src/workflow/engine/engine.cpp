#include "workflow/engine/engine.h"

#include "base/failpoint.h"
#include "workflow/engine/impl.h"
#include "workflow/machine/backoff.h"

#include <fmt/core.h>

#include <algorithm>
#include <exception>
#include <utility>

namespace hsmbridge::workflow {
namespace {

// How often a sleeper looks at the wall clock, and at calls that run past their deadlines.
constexpr Duration kLook = std::chrono::milliseconds{500};
// After a chore failed.
constexpr Duration kChoreRetry = std::chrono::minutes{1};
// After the store failed.
constexpr Duration kStoreRetry = std::chrono::seconds{1};
// How long a stop waits for a store that takes nothing; what it does not take is kept aside.
constexpr Duration kStopPatience = std::chrono::seconds{20};
constexpr int kMostStopTries = 6;
// Timers claimed in one round; they cost no thread.
constexpr unsigned kTimersAtOnce = 64;

}  // namespace

// ---- claiming and starting ------------------------------------------------------------------------------------------

ClaimQuery Engine::Impl::query() {
  ClaimQuery query;
  query.worker = options_.worker;
  query.lease = options_.time_limit + options_.lease_margin;
  for (const auto& [lane, limit] : options_.limits) query.leases[lane] = limit + options_.lease_margin;
  query.only = options_.only;
  for (const auto& [provider, timing] : options_.timing) query.lanes[timer_lane(provider)] = kTimersAtOnce;
  for (const auto& [lane, places] : options_.lanes) {
    constexpr std::string_view kProvider = "provider:";
    if (lane.starts_with(kProvider)) query.lanes[timer_lane(lane.substr(kProvider.size()))] = kTimersAtOnce;
    const auto pause = paused_.find(lane);
    if (pause != paused_.end() && pause->second > clock_.since_boot()) continue;
    query.lanes[lane] = pauses_.free_places(lane, places, taken_[lane], clock_.since_boot());
  }
  trial_ = lane_to_try(query);
  if (trial_ && has_once_only_beside(*trial_)) query.lanes[*trial_] = 0;
  // One after the other: which of them it was is known then, and the trial of one may be a submission.
  for (const std::string& lane : pauses_.suspects(clock_.since_boot())) {
    const auto places = query.lanes.find(lane);
    if (trial_ && lane != *trial_ && places != query.lanes.end()) places->second = 0;
  }
  return query;
}

// A lane in which workers died, when there is something to do in it: the call may end this process too, and the answer
// to every call with it. What may not be repeated is not under way meanwhile: an order whose answer is lost may need a
// person.
std::optional<std::string> Engine::Impl::lane_to_try(ClaimQuery query) {
  for (const std::string& lane : pauses_.suspects(clock_.since_boot())) {
    if (taken_[lane] > 0) return lane;
    const auto places = query.lanes.find(lane);
    if (places == query.lanes.end() || places->second == 0) continue;
    query.lanes = {*places};
    const std::optional<Instant> due = store_->next_due(query);
    if (due && *due <= clock_.now()) return lane;
  }
  return std::nullopt;
}

bool Engine::Impl::has_once_only_beside(const std::string& lane) const {
  return std::any_of(once_only_.begin(), once_only_.end(),
                     [&](const auto& one) { return one.first != lane && one.second > 0; });
}

void Engine::Impl::settle_permissions() {
  for (auto& [provider, more] : unsettled_) {
    store_->settle_permissions(provider, options_.per_minute.at(provider), more, clock_.now());
    if (more < 0) paused_.erase("provider:" + provider);  // what is there again need not be waited for
    more = 0;
  }
}

bool Engine::Impl::claim_and_start() {
  spread_after_start();
  settle_permissions();
  ClaimQuery wanted = query();
  wanted.give_back = give_back_;
  std::vector<Claim> claims = store_->claim(wanted, clock_.now());
  give_back_.clear();
  if (claims.empty()) return false;
  failpoint("engine.after-claim");
  for (const Claim& claim : claims) tell(&EngineObserver::claimed, claim);
  if (std::any_of(claims.begin(), claims.end(),
                  [](const Claim& claim) { return claim.effect.name == EffectName::look_up; })) {
    adopt_kept();
  }

  std::vector<Claim> once_only;
  std::size_t i = 0;
  try {
    for (; i < claims.size(); ++i) start_or_wait(claims[i], once_only);
  } catch (...) {
    // Nothing of the rest was begun by this claim, and it need not wait for its leases to end.
    for (; i < claims.size(); ++i) once_only.push_back(std::move(claims[i]));
    for (const Claim& claim : once_only) {
      if (pool_.is_running(claim.effect_id)) continue;
      give_back_.push_back({claim.effect_id, {}, std::nullopt});
    }
    throw;
  }
  start_once_only(std::move(once_only));
  return true;
}

// What is to be done about a claim; a once-only call is only put with the others.
void Engine::Impl::start_or_wait(Claim& claim, std::vector<Claim>& once_only) {
  const Order& order = claim.record.order;
  // Its lease ran out while it still runs here: claiming it has renewed the lease, and that is all.
  if (pool_.is_running(claim.effect_id)) return;
  if (is_timer(claim.effect.name)) return kept_.push_back(judge().ring(std::move(claim)));
  // "It is not there" would begin another attempt beside an answer that only waits for the store.
  if (claim.effect.name == EffectName::look_up && answer_is_kept(order.id)) {
    constexpr Duration kPause = std::chrono::seconds{5};
    return give_back_.push_back({claim.effect_id, clock_.now() + kPause,
                                 "an answer waits next to the store, and is stored before anything is looked up",
                                 GiveBack::Counts::no});
  }
  const std::string lane = lane_of(claim.effect, order);
  if (trial_ && *trial_ != lane && is_once_only(claim.effect.name)) {
    constexpr Duration kPause = std::chrono::seconds{1};
    return give_back_.push_back(
        {claim.effect_id, clock_.now() + kPause,
         fmt::format("a call of {}, in which workers died, is tried first", spoken_lane(*trial_)),
         GiveBack::Counts::no});
  }
  const auto rate = options_.per_minute.find(order.provider);
  if (lane.starts_with("provider:") && rate != options_.per_minute.end()) {
    const auto pause = paused_.find(lane);
    const bool paused = pause != paused_.end() && pause->second > clock_.since_boot();
    const Instant now = clock_.now();
    const auto later = paused ? std::nullopt : store_->take_permission(order.provider, rate->second, now);
    if (paused || later) {
      // The whole lane waits, and its effects keep their due times: nothing is postponed one by one.
      if (later) paused_[lane] = clock_.since_boot() + (*later - now);
      return give_back_.push_back({claim.effect_id, {}, std::nullopt});
    }
  }
  is_once_only(claim.effect.name) ? once_only.push_back(std::move(claim)) : start(std::move(claim));
}

// Polls that fell due while no engine ran would all run in the first second. Each gets its own place in as much time as
// it is late already, at most the longest pause between two polls: nothing is put off by more than the stop itself did.
// Thousands in one transaction and no more, so that a hundred thousand hold up neither this engine nor another process.
void Engine::Impl::spread_after_start() {
  constexpr std::size_t kAtOnce = 2000;
  if (spread_ || !options_.only.empty()) return;
  bool more = false;
  for (const auto& [lane, places] : options_.lanes) {
    constexpr std::string_view kProvider = "provider:";
    if (!lane.starts_with(kProvider)) continue;
    const auto timing = options_.timing.find(lane.substr(kProvider.size()));
    const Duration longest = timing == options_.timing.end() ? Timing{}.poll_longest : timing->second.poll_longest;
    const auto place = [longest](const RequestId& id, Duration late) { return place_in(id, std::min(late, longest)); };
    more = store_->spread_polls(lane, started_at_, place, kAtOnce) == kAtOnce || more;
  }
  spread_ = !more;
}

// The intent is on disk before the first byte leaves, and it is there only when this worker still held its claim.
void Engine::Impl::start_once_only(std::vector<Claim> claims) {
  if (claims.empty()) return;
  std::vector<Step> steps;
  std::vector<Claim> decided;
  for (Claim& claim : claims) {
    const Instant now = clock_.now();
    const Duration limit = options_.limit_of(lane_of(claim.effect, claim.record.order));
    claim.call_until = Deadline(store_->lease_clock(), limit);
    const Event event{now, "worker:" + options_.worker,
                      AttemptStarted{claim.effect.attempt, options_.worker, now + limit}};
    auto decision = decide(claim.record.order, claim.record.state, event, timing_of(claim.record.order));
    if (const auto* refusal = std::get_if<Refusal>(&decision)) {
      tell(&EngineObserver::not_taken, claim.record.order.id, name_of(event.body), refusal->why);
      give_back_.push_back(judge().failed(claim, refusal->why, std::nullopt, timing_of(claim.record.order)));
      continue;
    }
    Step step;
    step.request = claim.record.order.id;
    step.expected_sequence = claim.record.sequence;
    step.event = event;
    step.decision = std::get<Decision>(std::move(decision));
    step.finished_effect = claim.effect_id;
    step.lease_of = options_.worker;
    steps.push_back(std::move(step));
    decided.push_back(std::move(claim));
  }
  if (steps.empty()) return;
  failpoint("engine.before-start");
  // Nothing was sent. Should the commit be on disk all the same, the effect is gone and this gives nothing back.
  const auto give_back_from = [&](std::size_t first) {
    for (std::size_t i = first; i < decided.size(); ++i) {
      give_back_.push_back({decided[i].effect_id, {}, std::nullopt});
    }
  };
  std::vector<StepResult> results;
  try {
    results = store_->commit(steps);
  } catch (...) {
    const Error error = trouble_in_flight();
    if (!is_fault_of_one(error)) {
      give_back_from(0);
      throw;
    }
    if (decided.size() == 1) {
      note(Gravity::error, fmt::format("request {}: attempt {} cannot be started: {}", steps[0].request.str(),
                                       decided[0].effect.attempt, error.message()));
      const Timing& timing = timing_of(decided[0].record.order);
      give_back_.push_back(judge().failed(decided[0], error.message(), std::nullopt, timing));
      return;
    }
    // Each goes alone, so that no other request and no daemon suffers from the one.
    for (std::size_t i = 0; i < decided.size(); ++i) {
      std::vector<Claim> alone;
      alone.push_back(std::move(decided[i]));
      try {
        start_once_only(std::move(alone));
      } catch (...) {
        give_back_from(i + 1);
        throw;
      }
    }
    return;
  }
  failpoint("engine.after-start");
  for (std::size_t i = 0; i < decided.size(); ++i) {
    if (results[i] == StepResult::committed) committed(steps[i]);
  }
  for (std::size_t i = 0; i < decided.size(); ++i) {
    Claim& claim = decided[i];
    if (results[i] != StepResult::committed) {
      give_back_.push_back({claim.effect_id, {}, std::nullopt});
      continue;
    }
    claim.record.sequence += 1;
    claim.record.state = std::move(steps[i].decision.next);
    claim.record.changed_at = steps[i].event.at;
    start(std::move(claim));
  }
}

void Engine::Impl::start(Claim claim) {
  const std::string lane = lane_of(claim.effect, claim.record.order);
  unsigned& taken = taken_[lane];
  unsigned& once_only = once_only_[lane];
  const bool is_one = is_once_only(claim.effect.name);
  tell(&EngineObserver::started, claim);
  pool_.start({std::move(claim), lane, options_.limit_of(lane)});
  ++taken;
  if (is_one) ++once_only;
}

// ---- the rounds -----------------------------------------------------------------------------------------------------

void Engine::Impl::store_failed(const Error& error) {
  if (!std::exchange(failing_, true)) tell(&EngineObserver::store_failed, error);
}

void Engine::Impl::store_works() {
  if (std::exchange(failing_, false)) tell(&EngineObserver::store_works);
}

void Engine::Impl::do_chore() {
  const Duration now = clock_.since_boot();
  if (!options_.chore || (chore_due_ && *chore_due_ > now)) return;
  // What finished comes first: a result that is handed out once is only here until it is stored.
  if (!kept_.empty()) return;
  try {
    chore_due_ = now + options_.chore(*store_);
  } catch (...) {
    const Error error = trouble_in_flight();
    if (worth_waiting_for(error)) throw;
    // Requests are worked on all the same.
    note(Gravity::error, error.message());
    chore_due_ = now + kChoreRetry;
  }
}

bool Engine::Impl::step() {
  bool did = false;
  try {
    look_around();
    read_lanes();
    collect();
    did = commit_kept();
    do_chore();
    if (kept_.empty()) did = claim_and_start() || did;
    pool_.wait_all();
    collect();
    did = commit_kept() || did;
    flush();
    tell_lanes();
    store_works();
  } catch (...) {
    const Error error = trouble_in_flight();
    if (!worth_waiting_for(error)) throw;
    store_failed(error);
  }
  return did;
}

// True when somebody else wrote something.
bool Engine::Impl::wait_for_change(Duration longest) {
  if (!store_->wait_for_change(wakeup_, longest)) return false;
  read_lanes();
  return ask_ = true;
}

// Until something finished here, something was written elsewhere, or something is due.
void Engine::Impl::sleep() {
  flush();
  const std::optional<Instant> due = store_->next_due(query());
  std::optional<Duration> pause_ends = pauses_.next_end(clock_.since_boot());
  for (const auto& [lane, until] : paused_) {
    if (until > clock_.since_boot()) pause_ends = pause_ends ? std::min(*pause_ends, until) : until;
  }
  tell(&EngineObserver::idle, due);
  for (;;) {
    tell(&EngineObserver::alive);
    Duration left = due ? *due - clock_.now() : kLook;
    if (pause_ends) left = std::min(left, *pause_ends - clock_.since_boot());
    if (left <= Duration::zero() || (options_.chore && chore_due_ && *chore_due_ <= clock_.since_boot())) return;
    const bool changed = wait_for_change(std::min(left, kLook));
    collect();
    if (stopping_ || !kept_.empty() || changed) return;
    if (is_set_back() || (aside_due_ && *aside_due_ <= clock_.since_boot())) return;
  }
}

void Engine::Impl::run(const std::function<bool(Store&)>& until) {
  ask_ = true;
  while (!stopping_) {
    tell(&EngineObserver::alive);
    try {
      look_around();
      collect();
      ask_ = commit_kept() || ask_;
      do_chore();
      wait_for_change(Duration::zero());
      if (ask_ && until && until(*store_)) break;
      ask_ = false;
      if (!kept_.empty() || !claim_and_start()) {
        if (kept_.empty()) sleep();
      }
      store_works();
    } catch (...) {
      const Error error = trouble_in_flight();
      if (!worth_waiting_for(error)) throw;
      store_failed(error);
      wakeup_.wait(kStoreRetry);
    }
  }
  drain(Patience::some);
}

// Finishes the effects in hand and stores what they bring. A store that fails all the while is given a short time, in
// real time: whoever stops this process does not wait for ever. What it did not take, and nobody else knows, is kept
// aside; of the rest the journal says that it was begun. Where waiting does not help (a damaged store) that is said
// first, and then why.
void Engine::Impl::drain(Patience patience) {
  const int most_tries = patience == Patience::none ? 1 : kMostStopTries;
  const auto until = std::chrono::steady_clock::now() + kStopPatience;
  std::exception_ptr fault;
  do {
    for (const std::string& what : pool_.overdue()) note(Gravity::warning, what);
    if (!pool_.is_overdue()) tell(&EngineObserver::alive);
  } while (!pool_.wait_all(kLook));
  for (int tries = 0; tries < most_tries;) {
    try {
      collect();
      commit_kept();
      if (!kept_.empty()) continue;
      return flush();
    } catch (...) {
      const Error error = trouble_in_flight();
      if (!worth_waiting_for(error)) {
        fault = std::current_exception();
        break;
      }
      store_failed(error);
    }
    if (std::chrono::steady_clock::now() >= until) break;
    if (++tries < most_tries) wakeup_.wait(kStoreRetry);
  }
  keep_aside();
  for (const Finished& one : kept_) {
    const std::string words = precious_words(one);
    const std::string which = fmt::format("the outcome of {} of request {}", one.work.claim.effect.identity(),
                                          one.work.claim.record.order.id.str());
    if (!one.aside.empty()) {
      ++left_over_.kept;
      note(Gravity::error,
           fmt::format("{} could not be stored: {} next to the store keeps it until it is", which, one.aside));
    } else {
      left_over_.lost += words.empty() ? 0 : 1;
      note(Gravity::error, fmt::format("{} could not be stored{}{}", which, words.empty() ? "" : "; it was ", words));
    }
  }
  kept_.clear();
  give_back_.clear();  // claims of a worker that is no more are free without it
  if (fault) std::rethrow_exception(fault);
}

// ---- the public face ------------------------------------------------------------------------------------------------

Engine::Engine(std::unique_ptr<Store> store, EffectRunner& runner, const Clock& clock, EngineOptions options)
    : impl_(std::make_unique<Impl>(std::move(store), runner, clock, std::move(options))) {}
Engine::~Engine() = default;
void Engine::run(const std::function<bool(Store&)>& until) {
  impl_->run(until);
}
void Engine::stop() noexcept {
  impl_->stop();
}
Engine::LeftOver Engine::left_over() const {
  return impl_->left_over();
}
bool Engine::step() {
  return impl_->step();
}

}  // namespace hsmbridge::workflow
