#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "service/worker/daemon.h"
#include "tools/hsmbridge/command/commands.h"
#include "tools/hsmbridge/wiring/run_signals.h"
#include "tools/hsmbridge/wiring/service_manager.h"
#include "tools/hsmbridge/wiring/wiring.h"

#include <fmt/core.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>

namespace hsmbridge::cli {

namespace {

// Tells the service manager, and when a signal came why the rounds end.
class Watched final : public service::Watcher {
 public:
  Watched(ServiceManager& manager, const StopSignals& signals) : manager_(manager), signals_(signals) {}
  void alive() override {
    const int signal = signals_.received();
    if (signal == SIGHUP) {
      manager_.reloading();
    } else if (signal != 0) {
      manager_.stopping();
    }
    manager_.alive();
  }
  void status(const std::string& line) override {
    if (signals_.received() == 0) manager_.status(refused_ + line);
  }
  // The configuration that was read last, and whether it is worked with: said until there is a good one.
  void read(Instant now, bool taken) {
    const auto when = std::chrono::floor<std::chrono::seconds>(now);
    refused_ = taken ? "" : fmt::format("the configuration of {} was refused: see the log; ", rfc3339(when));
  }

 private:
  ServiceManager& manager_;
  const StopSignals& signals_;
  std::string refused_;
};

// What the next engine works with; false when the process is to end. A store that worked a moment ago may fail now, on
// a full disk: it is tried until it works.
bool equip_next(service::Equipment& equipment, StopSignals& signals, const std::optional<std::filesystem::path>& config,
                Watched& watched) {
  for (bool said = false;;) {
    watched.alive();
    if (signals.received() == SIGHUP) {
      signals.forget_hangup();
      log::info("SIGHUP: reading the configuration again");
      try {
        equipment = service::equipped(Wiring::open(config), watched);
        watched.read(equipment.place->clock().now(), true);
        return true;
      } catch (const Error& error) {
        // A daemon that dies of a typing mistake on SIGHUP would leave every request alone.
        log::error(error.message());
        log::error("the configuration is not taken; going on with the one before");
        watched.read(equipment.place->clock().now(), false);
      }
    }
    if (signals.received() != 0 && signals.received() != SIGHUP) return false;
    try {
      service::equip(equipment, watched);
      return true;
    } catch (const Error& error) {
      if (!std::exchange(said, true)) log::error(error.message() + " (tried again every second)");
      ::sleep(1);
    }
  }
}

ExitCode run(Invocation& invocation) {
  if (invocation.arguments.has("--check")) {
    Wiring::open(invocation.config);
    return ExitCode::done;
  }
  if (invocation.output.verbosity() == commandline::Verbosity::normal) log::set_level(log::Level::verbose);
  StopSignals signals({SIGTERM, SIGINT, SIGHUP});
  ServiceManager manager;
  Watched watched(manager, signals);
  auto equipment = service::equipped(Wiring::open(invocation.config), watched);
  service::check_audit(*equipment.store);
  workflow::Engine::LeftOver left;
  do {
    manager.ready();
    const auto stoppable = [&](StopSignals::Stop stop, void* context) { signals.target(stop, context); };
    left.follow_up(service::work(equipment, stoppable, watched));
  } while (equip_next(equipment, signals, invocation.config, watched));
  if (left.lost > 0) {
    log::error(
        fmt::format("stopped; the store no longer took answers, and {} of them are only in this log", left.lost));
    return ExitCode::failed;
  }
  if (left.kept > 0) {
    log::error(
        fmt::format("stopped; the store no longer took answers: {} next to it, which the next process that works "
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
           {{"--check", "", "only read the configuration, and say what cannot be taken (before SIGHUP)"}},
           {},
           run,
           {ExitCode::failed, ExitCode::unavailable},
           "SIGTERM and SIGINT finish the effects in hand and stop. An answer that the store\n"
           "does not take meanwhile is kept in a file next to it, which the next worker stores:\n"
           "then the exit code is 5. While a token or provider is down its requests wait; that\n"
           "is said once, and once more when it works again. SIGHUP reads the\n"
           "configuration again; one that cannot be taken is said, in the status too, and the\n"
           "one before goes on. Any number of processes may run on one store: they share\n"
           "the work. A token or provider that this process cannot use (module, PIN or key\n"
           "not readable) is left to another one, and looked at again within a minute.\n"
           "At the start and once a minute it renews what is due (`renew_before` of the\n"
           "profile), marks what is past its end as expired, and retires the key of a replaced\n"
           "certificate when the profile's `overlap` (7 days) is over; nothing is destroyed.\n"
           "A renewal that brought nothing is tried again a day later, or after an eighth of\n"
           "the time left, whichever is sooner.\n"
           "\n"
           "A service manager (NOTIFY_SOCKET, WATCHDOG_USEC; Type=notify of systemd) is told\n"
           "when it is ready, what it waits for, and that its rounds go on, however long a call\n"
           "of a token or provider takes within its limit.\n"}};
}

}  // namespace hsmbridge::cli
