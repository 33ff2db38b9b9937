#include "workflow/engine.h"

#include "base/failpoint.h"
#include "base/log.h"
#include "workflow/codec.h"
#include "workflow/effect_pool.h"
#include "workflow/judgement.h"
#include "workflow/lane_pauses.h"
#include "workflow/wakeup.h"

#include <fmt/core.h>

#include <algorithm>
#include <atomic>
#include <exception>
#include <utility>

namespace hsmbridge::workflow {
namespace {

// How often a sleeper looks whether another process wrote something. A look is one read of a shared page.
constexpr Duration kLook = std::chrono::milliseconds{500};
// After a chore failed.
constexpr Duration kChoreRetry = std::chrono::minutes{1};
// After the store failed.
constexpr Duration kStoreRetry = std::chrono::seconds{1};
// Timers claimed in one round; they cost no thread.
constexpr unsigned kTimersAtOnce = 64;
// A request whose state changes under us this often in one commit is left for the next.
constexpr int kMostRereads = 8;

bool worth_waiting_for(const Error& error) {
  return error.kind() == ErrorKind::unavailable || error.kind() == ErrorKind::denied;
}

// What a commit fails with that another request's commit need not fail with: SQLite's own word on a damaged file is
// about all of them.
bool is_fault_of_one(const Error& error) {
  return !worth_waiting_for(error) && !(error.kind() == ErrorKind::corrupt && !error.detail("sqlite").empty());
}

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

bool same_draft(const Record& one, const Record& other) {
  const Draft* first = draft_of(one.state);
  const Draft* second = draft_of(other.state);
  return first != nullptr && second != nullptr && *first == *second;
}

// Whether what an effect brought is about what the request holds now. Its answer is decided again when another process
// was quicker; one about another draft, another result or another reference says nothing about the present one.
bool is_about_the_same(EffectName effect, const Record& then, const Record& now) {
  switch (effect) {
    case EffectName::check_draft:
      return same_draft(then, now);
    case EffectName::verify: {
      const auto* first = std::get_if<Verifying>(&then.state);
      const auto* second = std::get_if<Verifying>(&now.state);
      return first == nullptr || second == nullptr || first->handout == second->handout;
    }
    case EffectName::poll:
    case EffectName::retrieve:
    case EffectName::withdraw: {
      const Submission* first = submission_of(then.state);
      const Submission* second = submission_of(now.state);
      return first == nullptr || second == nullptr || first->reference == second->reference;
    }
    default:
      return true;
  }
}

}  // namespace

class Engine::Impl {
 public:
  Impl(std::unique_ptr<Store> store, EffectRunner& runner, const Clock& clock, EngineOptions options)
      : store_(std::move(store)),
        clock_(clock),
        options_(std::move(options)),
        started_at_(clock.now()),
        pool_(runner, clock, wakeup_) {
    if (options_.worker.empty()) throw Error{ErrorKind::internal, "an engine needs a worker's name"};
  }

  ~Impl() {
    try {
      drain(Patience::none);
    } catch (...) {
      log::error(fmt::format("the store failed while stopping: {}", current_error().message()));
    }
  }

  void run(const std::function<bool(Store&)>& until);
  bool step();
  void stop() noexcept {
    stopping_ = true;
    wakeup_.notify();
  }

 private:
  const Timing& timing_of(const Order& order) const {
    static const Timing kDefaults;
    const auto found = options_.timing.find(order.provider);
    return found == options_.timing.end() ? kDefaults : found->second;
  }
  Judge judge() const { return {options_.worker, clock_.now()}; }

  ClaimQuery query();
  void collect();
  bool commit_kept();
  bool commit_once(std::vector<bool>& done);
  std::vector<std::optional<StepResult>> commit_steps(const std::vector<Step>& steps,
                                                      const std::vector<std::size_t>& kept_of, std::vector<bool>& done);
  bool is_written(const Step& step);
  bool read_again(Finished& finished, const Step& step);
  void keep_late(const Finished& finished, const Verdict& verdict);
  void give_up_storing(const Finished& finished, const Error& error);
  void do_chore();
  bool claim_and_start();
  std::optional<Instant> spread_after_start(const Claim& claim) const;
  void start_once_only(std::vector<Claim> claims);
  void start(Claim claim);
  void note_lane(Finished& finished);
  void flush();
  enum class Patience { none, some };
  void drain(Patience patience);
  void sleep();
  bool something_new();
  void store_failed(const Error& error);
  void store_works();

  Wakeup wakeup_;  // before the pool, whose threads use it
  std::unique_ptr<Store> store_;
  const Clock& clock_;
  const EngineOptions options_;
  const Instant started_at_;
  std::atomic<bool> stopping_{false};
  std::map<std::string, unsigned> taken_;  // places in use, by lane
  std::map<std::string, Instant> paused_;  // lanes whose provider's rate is used up, until when
  LanePauses pauses_;                      // lanes that are down
  std::vector<Finished> kept_;             // answers that are not on disk yet
  std::vector<GiveBack> give_back_;        // claims that go back with the next claim
  std::optional<Duration> chore_due_;      // Clock::since_boot; none: at once
  std::uint64_t seen_changes_ = 0;
  bool ask_ = true;       // something was written since `until` was asked
  bool failing_ = false;  // the store's last word
  EffectPool pool_;       // last: its threads end first
};

// ---- claiming and starting ------------------------------------------------------------------------------------------

ClaimQuery Engine::Impl::query() {
  const Instant now = clock_.now();
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
    if (pause != paused_.end() && pause->second > now) continue;
    query.lanes[lane] = pauses_.free_places(lane, places, taken_[lane], clock_.since_boot());
  }
  return query;
}

bool Engine::Impl::claim_and_start() {
  ClaimQuery wanted = query();
  wanted.give_back = give_back_;
  std::vector<Claim> claims = store_->claim(wanted, clock_.now());
  give_back_.clear();
  if (claims.empty()) return false;
  failpoint("engine.after-claim");

  std::vector<Claim> once_only;
  for (Claim& claim : claims) {
    const Order& order = claim.record.order;
    // Its lease ran out while it still runs here: claiming it has renewed the lease, and that is all.
    if (pool_.is_running(claim.effect_id)) continue;
    if (is_timer(claim.effect.name)) {
      kept_.push_back(judge().ring(std::move(claim)));
      continue;
    }
    if (const auto later = spread_after_start(claim)) {
      give_back_.push_back({claim.effect_id, *later, std::nullopt});
      continue;
    }
    const std::string lane = lane_of(claim.effect, order);
    const auto rate = options_.per_minute.find(order.provider);
    if (lane.starts_with("provider:") && rate != options_.per_minute.end()) {
      const auto pause = paused_.find(lane);
      const bool paused = pause != paused_.end() && pause->second > clock_.now();
      const auto later = paused ? pause->second : store_->take_permission(order.provider, rate->second, clock_.now());
      if (later) {
        // The whole lane waits, and its effects keep their due times: nothing is postponed one by one.
        paused_[lane] = *later;
        give_back_.push_back({claim.effect_id, claim.effect.due, std::nullopt});
        continue;
      }
    }
    if (is_once_only(claim.effect.name)) {
      once_only.push_back(std::move(claim));
    } else {
      start(std::move(claim));
    }
  }
  start_once_only(std::move(once_only));
  return true;
}

// Polls that fell due while no engine ran would all run in the first second. Each gets its own place in as much time as
// it is late already, at most the longest pause between two polls: nothing is put off by more than the stop itself did.
std::optional<Instant> Engine::Impl::spread_after_start(const Claim& claim) const {
  if (claim.effect.name != EffectName::poll || !options_.only.empty()) return std::nullopt;
  const Duration late = started_at_ - claim.effect.due;
  if (late <= Duration::zero()) return std::nullopt;
  const Order& order = claim.record.order;
  return started_at_ + place_in(order.id, std::min(late, timing_of(order).poll_longest));
}

// The intent is on disk before the first byte leaves, and it is there only when this worker still held its claim.
void Engine::Impl::start_once_only(std::vector<Claim> claims) {
  if (claims.empty()) return;
  std::vector<Step> steps;
  std::vector<Claim> decided;
  for (Claim& claim : claims) {
    const Instant now = clock_.now();
    const Duration limit = options_.limit_of(lane_of(claim.effect, claim.record.order));
    claim.call_until = clock_.since_boot() + limit;
    const Event event{now, "worker:" + options_.worker,
                      AttemptStarted{claim.effect.attempt, options_.worker, now + limit}};
    auto decision = decide(claim.record.order, claim.record.state, event, timing_of(claim.record.order));
    if (const auto* refusal = std::get_if<Refusal>(&decision)) {
      log::warning(fmt::format("request {}: {}", claim.record.order.id.str(), refusal->why));
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
  std::vector<StepResult> results;
  try {
    results = store_->commit(steps);
  } catch (...) {
    // Nothing was sent. Should the commit be on disk all the same, the effect is gone and this gives nothing back.
    for (const Claim& claim : decided) give_back_.push_back({claim.effect_id, claim.effect.due, std::nullopt});
    throw;
  }
  failpoint("engine.after-start");
  for (std::size_t i = 0; i < decided.size(); ++i) {
    Claim& claim = decided[i];
    if (results[i] != StepResult::committed) {
      give_back_.push_back({claim.effect_id, claim.effect.due, std::nullopt});
      continue;
    }
    claim.record.sequence += 1;
    claim.record.state = std::move(steps[i].decision.next);
    claim.record.changed_at = steps[i].event.at;
    start(std::move(claim));
  }
}

void Engine::Impl::start(Claim claim) {
  std::string lane = lane_of(claim.effect, claim.record.order);
  ++taken_[lane];
  const Duration limit = options_.limit_of(lane);
  pool_.start({std::move(claim), std::move(lane), limit});
}

// ---- what came back -------------------------------------------------------------------------------------------------

void Engine::Impl::collect() {
  for (Finished& one : pool_.take()) {
    note_lane(one);
    kept_.push_back(std::move(one));
  }
  for (const std::string& what : pool_.overdue()) log::warning(what);
}

// One word when a lane goes down and one when it works again, however many requests wait for it.
void Engine::Impl::note_lane(Finished& finished) {
  const std::string& lane = finished.work.lane;
  switch (word_about_lane(finished)) {
    case LaneWord::unclear:
      return;
    case LaneWord::works:
      if (!pauses_.works(lane)) return;
      log::warning(fmt::format("{} works again", spoken_lane(lane)));
      if (options_.lane_news) options_.lane_news(lane, nullptr);
      return;
    case LaneWord::down:
      break;
  }
  const Error& why = finished.error ? *finished.error : *finished.outcome.lane_trouble;
  const auto down =
      pauses_.down(lane, finished.work.claim.record.order.id.str(), patience_asked(finished), clock_.since_boot());
  finished.waits_for_lane = down.blame == LanePauses::Blame::lane;
  if (!down.news) return;
  log::warning(fmt::format("waiting for {}: {}{}{}; its requests go on when it works again", spoken_lane(lane),
                           why.message(), why.hint().empty() ? "" : "; ", why.hint()));
  if (options_.lane_news) options_.lane_news(lane, &why);
}

// The event is in the journal already: a commit that seemed to fail was on disk all the same.
bool Engine::Impl::is_written(const Step& step) {
  const std::string body = to_json(step.event.body).dump();
  const std::vector<JournalEntry> history = store_->history(step.request);
  return std::any_of(history.begin(), history.end(), [&](const JournalEntry& entry) {
    return entry.sequence > step.expected_sequence && entry.event.at == step.event.at &&
           entry.event.actor == step.event.actor && to_json(entry.event.body).dump() == body;
  });
}

// Commits everything kept in one transaction; what another process was quicker with is read and decided again. When
// the store throws, everything that is not on disk is still kept.
bool Engine::Impl::commit_kept() {
  bool any = false;
  for (int reread = 0; !kept_.empty() && reread < kMostRereads; ++reread) {
    std::vector<bool> done(kept_.size(), false);
    std::exception_ptr trouble;
    try {
      any = commit_once(done) || any;
    } catch (...) {
      trouble = std::current_exception();
    }
    std::vector<Finished> rest;
    for (std::size_t i = 0; i < kept_.size(); ++i) {
      if (!done[i]) {
        rest.push_back(std::move(kept_[i]));
      } else if (!is_timer(kept_[i].work.claim.effect.name)) {
        --taken_[kept_[i].work.lane];
      }
    }
    kept_ = std::move(rest);
    if (trouble) std::rethrow_exception(trouble);
  }
  return any;
}

// All in one commit. When one of them cannot be written at all (a text that is not UTF-8, a row that is damaged), each
// goes alone: that one is tried again later and says why, and no other request and no daemon suffers from it.
std::vector<std::optional<StepResult>> Engine::Impl::commit_steps(const std::vector<Step>& steps,
                                                                  const std::vector<std::size_t>& kept_of,
                                                                  std::vector<bool>& done) {
  try {
    const std::vector<StepResult> results = store_->commit(steps);
    return {results.begin(), results.end()};
  } catch (const Error& error) {
    if (!is_fault_of_one(error)) throw;
  }
  std::vector<std::optional<StepResult>> results(steps.size());
  for (std::size_t s = 0; s < steps.size(); ++s) {
    try {
      results[s] = store_->commit({steps[s]}).at(0);
      if (results[s] == StepResult::committed) done[kept_of[s]] = true;
    } catch (const Error& error) {
      if (!is_fault_of_one(error)) throw;
      give_up_storing(kept_[kept_of[s]], error);
      done[kept_of[s]] = true;
    }
  }
  return results;
}

// One request's answer that cannot be stored, with what it said where that may be known to nobody else.
void Engine::Impl::give_up_storing(const Finished& finished, const Error& error) {
  const Claim& claim = finished.work.claim;
  const std::string words = precious_words(finished);
  log::error(fmt::format("request {}: what {} brought cannot be stored: {}{}{}", claim.record.order.id.str(),
                         claim.effect.identity(), error.message(), words.empty() ? "" : "; it was ", words));
  give_back_.push_back(judge().failed(claim, error.message(), std::nullopt, timing_of(claim.record.order)));
}

void Engine::Impl::keep_late(const Finished& finished, const Verdict& verdict) {
  try {
    store_->keep_late_answer(*verdict.late, verdict.key);
  } catch (const Error& error) {
    if (!is_fault_of_one(error)) throw;
    give_up_storing(finished, error);
  }
}

// The request as it is now, for deciding again. False when there is nothing to decide any more.
bool Engine::Impl::read_again(Finished& finished, const Step& step) {
  Claim& claim = finished.work.claim;
  std::optional<Record> fresh = store_->find(step.request);
  if (!fresh || is_written(step)) return false;
  if (!is_about_the_same(claim.effect.name, claim.record, *fresh)) {
    if (!precious_words(finished).empty()) {
      const LateAnswer late{step.request, step.event, "it is about what the request does not hold any more"};
      store_->keep_late_answer(late, finished.outcome.key);
    }
    // Where the present one wants the same effect, it is still to be carried out.
    give_back_.push_back({claim.effect_id, claim.effect.due, std::nullopt});
    return false;
  }
  claim.record = std::move(*fresh);
  return true;
}

// Marks in `done` what needs nothing more; the rest is to be judged again. True when anything was written.
bool Engine::Impl::commit_once(std::vector<bool>& done) {
  std::vector<Step> steps;
  std::vector<std::size_t> kept_of;  // the index in kept_ of each step
  std::vector<std::pair<std::size_t, Verdict>> stepless;
  for (std::size_t i = 0; i < kept_.size(); ++i) {
    const Finished& one = kept_[i];
    Verdict verdict = judge().of(one, timing_of(one.work.claim.record.order));
    if (verdict.step) {
      steps.push_back(std::move(*verdict.step));
      kept_of.push_back(i);
    } else {
      stepless.emplace_back(i, std::move(verdict));
    }
  }
  if (!steps.empty()) {
    failpoint("engine.before-outcome");
    const std::vector<std::optional<StepResult>> results = commit_steps(steps, kept_of, done);
    failpoint("engine.after-outcome");
    for (std::size_t s = 0; s < steps.size(); ++s) {
      if (results[s] != StepResult::committed) continue;
      done[kept_of[s]] = true;
      log::debug(fmt::format("request {}: {}, now {}", steps[s].request.str(), to_string(name_of(steps[s].event.body)),
                             to_string(name_of(steps[s].decision.next))));
    }
    for (std::size_t s = 0; s < steps.size(); ++s) {
      if (done[kept_of[s]]) continue;
      try {
        done[kept_of[s]] = !read_again(kept_[kept_of[s]], steps[s]);
      } catch (const Error& error) {
        if (!is_fault_of_one(error)) throw;
        give_up_storing(kept_[kept_of[s]], error);
        done[kept_of[s]] = true;
      }
    }
  }
  // A claim that failed is news too: who waits for a request wants to know.
  bool any = !steps.empty() || !stepless.empty();
  for (auto& [i, verdict] : stepless) {
    if (verdict.late) keep_late(kept_[i], verdict);
    if (verdict.back) give_back_.push_back(std::move(*verdict.back));
    done[i] = true;
  }
  return any;
}

void Engine::Impl::flush() {
  if (give_back_.empty()) return;
  ClaimQuery only_back;
  only_back.worker = options_.worker;
  only_back.give_back = give_back_;
  store_->claim(only_back, clock_.now());
  give_back_.clear();
}

// ---- the rounds -----------------------------------------------------------------------------------------------------

void Engine::Impl::store_failed(const Error& error) {
  if (!failing_) {
    log::error(fmt::format("nothing new is begun until the store works again: {}", error.message()));
  }
  failing_ = true;
}

void Engine::Impl::store_works() {
  if (failing_) log::warning("the store works again");
  failing_ = false;
}

void Engine::Impl::do_chore() {
  const Duration now = clock_.since_boot();
  if (!options_.chore || (chore_due_ && *chore_due_ > now)) return;
  // What finished comes first: a result that is handed out once is only here until it is stored.
  if (!kept_.empty()) return;
  try {
    chore_due_ = now + options_.chore(*store_);
  } catch (const Error& error) {
    if (worth_waiting_for(error)) throw;
    // Requests are worked on all the same.
    log::error(error.message());
    chore_due_ = now + kChoreRetry;
  }
}

bool Engine::Impl::step() {
  bool did = false;
  try {
    collect();
    did = commit_kept();
    do_chore();
    if (kept_.empty()) did = claim_and_start() || did;
    pool_.wait_all();
    collect();
    did = commit_kept() || did;
    flush();
    store_works();
  } catch (const Error& error) {
    if (!worth_waiting_for(error)) throw;
    store_failed(error);
  }
  return did;
}

bool Engine::Impl::something_new() {
  const std::uint64_t changes = store_->change_counter();
  if (std::exchange(seen_changes_, changes) != changes) ask_ = true;
  return ask_;
}

// Until something finished here, something was written elsewhere, or something is due.
void Engine::Impl::sleep() {
  flush();
  std::optional<Instant> due = store_->next_due(query());
  for (const auto& [lane, until] : paused_) {
    if (until > clock_.now()) due = due ? std::min(*due, until) : until;
  }
  const std::optional<Duration> pause_ends = pauses_.next_end(clock_.since_boot());
  for (;;) {
    Duration left = due ? *due - clock_.now() : kLook;
    if (pause_ends) left = std::min(left, *pause_ends - clock_.since_boot());
    if (left <= Duration::zero() || (options_.chore && chore_due_ && *chore_due_ <= clock_.since_boot())) return;
    wakeup_.wait(std::min(left, kLook));
    collect();
    if (stopping_ || !kept_.empty() || something_new()) return;
  }
}

void Engine::Impl::run(const std::function<bool(Store&)>& until) {
  ask_ = true;
  while (!stopping_) {
    try {
      collect();
      ask_ = commit_kept() || ask_;
      do_chore();
      if (something_new() && until && until(*store_)) break;
      ask_ = false;
      if (!kept_.empty() || !claim_and_start()) {
        if (kept_.empty()) sleep();
      }
      store_works();
    } catch (const Error& error) {
      if (!worth_waiting_for(error)) throw;
      store_failed(error);
      wakeup_.wait(kStoreRetry);
    }
  }
  drain(Patience::some);
}

// Finishes the effects in hand and stores what they bring. A store that fails all the while is given about as long as a
// lease outlasts its call; afterwards the journal says that the attempt was started, and a look-up follows.
void Engine::Impl::drain(Patience patience) {
  const Duration::rep most_tries = patience == Patience::none ? 1 : 1 + options_.lease_margin / kStoreRetry;
  for (Duration::rep tries = 0; tries < most_tries;) {
    pool_.wait_all();
    try {
      collect();
      commit_kept();
      if (!kept_.empty()) continue;
      return flush();
    } catch (const Error& error) {
      if (!worth_waiting_for(error)) throw;
      store_failed(error);
    }
    if (++tries < most_tries) wakeup_.wait(kStoreRetry);
  }
  for (const Finished& one : kept_) {
    const std::string words = precious_words(one);
    log::error(fmt::format("the outcome of {} of request {} could not be stored{}{}", one.work.claim.effect.identity(),
                           one.work.claim.record.order.id.str(), words.empty() ? "" : "; it was ", words));
  }
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
bool Engine::step() {
  return impl_->step();
}

}  // namespace hsmbridge::workflow
