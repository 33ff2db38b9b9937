#include "service/worker/daemon.h"

#include "base/bytes.h"
#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "base/unicode.h"
#include "service/certificates/sweep.h"
#include "service/effects/effects.h"
#include "service/requests/requests.h"
#include "service/worker/left_out_watch.h"

#include <fmt/core.h>

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

// Renewals, ends and retirements, between the requests.
std::function<Duration(workflow::Store&)> sweeping(Workplace& place, const std::string& worker) {
  auto sweep = std::make_shared<Sweep>(place.settings(), Actor{"worker:" + worker, "process", {}}, random_bytes);
  return [&place, sweep](workflow::Store& store) {
    const auto now = place.clock().now();
    tell(sweep->round(store, now), now);
    return Sweep::kInterval;
  };
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

void equip(Equipment& equipment) {
  equipment.options = equipment.place->engine_options({});
  equipment.store = equipment.place->store();
}

Equipment equipped(std::unique_ptr<Workplace> place) {
  Equipment equipment;
  equipment.place = std::move(place);
  equip(equipment);
  const auto& file = equipment.place->settings().file;
  equipment.store->append_audit(
      "configuration-read", Json::object({{"file", file.string()}, {"sha256", hex(sha256(read_file(file)))}}).dump(),
      equipment.place->actor().name, equipment.place->clock().now());
  return equipment;
}

workflow::Engine::LeftOver work(Equipment& equipment, const Stoppable& stoppable) {
  auto& place = *equipment.place;
  announce(place, equipment.options);
  equipment.options.chore = sweeping(place, equipment.options.worker);
  DaemonLog log;
  equipment.options.observers = {&log};
  Effects effects(place);
  workflow::Engine engine(std::move(equipment.store), effects, place.clock(), std::move(equipment.options));
  const LeftOutWatch watch(place.left_out_look(), [&engine] { engine.stop(); });
  run_stoppable(engine, stoppable);
  return engine.left_over();
}

}  // namespace hsmbridge::service
