#include "workflow/ports/wakeup.h"

#include "base/error.h"

#include <fmt/core.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstring>

namespace hsmbridge::workflow {

Wakeup::Wakeup() : fd_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  if (fd_ < 0) throw Error{ErrorKind::unavailable, fmt::format("cannot make an eventfd: {}", std::strerror(errno))};
}

Wakeup::~Wakeup() {
  ::close(fd_);
}

void Wakeup::notify() noexcept {
  const int saved = errno;  // a signal handler must leave it alone
  const std::uint64_t one = 1;
  // Fails only when the counter is full, and then the sleeper wakes anyway.
  [[maybe_unused]] const ssize_t written = ::write(fd_, &one, sizeof one);
  errno = saved;
}

bool Wakeup::wait(Duration longest) noexcept {
  pollfd ready{fd_, POLLIN, 0};
  constexpr Duration::rep kDay = 86'400'000;
  ::poll(&ready, 1, static_cast<int>(std::clamp(longest.count(), Duration::rep{0}, kDay)));
  std::uint64_t count = 0;
  return ::read(fd_, &count, sizeof count) > 0;
}

}  // namespace hsmbridge::workflow
