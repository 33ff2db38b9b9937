#include "base/error.h"
#include "base/log.h"
#include "service/effects.h"
#include "service/requests.h"
#include "tools/hsmbridge/commands.h"
#include "tools/hsmbridge/run_signals.h"
#include "tools/hsmbridge/wiring.h"
#include "workflow/engine.h"

#include <fmt/core.h>

#include <csignal>
#include <utility>

namespace hsmbridge::cli {

namespace {

// One line an event that an effect brings.
class LoggedEffects final : public workflow::EffectRunner {
 public:
  explicit LoggedEffects(Wiring& wiring)
      : effects_(wiring, [](const workflow::Claim& claim, const Error& error) {
          log::warning(fmt::format("{} {}: {} (tried again later)", claim.record.order.id.str(),
                                   claim.effect.identity(), commandline::safe(error.message())));
        }) {}

  workflow::EffectOutcome run(const workflow::Claim& claim, Instant now, Duration time_limit) override {
    if (workflow::is_once_only(claim.effect.name)) {
      log::info(fmt::format("{} {} begins", claim.record.order.id.str(), claim.effect.identity()));
    }
    auto outcome = effects_.run(claim, now, time_limit);
    if (outcome.event) {
      const auto detail = service::detail_of(*outcome.event);
      log::info(fmt::format("{} {}{}{}", claim.record.order.id.str(),
                            workflow::to_string(workflow::name_of(*outcome.event)), detail.empty() ? "" : ": ",
                            commandline::safe(detail)));
    }
    return outcome;
  }

 private:
  service::Effects effects_;
};

void stop_engine(void* engine) noexcept {
  static_cast<workflow::Engine*>(engine)->stop();
}

void announce(Wiring& wiring, const workflow::EngineOptions& options) {
  std::string lanes;
  for (const auto& [lane, places] : options.lanes) {
    if (lane != "local") lanes += fmt::format("{}{}", lanes.empty() ? "" : ", ", lane);
  }
  log::info(fmt::format("{} works with {}, for {}", options.worker, wiring.settings().file.string(),
                        lanes.empty() ? "nothing" : lanes));
  for (const auto& reason : wiring.left_out()) log::warning("not for " + reason);
}

ExitCode run(Invocation& invocation) {
  if (invocation.output.verbosity() == commandline::Verbosity::normal) log::set_level(log::Level::verbose);
  auto wiring = Wiring::open(invocation.config);
  StopSignals signals({SIGTERM, SIGINT, SIGHUP});
  for (;;) {
    {
      auto options = wiring->engine_options(std::nullopt);
      announce(*wiring, options);
      LoggedEffects effects(*wiring);
      workflow::Engine engine(wiring->store(), effects, wiring->clock(), std::move(options));
      signals.target(stop_engine, &engine);
      engine.run();
      signals.target(nullptr, nullptr);
    }
    if (signals.received() != SIGHUP) break;
    signals.forget();
    log::info("SIGHUP: reading the configuration again");
    try {
      wiring = Wiring::open(invocation.config);
    } catch (const Error& error) {
      // A daemon that dies of a typing mistake on SIGHUP would leave every request alone.
      log::error(error.message());
      log::error("the configuration is not taken; going on with the one before");
    }
  }
  log::info("stopped; nothing is in hand");
  return ExitCode::done;
}

}  // namespace

std::vector<Command> run_commands() {
  return {{"run",
           "",
           "Work on every request until told to stop (the daemon)",
           {},
           {},
           run,
           {ExitCode::failed, ExitCode::unavailable},
           "SIGTERM and SIGINT finish the effects in hand and stop. SIGHUP reads the\n"
           "configuration again. Any number of processes may run on one store: they share\n"
           "the work. A token or provider that this process cannot use (module, PIN or key\n"
           "not readable) is left to another one.\n"}};
}

}  // namespace hsmbridge::cli
