#include "tools/rig/command/serving.h"

#include "base/text.h"

#include <fmt/core.h>

#include <csignal>

namespace hsmbridge::rig {

void wait_for_signal() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  int number = 0;
  sigwait(&signals, &number);
}

std::optional<int> port_of(const commandline::Arguments& arguments) {
  const std::optional<long> port = arguments.number("--port", 0, 65535);
  if (!port || *port == 0) return std::nullopt;
  return static_cast<int>(*port);
}

SimulatorServerOptions server_options(std::string name, const commandline::Arguments& arguments) {
  SimulatorServerOptions options{std::move(name), std::filesystem::absolute(arguments.required("--dir")),
                                 port_of(arguments), std::nullopt};
  if (const auto file = arguments.text("--client-ca")) options.client_ca = *file;
  make_test_pki(options.dir);
  return options;
}

commandline::ExitCode serve(commandline::Invocation& invocation, const SimulatorServerOptions& options,
                            const std::shared_ptr<Simulator>& simulator, const std::string& what,
                            const std::string& more) {
  const SimulatorServer server(options, simulator);
  invocation.output.raw(fmt::format("simulated {} at {}, CA {}, {} in {}\n", what, server.url(),
                                    server.pki().ca.string(), more, (options.dir / (options.name + ".json")).string()));
  wait_for_signal();
  return commandline::ExitCode::done;
}

void set_time(const commandline::Arguments& arguments, std::string_view option, std::chrono::seconds& value) {
  const auto time = arguments.text(option);
  if (time) value = std::chrono::duration_cast<std::chrono::seconds>(parse_duration(*time));
}

Error not_one_of(std::string_view option, std::string_view value, std::vector<std::string_view> choices) {
  const std::string_view last = choices.back();
  choices.pop_back();
  return Error{ErrorKind::invalid_input, fmt::format("{} is {} or {}, not '{}'", option, joined(choices), last, value)};
}

}  // namespace hsmbridge::rig
