#include "tools/hsmbridge/wiring/service_manager.h"

#include <fmt/core.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <utility>

namespace hsmbridge::cli {

namespace {

std::string taken(const char* name) {
  const char* const value = std::getenv(name);
  std::string text = value == nullptr ? "" : value;
  ::unsetenv(name);
  return text;
}

std::optional<std::uint64_t> number(const std::string& text) {
  std::uint64_t value = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || failure != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// A datagram socket that speaks to that address alone; -1 where there is none.
int connected_to(const std::string& address) {
  sockaddr_un to{};
  to.sun_family = AF_UNIX;
  if (address.size() < 2 || (address[0] != '/' && address[0] != '@') || address.size() >= sizeof to.sun_path) return -1;
  std::copy(address.begin(), address.end(), to.sun_path);
  if (address[0] == '@') to.sun_path[0] = '\0';
  const int descriptor = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  // A manager that takes nothing for a moment shall still hear READY=1, and one that hangs shall not hold us up.
  const timeval longest{1, 0};
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + address.size());
  if (descriptor >= 0 && ::setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &longest, sizeof longest) == 0 &&
      ::connect(descriptor, reinterpret_cast<const sockaddr*>(&to), size) == 0) {
    return descriptor;
  }
  if (descriptor >= 0) ::close(descriptor);
  return -1;
}

}  // namespace

ServiceManager::ServiceManager() : socket_(connected_to(taken("NOTIFY_SOCKET"))) {
  const auto silence = number(taken("WATCHDOG_USEC"));
  const std::string process = taken("WATCHDOG_PID");
  const bool ours = process.empty() || number(process) == static_cast<std::uint64_t>(::getpid());
  if (silence && *silence > 0 && ours) silence_ = std::chrono::microseconds(*silence);
}

ServiceManager::~ServiceManager() {
  if (socket_ >= 0) ::close(socket_);
}

void ServiceManager::send(const std::string& lines) const {
  while (socket_ >= 0 && ::send(socket_, lines.data(), lines.size(), MSG_NOSIGNAL) < 0 && errno == EINTR) {
  }
}

void ServiceManager::ready() {
  if (told_ == Told::stopping || std::exchange(told_, Told::ready) == Told::ready) return;
  send("READY=1\n");
}

void ServiceManager::reloading() {
  if (told_ != Told::ready) return;
  told_ = Told::reloading;
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  send(fmt::format("RELOADING=1\nMONOTONIC_USEC={}\nSTATUS=reading the configuration again\n",
                   now.tv_sec * 1'000'000 + now.tv_nsec / 1'000));
}

void ServiceManager::stopping() {
  if (std::exchange(told_, Told::stopping) == Told::stopping) return;
  send("STOPPING=1\nSTATUS=finishing what is in hand\n");
}

void ServiceManager::status(std::string_view line) {
  std::string one(line);
  std::replace(one.begin(), one.end(), '\n', ' ');
  send("STATUS=" + one + "\n");
}

void ServiceManager::alive() {
  const auto now = std::chrono::steady_clock::now();
  if (!silence_ || now < next_) return;
  next_ = now + *silence_ / 4;
  send("WATCHDOG=1\n");
}

}  // namespace hsmbridge::cli
