#include "base/log.h"

#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

#include <memory>

namespace hsmbridge::log {
namespace {

spdlog::logger& logger() {
  static const std::shared_ptr<spdlog::logger> instance = [] {
    auto made = std::make_shared<spdlog::logger>("hsmbridge", std::make_shared<spdlog::sinks::stderr_color_sink_mt>());
    made->set_pattern("%Y-%m-%dT%H:%M:%S.%eZ %^%l%$ %v", spdlog::pattern_time_type::utc);
    made->set_level(spdlog::level::warn);
    made->flush_on(spdlog::level::info);
    return made;
  }();
  return *instance;
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
  logger().debug(message);
}
void info(std::string_view message) {
  logger().info(message);
}
void warning(std::string_view message) {
  logger().warn(message);
}
void error(std::string_view message) {
  logger().error(message);
}

}  // namespace hsmbridge::log
