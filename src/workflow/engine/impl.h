#pragma once

#include "workflow/engine/effect_pool.h"
#include "workflow/engine/engine.h"
#include "workflow/engine/lane_pauses.h"
#include "workflow/engine/outcome_policy.h"
#include "workflow/ports/wakeup.h"

#include <fmt/core.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

// Inside of the engine. engine.cpp: its rounds, claiming and starting; commit.cpp: what came back, and how it
// gets on disk; watch.cpp: lanes, the clock, and answers that are kept aside.
namespace hsmbridge::workflow {

// The exception in flight. Memory that was short comes back: unavailable.
Error trouble_in_flight();
bool worth_waiting_for(const Error& error);
// What a commit fails with that another request's commit need not fail with.
bool is_fault_of_one(const Error& error);

class Engine::Impl {
 public:
  Impl(std::unique_ptr<Store> store, EffectRunner& runner, const Clock& clock, EngineOptions options)
      : store_(std::move(store)),
        clock_(clock),
        options_(std::move(options)),
        started_at_(clock.now()),
        pool_(runner, clock, wakeup_, options_.calls_of_this_thread) {
    if (options_.worker.empty()) throw Error{ErrorKind::internal, "an engine needs a worker's name"};
  }

  ~Impl() {
    try {
      drain(Patience::none);
    } catch (...) {
      note(Gravity::error, fmt::format("the store failed while stopping: {}", current_error().message()));
    }
  }

  void run(const std::function<bool(Store&)>& until);
  bool step();
  LeftOver left_over() const { return left_over_; }
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
  using Gravity = EngineObserver::Gravity;
  template <class... Wanted, class... Told>
  void tell(void (EngineObserver::*what)(Wanted...), const Told&... told) const {
    for (EngineObserver* const observer : options_.observers) (observer->*what)(told...);
  }
  void note(Gravity gravity, const std::string& sentence) const { tell(&EngineObserver::note, gravity, sentence); }
  OutcomePolicy judge() const { return {options_.worker, clock_.now()}; }

  ClaimQuery query();
  std::optional<std::string> lane_to_try(ClaimQuery query);
  bool has_once_only_beside(const std::string& lane) const;
  void collect();
  bool commit_kept();
  bool commit_once(std::vector<bool>& done);
  std::vector<std::optional<StepResult>> commit_steps(const std::vector<Step>& steps,
                                                      const std::vector<std::size_t>& kept_of, std::vector<bool>& done);
  bool is_written(const Step& step);
  bool read_again(Finished& finished, const Step& step);
  void keep_late(Finished& finished, const Judged& verdict);
  void give_up_storing(Finished& finished, const Error& error);
  void do_chore();
  bool claim_and_start();
  void settle_permissions();
  void start_or_wait(Claim& claim, std::vector<Claim>& once_only);
  void spread_after_start();
  void start_once_only(std::vector<Claim> claims);
  void start(Claim claim);
  void note_lane(Finished& finished);
  void read_lanes();
  void suspect_deadly_lanes();
  void tell_lanes();
  void watch_clock();
  bool is_set_back() const;
  void keep_aside();
  void adopt_kept();
  bool answer_is_kept(const RequestId& id);
  void look_around();
  void committed(const Step& step);
  void flush();
  enum class Patience { none, some };
  void drain(Patience patience);
  void sleep();
  bool wait_for_change(Duration longest);
  void store_failed(const Error& error);
  void store_works();

  Wakeup wakeup_;  // before the pool, whose threads use it
  std::unique_ptr<Store> store_;
  const Clock& clock_;
  const EngineOptions options_;
  Instant started_at_;
  std::atomic<bool> stopping_{false};
  std::map<std::string, unsigned> taken_;           // places in use, by lane
  std::map<std::string, unsigned> once_only_;       // once-only calls among them
  std::map<std::string, Duration> paused_;          // lanes whose rate is used up, until when: Clock::since_boot
  LanePauses pauses_;                               // lanes that are down
  std::optional<std::string> trial_;                // the one of them whose call may end this process
  std::set<std::string> back_;                      // lanes that came back, to be told to the other processes
  std::set<std::string> answered_;                  // lanes that were never down here, with a call that came through
  std::map<std::string, std::uint64_t> came_back_;  // LaneFacts::came_back, as last seen
  std::optional<Duration> wall_;                    // the wall clock less since_boot, as last seen
  std::optional<Duration> aside_due_;               // Clock::since_boot; none: at once
  LeftOver left_over_;
  std::vector<Finished> kept_;            // answers that are not on disk yet
  std::vector<GiveBack> give_back_;       // claims that go back with the next claim
  std::map<std::string, int> unsettled_;  // provider -> calls beyond the permissions that were taken for them
  std::optional<Duration> chore_due_;     // Clock::since_boot; none: at once
  bool spread_ = false;                   // the polls that were late when this engine began
  bool ask_ = true;                       // something was written since `until` was asked
  bool failing_ = false;                  // the store's last word
  EffectPool pool_;                       // last: its threads end first
};

}  // namespace hsmbridge::workflow
