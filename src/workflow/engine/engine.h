#pragma once

#include "base/clock.h"
#include "base/error.h"
#include "workflow/engine/observer.h"
#include "workflow/machine/decide.h"
#include "workflow/ports/store.h"

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace hsmbridge::workflow {

// What an effect brought. Nothing at all means: nothing changed, come again (a poll that says the same).
struct EffectOutcome {
  std::optional<EventBody> event;
  std::string actor;                             // "" for the worker itself
  std::optional<Duration> retry_after;           // the provider asked for patience
  std::optional<CertificateRecord> certificate;  // with Verified and VerificationFailed
  std::optional<KeyRecord> key;                  // with KeyReady
  std::optional<Error> lane_trouble;             // with SubmissionNotAccepted: the lane is down (lane_pauses.h)
};

// Does one effect: straight-line, blocking, within `time_limit`. Thread rule: called from many effect threads at once.
// Throws Error: unavailable is tried again with backoff, and not before a detail "retry-after" ("30s") asks; what any
// other kind means for the request is the runner's business (it returns PreparationFailed, TargetFailed …), so another
// kind that escapes is logged and tried again too. A submit effect returns one of its events and throws nothing. An
// error that says that the lane is down (lane_pauses.h) pauses the lane and is not counted against the request.
class EffectRunner {
 public:
  virtual ~EffectRunner() = default;
  virtual EffectOutcome run(const Claim& claim, Instant now, Duration time_limit) = 0;
};

struct EngineOptions {
  std::string worker;                     // names the lease holder: host, process id, random
  std::map<std::string, unsigned> lanes;  // "provider:tsb" -> 4 (its `concurrency`), "token:web" -> 1, "local" -> 2
  std::map<std::string, unsigned> per_minute;  // provider -> calls a minute, for all processes; absent = no limit
  // How many calls of providers the calling thread has made so far. An effect of a provider's lane may make none or many,
  // and takes one permission before; the difference is settled afterwards. Without it each counts as one call.
  std::function<unsigned long()> calls_of_this_thread;
  // provider -> its times; absent = the defaults. The timers of every provider named here ring in this engine, also
  // when it has no lane of that provider: a deadline needs nothing of it.
  std::map<std::string, Timing> timing;
  Duration time_limit = std::chrono::seconds{60};    // hard deadline of one effect
  std::map<std::string, Duration> limits;            // lane -> its own hard deadline; absent = time_limit
  Duration lease_margin = std::chrono::seconds{30};  // a lease outlasts the deadline by this
  std::vector<RequestId> only;                       // drive these alone (`request wait`, `enroll --wait`); empty: all
  // What is to be done beside requests (the sweep over certificates): called by the engine's own thread at the start
  // and again after the time it gave, whatever somebody does to the wall clock meanwhile. Short: it works on the store
  // alone.
  std::function<Duration(Store&)> chore;
  std::vector<EngineObserver*> observers;  // must outlive the engine

  Duration limit_of(const std::string& lane) const {
    const auto own = limits.find(lane);
    return own == limits.end() ? time_limit : own->second;
  }
};

// Claims due effects, runs them on bounded threads, commits what they bring. Several engines in several processes share
// one store. A pending request holds no thread, no timer object and no connection; an effect in flight holds one
// thread.
class Engine {
 public:
  // One store object for the engine's own thread; none is shared with effect threads.
  Engine(std::unique_ptr<Store> store, EffectRunner& runner, const Clock& clock, EngineOptions options);
  ~Engine();  // stops and waits for the effects in hand
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  // Works until `stop` is called, or `until` says true of the store (asked after every commit; for `request wait`).
  void run(const std::function<bool(Store&)>& until = {});
  // Thread- and signal-handler-safe (sets a flag, wakes the engine): finishes the effects in hand, then run() returns.
  void stop() noexcept;
  // Answers that the store did not take before run() returned: those that a file next to the store keeps, and those
  // that nobody has.
  struct LeftOver {
    unsigned kept = 0;
    unsigned lost = 0;
    // What is left over when another engine of this process has worked after this one: it has stored what was kept, or
    // counts it again; what was lost stays lost.
    void follow_up(const LeftOver& later) {
      kept = later.kept;
      lost += later.lost;
    }
  };
  LeftOver left_over() const;
  // One round for tests with a fake clock: claims what is due now, runs it, commits it; true when it did anything.
  bool step();

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace hsmbridge::workflow
