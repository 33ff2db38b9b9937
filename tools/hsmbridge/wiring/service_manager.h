#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace hsmbridge::cli {

// The service manager that started this process: sd_notify(3) and sd_watchdog_enabled(3) of systemd, which document the
// protocol as stable: datagrams of lines NAME=VALUE to the socket that $NOTIFY_SOCKET names (a path, or "@" and an
// abstract name), and $WATCHDOG_USEC, the longest silence. Without them every function does nothing. What cannot be sent
// is not: the work is not to fail for that. Thread rule: one thread at a time.
//
// Not libsystemd: it would be loaded at every start of the program, for these lines.
class ServiceManager {
 public:
  // Takes the variables from the environment of this process: hooks do not speak for it.
  ServiceManager();
  ~ServiceManager();
  ServiceManager(const ServiceManager&) = delete;
  ServiceManager& operator=(const ServiceManager&) = delete;

  // READY=1: the start, or the reload, is over. Once for each.
  void ready();
  // RELOADING=1, with the time by CLOCK_MONOTONIC. Once until ready().
  void reloading();
  // STOPPING=1. Once.
  void stopping();
  // STATUS=: one line, for people.
  void status(std::string_view line);
  // WATCHDOG=1, where it is wanted and a quarter of the longest silence has passed since the last.
  void alive();

 private:
  enum class Told { nothing, ready, reloading, stopping };
  void send(const std::string& lines) const;

  int socket_ = -1;
  Told told_ = Told::nothing;
  std::optional<std::chrono::microseconds> silence_;  // the longest
  std::chrono::steady_clock::time_point next_{};
};

}  // namespace hsmbridge::cli
