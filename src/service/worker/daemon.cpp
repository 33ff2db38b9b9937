#include "service/worker/daemon.h"

#include "base/bytes.h"
#include "base/error.h"
#include "base/json.h"
#include "base/log.h"
#include "base/unicode.h"
#include "service/certificates/sweep.h"
#include "service/effects/effects.h"
#include "service/requests/requests.h"
#include "service/worker/crl_requests.h"
#include "service/worker/crl_schedule.h"
#include "service/worker/left_out_watch.h"
#include "workflow/engine/lane_pauses.h"

#include <fmt/core.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <optional>
#include <set>
#include <utility>

namespace hsmbridge::service {

namespace {

// What the engine says of itself, and one line an event that an effect brought.
class DaemonLog final : public workflow::EngineLog {
 public:
  void committed(const RequestId& id, const workflow::Event& event, workflow::StateName) override {
    if (const auto* started = std::get_if<workflow::AttemptStarted>(&event.body)) {
      return log::info(fmt::format("{} submit:{} begins", id.str(), started->attempt));
    }
    const auto detail = detail_of(event.body);
    log::info(fmt::format("{} {}{}{}", id.str(), workflow::to_string(workflow::name_of(event.body)),
                          detail.empty() ? "" : ": ", printable(detail)));
  }
};

void announce(Workplace& place, const workflow::EngineOptions& options) {
  std::string lanes;
  for (const auto& [lane, places] : options.lanes) {
    if (lane != "local") lanes += fmt::format("{}{}", lanes.empty() ? "" : ", ", lane);
  }
  log::info(fmt::format("{} works with {}, for {}", options.worker, place.settings().file.string(),
                        lanes.empty() ? "nothing" : lanes));
  for (const auto& one : place.left_out()) log::warning(fmt::format("not for {}: {}", one.lane, one.why));
}

// What the sweep did, one line each.
void tell(const Sweep::Result& result, Instant now) {
  for (const auto& made : result.renewals) {
    log::info(fmt::format("{} renews certificate {} ({}), which ends in {}{}", made.request.str(),
                          made.certificate.substr(0, 12), printable(made.names), spoken(made.ends_at - now),
                          made.key ? ", with the new key " + printable(*made.key) : ", with the same key"));
  }
  for (const auto& fingerprint : result.expired) {
    log::info(fmt::format("certificate {} is past its end: expired", fingerprint.substr(0, 12)));
  }
  for (const auto& fingerprint : result.revived) {
    log::warning(
        fmt::format("certificate {} is not past its end after all: was the clock wrong?", fingerprint.substr(0, 12)));
  }
  for (const auto& key : result.retired) {
    log::info(
        fmt::format("key {} in token {} is retired: its certificate was replaced and the overlap is over (the key "
                    "stays in the token)",
                    printable(key.label), key.token));
  }
  for (const auto& trouble : result.troubles) log::warning(printable(trouble));
}

// How often open requests are counted where something has changed.
constexpr Duration kCountInterval = std::chrono::seconds{10};

// What a watcher is told.
class Status final : public workflow::EngineObserver {
 public:
  explicit Status(Watcher& watcher) : watcher_(watcher) {}

  void alive() override { watcher_.alive(); }
  void idle(std::optional<Instant> due) override {
    due_ = due;
    // A busy engine rests many times a second.
    if (std::chrono::steady_clock::now() - told_at_ >= std::chrono::seconds{1}) tell();
  }
  void claimed(const workflow::Claim& /*claim*/) override { old_ = true; }
  void committed(const RequestId& /*id*/, const workflow::Event& /*event*/, workflow::StateName /*now*/) override {
    old_ = true;
  }
  void lane_down(const std::string& lane, const Error& /*why*/) override {
    down_.insert(lane);
    tell();
  }
  void lane_works(const std::string& lane) override {
    down_.erase(lane);
    tell();
  }
  void store_failed(const Error& /*why*/) override {
    store_fails_ = true;
    tell();
  }
  void store_works() override {
    store_fails_ = false;
    tell();
  }
  // Whether something has happened since count().
  bool is_old() const { return old_; }
  void count(workflow::Requests& store) {
    // Counting costs a look at each: a bounded part of a minute however many there are.
    constexpr unsigned kMost = 10'000;
    const auto open = store.open_by_state(kMost);
    std::uint64_t total = 0;
    std::string states;
    for (const auto& [state, count] : open) {
      total += count;
      states += fmt::format("{}{} {}", states.empty() ? " (" : ", ", count, workflow::to_string(state));
    }
    if (!states.empty()) states += ")";
    // Counted to the bound, they say nothing of the states that come behind it.
    requests_ = total < kMost ? fmt::format("{} open request{}{}", total, total == 1 ? "" : "s", states)
                              : fmt::format("at least {} open requests", total);
    old_ = false;
    tell();
  }

 private:
  void tell() {
    std::string line = requests_;
    if (store_fails_) line += "; the store takes nothing";
    for (const auto& lane : down_) line += fmt::format("; waiting for {}", workflow::spoken_lane(lane));
    if (due_) line += fmt::format("; next step {}", rfc3339(std::chrono::floor<std::chrono::seconds>(*due_)));
    if (std::exchange(told_, line) == line) return;
    told_at_ = std::chrono::steady_clock::now();
    watcher_.status(line);
  }

  Watcher& watcher_;
  bool old_ = true;
  bool store_fails_ = false;
  std::string requests_, told_;
  std::chrono::steady_clock::time_point told_at_{};
  std::set<std::string> down_;  // lanes
  std::optional<Instant> due_;
};

// Renewals, ends, retirements and CRLs that are requests, between the requests.
std::function<Duration(workflow::Store&)> sweeping(Workplace& place, const std::string& worker, Status& status) {
  const Actor actor{"worker:" + worker, "process", {}};
  auto sweep = std::make_shared<Sweep>(place.settings(), actor, random_bytes);
  auto crls = std::make_shared<CrlRequests>(place, actor);
  return [&place, &status, sweep, crls, due = Duration::zero()](workflow::Store& store) mutable -> Duration {
    crls->round(store);
    const auto since_boot = place.clock().since_boot();
    const bool sweeps = due <= since_boot;
    if (sweeps) {
      const auto now = place.clock().now();
      const auto result = sweep->round(store, now);
      tell(result, now);
      due = since_boot + result.next_in;
    }
    if (sweeps || status.is_old()) status.count(store);
    return std::min<Duration>(kCountInterval, due - since_boot);
  };
}

// Of the CAs whose token and provider this process can use.
std::unique_ptr<CrlSchedule> crl_schedule(Workplace& place) {
  std::set<std::string> left_out;
  for (const auto& one : place.left_out()) left_out.insert(one.lane);
  std::vector<CrlSchedule::Ca> cas;
  for (const auto& settings : place.settings().providers) {
    if (settings.type != workflow::kLocalAuthority || left_out.count("provider:" + settings.name) > 0) continue;
    try {
      cas.push_back({settings.name, place.provider(settings.name)});
    } catch (const Error& error) {
      log::error(fmt::format("CA {}: its CRLs are not looked after: {}", settings.name, printable(error.message())));
    }
  }
  return std::make_unique<CrlSchedule>(std::move(cas), place.recorder(), place.clock());
}

}  // namespace

// The part of the log that is new since the last start, so that a start costs little; `audit verify` looks at all of
// it. A fault is said and does not stop the daemon: whoever can write the store could stop every request with one
// octet.
void check_audit(workflow::AuditLog& log) {
  const auto report = log.verify_audit(workflow::AuditDepth::news);
  for (const auto& fault : report.faults) log::error("audit log: " + printable(fault));
  if (!report.faults.empty()) log::error("the store was changed by another program: see `hsmbridge audit verify`");
  log::info(fmt::format("audit log: {} entries, root {}", report.head.size(), hex(report.head.root())));
}

void equip(Equipment& equipment, Watcher& watcher) {
  equipment.options = equipment.place->engine_options({}, [&watcher] { watcher.alive(); });
  equipment.store = equipment.place->store();
}

Equipment equipped(std::unique_ptr<Workplace> place, Watcher& watcher) {
  Equipment equipment;
  equipment.place = std::move(place);
  equip(equipment, watcher);
  const auto& settings = equipment.place->settings();
  equipment.store->append_audit(
      "configuration-read", Json::object({{"file", settings.file.string()}, {"sha256", hex(settings.sha256)}}).dump(),
      equipment.place->actor().name, equipment.place->clock().now());
  return equipment;
}

workflow::Engine::LeftOver work(Equipment& equipment, const Stoppable& stoppable, Watcher& watcher) {
  auto& place = *equipment.place;
  announce(place, equipment.options);
  Status status(watcher);
  equipment.options.chore = sweeping(place, equipment.options.worker, status);
  DaemonLog log;
  equipment.options.observers = {&log, &status};
  Effects effects(place);
  workflow::Engine engine(std::move(equipment.store), effects, place.clock(), std::move(equipment.options));
  const LeftOutWatch watch(place.left_out_look(), [&engine] { engine.stop(); });
  const CrlWatch crls(crl_schedule(place));
  run_stoppable(engine, stoppable);
  return engine.left_over();
}

}  // namespace hsmbridge::service
