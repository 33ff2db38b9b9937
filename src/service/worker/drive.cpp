#include "service/worker/drive.h"

#include "service/effects/effects.h"

#include <algorithm>
#include <condition_variable>
#include <map>
#include <mutex>
#include <thread>
#include <utility>
#include <variant>

namespace hsmbridge::service {

namespace {

// Stops the engine when the time is over, unless the waiting ended before.
class TimeLimit {
 public:
  TimeLimit(std::optional<Duration> limit, workflow::Engine& engine) {
    if (!limit) return;
    thread_ = std::thread([this, limit = *limit, &engine] {
      std::unique_lock lock(mutex_);
      if (changed_.wait_for(lock, limit, [this] { return ended_; })) return;
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

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool ended_ = false;
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

// What happened since the last call.
class Progress {
 public:
  Progress(const std::function<void(const workflow::JournalEntry&)>& happened, std::uint64_t from)
      : happened_(happened), shown_(from) {}
  void show(workflow::Requests& store, const workflow::Record& record) {
    if (!happened_ || record.sequence == shown_) return;
    for (const auto& entry : store.history(record.order.id)) {
      if (entry.sequence > shown_) happened_(entry);
    }
    shown_ = record.sequence;
  }

 private:
  const std::function<void(const workflow::JournalEntry&)>& happened_;
  std::uint64_t shown_;
};

std::vector<workflow::Record> records_of(workflow::Requests& store, const std::vector<RequestId>& ids) {
  std::vector<workflow::Record> records;
  for (const auto& id : ids) {
    auto record = store.find(id);
    if (!record) throw Error{ErrorKind::not_found, "there is no request " + id.str()};
    records.push_back(std::move(*record));
  }
  return records;
}

void tell_of_left_out(Workplace& place, const std::vector<workflow::Record>& records, const Drive& drive) {
  for (const auto& one : place.left_out()) {
    const bool needed = std::any_of(records.begin(), records.end(), [&](const workflow::Record& record) {
      return one.lane == "token:" + record.order.token() || one.lane == "provider:" + record.order.provider;
    });
    if (needed && drive.left_out) drive.left_out(one);
  }
}

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

void run_stoppable(workflow::Engine& engine, const Stoppable& stoppable,
                   const std::function<bool(workflow::Store&)>& until) {
  const auto target = [&](void (*stop)(void*) noexcept, void* context) {
    if (stoppable) stoppable(stop, context);
  };
  target([](void* context) noexcept { static_cast<workflow::Engine*>(context)->stop(); }, &engine);
  struct Untarget {
    decltype(target)& target_;
    ~Untarget() { target_(nullptr, nullptr); }
  } const untarget{target};
  engine.run(until);
}

std::vector<Driven> drive_requests(Workplace& place, const Drive& drive) {
  const auto until = drive.until;
  const auto mine = place.store();
  std::vector<RequestId> open;  // in reverse: the one looked at is at the end
  const auto before = records_of(*mine, drive.ids);
  const auto tell_passed = [&] {
    if (drive.passed) drive.passed();
  };
  for (auto record = before.rbegin(); record != before.rend(); ++record) {
    if (!reached(record->state, until)) {
      open.push_back(record->order.id);
    } else {
      tell_passed();
    }
  }
  Troubles troubles;
  std::optional<Progress> progress;
  if (before.size() == 1) progress.emplace(drive.happened, before.front().sequence);
  if (!open.empty()) {
    Effects effects(place);
    workflow::EngineLog log;
    auto options = place.engine_options(open, {});
    options.observers = {&log, &troubles};
    workflow::Engine engine(place.store(), effects, place.clock(), std::move(options));
    tell_of_left_out(place, before, drive);
    const TimeLimit limit(drive.timeout, engine);
    run_stoppable(engine, drive.stoppable, [&](workflow::Store& store) {
      // One look a commit, however many they are: a request that is passed is never looked at again.
      for (; !open.empty(); open.pop_back(), tell_passed()) {
        const auto record = store.find(open.back());
        if (record && progress) progress->show(store, *record);
        const bool left =
            until == Until::at_rest && record && (troubles.of(open.back()) || troubles.left_behind(store, *record));
        if (record && !left && !reached(record->state, until)) return false;
      }
      return true;
    });
  }
  std::vector<Driven> driven;
  for (auto& record : records_of(*mine, drive.ids)) {
    if (progress) progress->show(*mine, record);
    auto trouble = troubles.of(record.order.id);
    driven.push_back({std::move(record), std::move(trouble)});
  }
  return driven;
}

}  // namespace hsmbridge::service
