#include "tools/hsmbridge/wiring/process.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>

namespace hsmbridge::cli {

void settle_process() noexcept {
  for (int file = STDIN_FILENO; file <= STDERR_FILENO; ++file) {
    if (::fcntl(file, F_GETFD) >= 0 || errno != EBADF) continue;
    // The lowest number that is free is this one.
    if (::open("/dev/null", O_RDWR) != file) std::_Exit(1);
  }
  struct sigaction usual {};
  usual.sa_handler = SIG_DFL;
  ::sigaction(SIGCHLD, &usual, nullptr);
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
  // The soft limit alone: a hook may want a core file of its own and can raise it again.
  rlimit cores{};
  if (::getrlimit(RLIMIT_CORE, &cores) == 0) {
    cores.rlim_cur = 0;
    ::setrlimit(RLIMIT_CORE, &cores);
  }
}

service::Actor actor_of_process() {
  const auto uid = ::getuid();
  passwd entry{};
  passwd* found = nullptr;
  std::array<char, 4096> buffer{};
  const bool named = ::getpwuid_r(uid, &entry, buffer.data(), buffer.size(), &found) == 0 && found != nullptr;
  return {named ? fmt::format("uid:{}", found->pw_name) : fmt::format("uid:{}", uid), "operating system", {}};
}

}  // namespace hsmbridge::cli
