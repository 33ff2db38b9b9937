#include "tools/hsmbridge/command/request_wait.h"

#include "base/error.h"
#include "service/effects/effects.h"
#include "tools/hsmbridge/command/run_signals.h"
#include "tools/hsmbridge/text/request.h"
#include "tools/hsmbridge/wiring/wiring.h"
#include "views/error.h"
#include "workflow/engine/engine.h"

#include <fmt/core.h>

#include <algorithm>
#include <condition_variable>
#include <csignal>
#include <map>
#include <mutex>
#include <string>
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

// The last trouble of each request and of each lane that is down. All of it on the engine's thread, or after its end.
class Troubles final : public workflow::EngineObserver {
 public:
  void finished(const workflow::Claim& claim, const Error* trouble) override {
    if (trouble != nullptr) last_.insert_or_assign(claim.record.order.id.str(), *trouble);
  }
  void lane_down(const std::string& lane, const Error& why) override { lanes_.insert_or_assign(lane, why); }
  void lane_works(const std::string& lane) override { lanes_.erase(lane); }
  std::optional<Error> of(const RequestId& id) const {
    const auto found = last_.find(id.str());
    return found == last_.end() ? std::nullopt : std::optional(found->second);
  }
  // A request that waits behind a lane that is down has its trouble too, although its own call was never made.
  bool left_behind(workflow::Outbox& store, const workflow::Record& record) {
    if (lanes_.empty()) return false;
    for (const auto& effect : store.effects(record.order.id)) {
      const auto found = lanes_.find(workflow::lane_of(effect, record.order));
      if (found == lanes_.end()) continue;
      last_.try_emplace(record.order.id.str(), found->second);
      return true;
    }
    return false;
  }

 private:
  std::map<std::string, Error> last_;
  std::map<std::string, Error> lanes_;
};

// What happened since the last call, a line an event.
class Progress {
 public:
  Progress(commandline::Output& output, std::uint64_t from) : output_(output), shown_(from) {
    watched_ = !output.json() && (output.stderr_is_terminal() || output.verbosity() >= commandline::Verbosity::verbose);
  }
  void show(workflow::Requests& store, const workflow::Record& record) {
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
  if (workflow::is_final(name) || name == StateName::unresolved || name == StateName::quarantined) return true;
  if (until == Until::settled) return false;
  switch (name) {
    case StateName::awaiting_approval:
    case StateName::awaiting_issuance:
    case StateName::awaiting_local_approval:
    case StateName::awaiting_command:
    case StateName::looking_up:  // not before the settle time is over
      return true;
    case StateName::verifying:  // not valid yet
      return std::get<workflow::Verifying>(state).not_yet.has_value();
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

namespace {

std::vector<workflow::Record> records_of(workflow::Requests& store, const std::vector<RequestId>& ids) {
  std::vector<workflow::Record> records;
  for (const auto& id : ids) {
    auto record = store.find(id);
    if (!record) throw Error{ErrorKind::not_found, "there is no request " + id.str()};
    records.push_back(std::move(*record));
  }
  return records;
}

// What they need and this process cannot use: without a word of it they would wait for no visible reason.
void warn_of_left_out(Wiring& wiring, const std::vector<workflow::Record>& records, commandline::Output& output) {
  for (const auto& one : wiring.left_out()) {
    const bool needed = std::any_of(records.begin(), records.end(), [&](const workflow::Record& record) {
      return one.lane == "token:" + record.order.token() || one.lane == "provider:" + record.order.provider;
    });
    if (needed) output.warning(fmt::format("this process cannot work with {}: {}", one.lane, one.why));
  }
}

}  // namespace

std::vector<Waited> drive_requests(Wiring& wiring, const std::vector<RequestId>& ids, Until until,
                                   std::optional<Duration> timeout, commandline::Output& output) {
  const auto mine = wiring.store();
  std::vector<RequestId> open;  // in reverse: the one looked at is at the end
  const auto before = records_of(*mine, ids);
  for (auto record = before.rbegin(); record != before.rend(); ++record) {
    if (!reached(record->state, until)) open.push_back(record->order.id);
  }
  Troubles troubles;
  bool interrupted = false;
  bool timed_out = false;
  std::optional<Progress> progress;
  if (before.size() == 1) progress.emplace(output, before.front().sequence);
  if (!open.empty()) {
    service::Effects effects(wiring);
    workflow::EngineLog log;
    StopSignals signals({SIGINT, SIGTERM});
    auto options = wiring.engine_options(open);
    options.observers = {&log, &troubles};
    workflow::Engine engine(wiring.store(), effects, wiring.clock(), std::move(options));
    warn_of_left_out(wiring, before, output);
    signals.target(engine);
    TimeLimit limit(timeout, engine);
    engine.run([&](workflow::Store& store) {
      // One look a commit, however many they are: a request that is passed is never looked at again.
      for (; !open.empty(); open.pop_back()) {
        const auto record = store.find(open.back());
        if (record && progress) progress->show(store, *record);
        const bool left =
            until == Until::at_rest && record && (troubles.of(open.back()) || troubles.left_behind(store, *record));
        if (record && !left && !reached(record->state, until)) return false;
      }
      return true;
    });
    timed_out = limit.over();
    signals.target(nullptr, nullptr);
    interrupted = signals.received() != 0;
  }
  std::vector<Waited> waited;
  for (auto& record : records_of(*mine, ids)) {
    if (progress) progress->show(*mine, record);
    auto trouble = troubles.of(record.order.id);
    waited.push_back({std::move(record), interrupted, timed_out, std::move(trouble)});
  }
  return waited;
}

Waited drive_request(Wiring& wiring, const RequestId& id, Until until, std::optional<Duration> timeout,
                     commandline::Output& output) {
  return drive_requests(wiring, {id}, until, timeout, output).front();
}

void drive(commandline::Output& output, Wiring& wiring, const std::vector<RequestId>& ids, Until until,
           std::optional<Duration> timeout) {
  for (const auto& waited : drive_requests(wiring, ids, until, timeout, output)) {
    if (!waited.trouble || reached(waited.record.state, until)) continue;
    output.warning(waited.trouble->message() + "; it is tried again by `hsmbridge request wait " +
                   waited.record.order.id.str() + "` or `hsmbridge run`");
  }
}

Pace pace_of(const Arguments& arguments) {
  if (arguments.has("--timeout") && !arguments.has("--wait")) {
    throw Error{ErrorKind::invalid_input, "--timeout belongs to --wait"};
  }
  if (arguments.has("--wait") && arguments.has("--queue")) {
    throw Error{ErrorKind::invalid_input, "--wait and --queue contradict each other"};
  }
  Pace pace;
  pace.queue = arguments.has("--queue");
  pace.until = arguments.has("--wait") ? Until::settled : Until::at_rest;
  if (const auto text = arguments.text("--timeout")) pace.timeout = parse_duration(*text);
  return pace;
}

commandline::ExitCode finish(commandline::Output& output, Wiring& wiring, workflow::Store& store, const RequestId& id,
                             const Pace& pace) {
  if (!pace.queue) drive(output, wiring, {id}, pace.until, pace.timeout);
  const auto now = wiring.clock().now();
  const auto view = service::view_request(store, id, now);
  output.result("hsmbridge.request/1", service::to_json(view), outcome_text(view, now));
  return exit_code_of(view.record.state);
}

void ManyRequests::make(const std::string& name, const std::string& key, const Json& value,
                        const std::function<RequestId()>& make) {
  try {
    made_.push_back({name, key, value, make()});
  } catch (...) {
    const auto error = current_error();
    failed_ = true;
    output_.result(schema_, Json::object({{key, value}, {"error", views::error(error)}}),
                   fmt::format("{}: failed  {}\n", name, commandline::safe(error.message())));
  }
}

commandline::ExitCode ManyRequests::finish(Wiring& wiring, workflow::Store& store, const Pace& pace, bool repeats) {
  std::vector<RequestId> ids;
  for (const auto& one : made_) ids.push_back(one.id);
  if (!pace.queue && !ids.empty()) drive(output_, wiring, ids, pace.until, pace.timeout);
  auto worst = ExitCode::done;
  for (const auto& one : made_) {
    const auto view = service::view_request(store, one.id, wiring.clock().now());
    const auto row = service::row_of(view.record);
    auto json = service::to_json(row);
    if (repeats) json.set(one.key, one.value);
    output_.result(schema_, json,
                   fmt::format("{}: {}  {}  {}\n", one.name, row.id.str(), row.state, commandline::safe(row.what)));
    const auto code = exit_code_of(view.record.state);
    if (code == ExitCode::pending) {
      worst = worst == ExitCode::done ? code : worst;
    } else if (code != ExitCode::done) {
      failed_ = true;
    }
  }
  return failed_ ? ExitCode::failed : worst;
}

}  // namespace hsmbridge::cli
