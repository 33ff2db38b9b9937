#pragma once

#include "workflow/engine/engine.h"
#include "workflow/ports/wakeup.h"

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

namespace hsmbridge::workflow {

// An effect on its way to a thread.
struct Work {
  Claim claim;
  std::string lane;
  Duration time_limit{};  // hard deadline of one effect in this lane
};

// What became of it.
struct Finished {
  Work work;
  // False: the runner was not called. Without an error its lease or its deadline was over before.
  bool begun = true;
  EffectOutcome outcome;
  std::optional<Error> error;  // what the runner threw, or why it was not called
  Instant at{};
  unsigned long calls = 1;      // of the provider, that the runner made
  std::string aside = {};       // the file that keeps it while the store takes nothing; set by the engine
  bool waits_for_lane = false;  // set by the engine: the lane is down, and the request is not to blame
};

// The effect threads: each lane has its own, so that a slow token or provider holds up no other. A lane gets a thread
// when it has work and none is idle; the caller starts no more work in a lane than it has places. Threads end with the
// pool. Thread rule: all functions are the engine thread's; the runner is called from the pool's threads.
class EffectPool {
 public:
  // `calls`: EngineOptions::calls_of_this_thread.
  EffectPool(EffectRunner& runner, const Clock& clock, Wakeup& engine, std::function<unsigned long()> calls);
  ~EffectPool();  // waits for what is running
  EffectPool(const EffectPool&) = delete;
  EffectPool& operator=(const EffectPool&) = delete;

  void start(Work work);
  // What has finished since the last call, without waiting.
  std::vector<Finished> take();
  // Waits until everything started has finished.
  void wait_all();
  // The same for at most `longest`, in real time: whether everything has.
  bool wait_all(Duration longest);
  // Started and not finished yet.
  bool is_running(std::int64_t effect_id);
  // Running for longer than its time limit, one sentence each, told once: its thread and place stay taken until it
  // returns.
  std::vector<std::string> overdue();
  // Whether one of them is, told or not.
  bool is_overdue();

 private:
  struct Lane {
    std::deque<Work> waiting;
    std::size_t threads = 0;
    std::size_t idle = 0;
    std::condition_variable more;
  };
  struct Running {
    std::string what;
    Duration since{};
    Duration time_limit{};
    bool told = false;
  };
  void serve(Lane& lane);
  Finished run(Work work);

  EffectRunner& runner_;
  const Clock& clock_;
  Wakeup& engine_;
  const std::function<unsigned long()> calls_;

  std::mutex mutex_;  // guards all below
  std::map<std::string, Lane> lanes_;
  std::map<std::int64_t, Running> running_;  // by effect id
  std::vector<Finished> finished_;
  std::condition_variable all_done_;
  bool closing_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace hsmbridge::workflow
