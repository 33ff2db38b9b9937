#include "tools/rig/command/serving.h"

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

Error not_one_of(std::string_view flag, std::string_view value, std::string_view choices) {
  return Error{ErrorKind::invalid_input, fmt::format("{} is {}, not '{}'", flag, choices, value)};
}

}  // namespace hsmbridge::rig
