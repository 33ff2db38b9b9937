#include "tools/hsmbridge/request_wait.h"

#include "base/error.h"
#include "service/effects.h"
#include "tools/hsmbridge/request_render.h"
#include "tools/hsmbridge/run_signals.h"
#include "tools/hsmbridge/wiring.h"
#include "workflow/engine.h"

#include <algorithm>
#include <condition_variable>
#include <csignal>
#include <mutex>
#include <thread>
#include <utility>

namespace hsmbridge::cli {

namespace {

// Stops the engine when the time is over, unless the waiting ended before.
class TimeLimit {
 public:
  TimeLimit(std::optional<Duration> limit, workflow::Engine& engine) {
    if (!limit) return;
    thread_ = std::thread([this, limit = *limit, &engine] {
      std::unique_lock lock(mutex_);
      if (changed_.wait_for(lock, limit, [this] { return ended_; })) return;
      over_ = true;
      engine.stop();
    });
  }
  ~TimeLimit() {
    {
      const std::lock_guard lock(mutex_);
      ended_ = true;
    }
    changed_.notify_all();
    if (thread_.joinable()) thread_.join();
  }
  TimeLimit(const TimeLimit&) = delete;
  TimeLimit& operator=(const TimeLimit&) = delete;
  bool over() {
    const std::lock_guard lock(mutex_);
    return over_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool ended_ = false;
  bool over_ = false;
  std::thread thread_;
};

// The last trouble that an effect thread met.
struct Trouble {
  std::mutex mutex;
  std::optional<Error> last;
  workflow::Engine* engine = nullptr;  // to stop at the first trouble
};

void stop_engine(void* engine) noexcept {
  static_cast<workflow::Engine*>(engine)->stop();
}

// What happened since the last call, a line an event.
class Progress {
 public:
  Progress(commandline::Output& output, std::uint64_t from) : output_(output), shown_(from) {
    watched_ = !output.json() && (output.stderr_is_terminal() || output.verbosity() >= commandline::Verbosity::verbose);
  }
  void show(workflow::Store& store, const workflow::Record& record) {
    if (!watched_ || record.sequence == shown_) return;
    for (const auto& entry : store.history(record.order.id)) {
      if (entry.sequence > shown_) output_.note(history_line(entry));
    }
    shown_ = record.sequence;
  }

 private:
  commandline::Output& output_;
  std::uint64_t shown_;
  bool watched_ = false;
};

}  // namespace

bool reached(const workflow::State& state, Until until) {
  using workflow::StateName;
  const auto name = workflow::name_of(state);
  if (workflow::is_final(name) || name == StateName::unresolved) return true;
  if (until == Until::settled) return false;
  switch (name) {
    case StateName::awaiting_approval:
    case StateName::awaiting_issuance:
    case StateName::awaiting_local_approval:
    case StateName::awaiting_command:
    case StateName::looking_up:  // not before the settle time is over
      return true;
    case StateName::submitting:  // the provider took nothing; the next attempt comes later
      return !std::get<workflow::Submitting>(state).last_refusal.empty();
    case StateName::installing: {
      const auto& targets = std::get<workflow::Installing>(state).targets;
      using Stage = workflow::TargetState::Stage;
      return std::any_of(targets.begin(), targets.end(), [](const auto& t) { return t.stage == Stage::failed; }) &&
             std::none_of(targets.begin(), targets.end(), [](const auto& t) { return t.stage == Stage::waiting; });
    }
    default:
      return false;
  }
}

Waited drive_request(Wiring& wiring, const RequestId& id, Until until, std::optional<Duration> timeout,
                     commandline::Output& output) {
  const auto mine = wiring.store();
  const auto before = mine->find(id);
  if (!before) throw Error{ErrorKind::not_found, "there is no request " + id.str()};
  if (reached(before->state, until)) return {*before, false, false, std::nullopt};

  Trouble trouble;
  service::Effects effects(wiring, [&](const workflow::Claim&, const Error& error) {
    const std::lock_guard lock(trouble.mutex);
    trouble.last = error;
    if (trouble.engine != nullptr) trouble.engine->stop();
  });
  StopSignals signals({SIGINT, SIGTERM});
  bool timed_out = false;
  Progress progress(output, before->sequence);
  {
    workflow::Engine engine(wiring.store(), effects, wiring.clock(), wiring.engine_options(id));
    if (until == Until::at_rest) {
      const std::lock_guard lock(trouble.mutex);
      trouble.engine = &engine;
    }
    signals.target(stop_engine, &engine);
    TimeLimit limit(timeout, engine);
    engine.run([&](workflow::Store& store) {
      const auto record = store.find(id);
      if (!record) return true;
      progress.show(store, *record);
      return reached(record->state, until);
    });
    timed_out = limit.over();
    signals.target(nullptr, nullptr);
    const std::lock_guard lock(trouble.mutex);
    trouble.engine = nullptr;
  }
  auto after = mine->find(id);
  if (!after) throw Error{ErrorKind::corrupt, "request " + id.str() + " vanished from the store"};
  progress.show(*mine, *after);
  return {std::move(*after), signals.received() != 0, timed_out, trouble.last};
}

}  // namespace hsmbridge::cli
