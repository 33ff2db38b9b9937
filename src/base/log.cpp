#include "base/log.h"

#include <fmt/core.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

#include <memory>
#include <string>

namespace hsmbridge::log {
namespace {

// Never destroyed: a call of a token that was given up may return, and say so, while the process ends.
spdlog::logger& logger() {
  static spdlog::logger* const instance = [] {
    auto* const made = new spdlog::logger("hsmbridge", std::make_shared<spdlog::sinks::stderr_color_sink_mt>());
    made->set_pattern("%Y-%m-%dT%H:%M:%S.%eZ %^%l%$ %v", spdlog::pattern_time_type::utc);
    made->set_level(spdlog::level::warn);
    made->flush_on(spdlog::level::info);
    return made;
  }();
  return *instance;
}

// One line a message, and nothing that a terminal obeys: parts of it come from servers and tokens.
std::string one_line(std::string_view message) {
  std::string line;
  line.reserve(message.size());
  for (std::size_t i = 0; i < message.size(); ++i) {
    const auto octet = static_cast<unsigned char>(message[i]);
    // U+0080 to U+009F are C2 80 to C2 9F in UTF-8.
    const bool c1 = octet >= 0x80 && octet < 0xA0 && i > 0 && static_cast<unsigned char>(message[i - 1]) == 0xC2;
    if (octet < 0x20 || octet == 0x7F || c1) {
      line += fmt::format("\\x{:02X}", octet);
    } else {
      line += message[i];
    }
  }
  return line;
}

}  // namespace

void set_level(Level level) {
  switch (level) {
    case Level::quiet:
      return logger().set_level(spdlog::level::err);
    case Level::normal:
      return logger().set_level(spdlog::level::warn);
    case Level::verbose:
      return logger().set_level(spdlog::level::info);
    case Level::debug:
      return logger().set_level(spdlog::level::debug);
  }
}

void debug(std::string_view message) {
  if (logger().should_log(spdlog::level::debug)) logger().debug(one_line(message));
}
void info(std::string_view message) {
  if (logger().should_log(spdlog::level::info)) logger().info(one_line(message));
}
void warning(std::string_view message) {
  if (logger().should_log(spdlog::level::warn)) logger().warn(one_line(message));
}
void error(std::string_view message) {
  if (logger().should_log(spdlog::level::err)) logger().error(one_line(message));
}

}  // namespace hsmbridge::log
