#include "base/bytes.h"
#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "service/certificates/sweep.h"
#include "service/effects/effects.h"
#include "service/requests/requests.h"
#include "tools/hsmbridge/command/commands.h"
#include "tools/hsmbridge/command/run_signals.h"
#include "tools/hsmbridge/wiring/left_out_watch.h"
#include "tools/hsmbridge/wiring/wiring.h"
#include "workflow/engine/engine.h"

#include <fmt/core.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <utility>

namespace hsmbridge::cli {

namespace {

// What the engine says of itself, and one line an event that an effect brought.
class DaemonLog final : public workflow::EngineLog {
 public:
  void committed(const RequestId& id, const workflow::Event& event, workflow::StateName) override {
    if (const auto* started = std::get_if<workflow::AttemptStarted>(&event.body)) {
      return log::info(fmt::format("{} submit:{} begins", id.str(), started->attempt));
    }
    const auto detail = service::detail_of(event.body);
    log::info(fmt::format("{} {}{}{}", id.str(), workflow::to_string(workflow::name_of(event.body)),
                          detail.empty() ? "" : ": ", commandline::safe(detail)));
  }
};

void announce(Wiring& wiring, const workflow::EngineOptions& options) {
  std::string lanes;
  for (const auto& [lane, places] : options.lanes) {
    if (lane != "local") lanes += fmt::format("{}{}", lanes.empty() ? "" : ", ", lane);
  }
  log::info(fmt::format("{} works with {}, for {}", options.worker, wiring.settings().file.string(),
                        lanes.empty() ? "nothing" : lanes));
  for (const auto& one : wiring.left_out()) log::warning(fmt::format("not for {}: {}", one.lane, one.why));
}

// The part of the log that is new since the last start, so that a start costs little; `audit verify` looks at all of
// it. A fault is said and does not stop the daemon: whoever can write the store could stop every request with one
// octet.
void check_audit(workflow::AuditLog& log) {
  const auto report = log.verify_audit(workflow::AuditDepth::news);
  for (const auto& fault : report.faults) log::error("audit log: " + commandline::safe(fault));
  if (!report.faults.empty()) log::error("somebody changed the store: see `hsmbridge audit verify`");
  log::info(fmt::format("audit log: {} entries, root {}", report.head.size(), hex(report.head.root())));
}

// What one engine works with. Made whole before the one before it is let go: a configuration whose store, or whose
// file, cannot be used is not taken, and the requests are not left alone for it.
struct Equipment {
  std::unique_ptr<Wiring> wiring;
  workflow::EngineOptions options;
  std::unique_ptr<workflow::Store> store;
};

void equip(Equipment& equipment) {
  equipment.options = equipment.wiring->engine_options({});
  equipment.store = equipment.wiring->store();
}

Equipment read_configuration(const std::optional<std::filesystem::path>& config) {
  Equipment equipment;
  equipment.wiring = Wiring::open(config);
  equip(equipment);
  const auto& file = equipment.wiring->settings().file;
  equipment.store->append_audit(
      "configuration-read", Json::object({{"file", file.string()}, {"sha256", hex(sha256(read_file(file)))}}).dump(),
      equipment.wiring->actor().name, equipment.wiring->clock().now());
  return equipment;
}

// What the sweep did, one line each.
void tell(const service::Sweep::Result& result, Instant now) {
  for (const auto& made : result.renewals) {
    log::info(fmt::format("{} renews certificate {} ({}), which ends in {}{}", made.request.str(),
                          made.certificate.substr(0, 12), commandline::safe(made.names), spoken(made.ends_at - now),
                          made.key ? ", with the new key " + commandline::safe(*made.key) : ", with the same key"));
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
                    commandline::safe(key.label), key.token));
  }
  for (const auto& trouble : result.troubles) log::warning(commandline::safe(trouble));
}

// Renewals, ends and retirements, between the requests.
std::function<Duration(workflow::Store&)> sweeping(Wiring& wiring, const std::string& worker) {
  auto sweep = std::make_shared<service::Sweep>(wiring.settings(), "worker:" + worker, random_bytes);
  return [&wiring, sweep](workflow::Store& store) {
    const auto now = wiring.clock().now();
    tell(sweep->round(store, now), now);
    return service::Sweep::kInterval;
  };
}

// Until a signal, or until something that was left out can be used. Gives what could not be stored.
workflow::Engine::LeftOver work(Equipment& equipment, StopSignals& signals) {
  auto& wiring = *equipment.wiring;
  announce(wiring, equipment.options);
  equipment.options.chore = sweeping(wiring, equipment.options.worker);
  DaemonLog log;
  equipment.options.observers = {&log};
  service::Effects effects(wiring);
  workflow::Engine engine(std::move(equipment.store), effects, wiring.clock(), std::move(equipment.options));
  signals.target(engine);
  {
    const LeftOutWatch watch(wiring.left_out_look(), [&engine] { engine.stop(); });
    engine.run();
  }
  signals.target(nullptr, nullptr);
  return engine.left_over();
}

// What the next engine works with; false when the process is to end. A store that worked a moment ago may fail now, on
// a full disk: it is tried until it works.
bool equip_next(Equipment& equipment, StopSignals& signals, const std::optional<std::filesystem::path>& config) {
  for (bool said = false;;) {
    if (signals.received() == SIGHUP) {
      signals.forget_hangup();
      log::info("SIGHUP: reading the configuration again");
      try {
        equipment = read_configuration(config);
        return true;
      } catch (const Error& error) {
        // A daemon that dies of a typing mistake on SIGHUP would leave every request alone.
        log::error(error.message());
        log::error("the configuration is not taken; going on with the one before");
      }
    }
    if (signals.received() != 0 && signals.received() != SIGHUP) return false;
    try {
      equip(equipment);
      return true;
    } catch (const Error& error) {
      if (!std::exchange(said, true)) log::error(error.message() + " (tried again every second)");
      ::sleep(1);
    }
  }
}

ExitCode run(Invocation& invocation) {
  if (invocation.output.verbosity() == commandline::Verbosity::normal) log::set_level(log::Level::verbose);
  StopSignals signals({SIGTERM, SIGINT, SIGHUP});
  Equipment equipment = read_configuration(invocation.config);
  check_audit(*equipment.store);
  workflow::Engine::LeftOver left;
  do {
    left.follow_up(work(equipment, signals));
  } while (equip_next(equipment, signals, invocation.config));
  if (left.lost > 0) {
    log::error(
        fmt::format("stopped; the store took no answer any more, and {} of them are in this log alone", left.lost));
    return ExitCode::failed;
  }
  if (left.kept > 0) {
    log::error(
        fmt::format("stopped; the store took no answer any more: {} next to it, which the next process that works "
                    "on it stores",
                    left.kept == 1 ? "one is kept" : fmt::format("{} are kept", left.kept)));
    return ExitCode::unavailable;
  }
  log::info("stopped; nothing is in hand");
  return ExitCode::done;
}

}  // namespace

std::vector<Command> run_commands() {
  return {{"run",
           "",
           "Work on every request and renew certificates until told to stop (the daemon)",
           {},
           {},
           run,
           {ExitCode::failed, ExitCode::unavailable},
           "SIGTERM and SIGINT finish the effects in hand and stop. An answer that the store\n"
           "does not take meanwhile is kept in a file next to it, which the next worker stores:\n"
           "then the exit code is 5. While a token or provider is down its requests wait; that\n"
           "is said once, and once more when it works again. SIGHUP reads the\n"
           "configuration again. Any number of processes may run on one store: they share\n"
           "the work. A token or provider that this process cannot use (module, PIN or key\n"
           "not readable) is left to another one, and looked at again within a minute.\n"
           "At the start and once a minute it renews what is due (`renew_before` of the\n"
           "profile), marks what is past its end as expired, and retires the key of a replaced\n"
           "certificate when the profile's `overlap` (7 days) is over; nothing is destroyed.\n"
           "A renewal that brought nothing is tried again a day later, or after an eighth of\n"
           "the time left, whichever is sooner.\n"}};
}

}  // namespace hsmbridge::cli
