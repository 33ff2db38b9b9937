#include "store/turn.h"

#include "base/error.h"
#include "base/file_io.h"
#include "base/log.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>

#include <cerrno>
#include <fstream>
#include <sstream>

namespace hsmbridge::store {

Turn::Turn(const std::filesystem::path& store)
    : folder_(store.has_parent_path() ? store.parent_path() : std::filesystem::path(".")),
      fd_(::open(folder_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)) {
  if (!fd_.valid()) throw system_error("cannot lock the folder", folder_, errno);
}

bool Turn::take(int how) const {
  if (::flock(fd_.get(), how | LOCK_NB) == 0) return true;
  if (errno != EWOULDBLOCK && errno != EINTR) throw system_error("cannot lock the folder", folder_, errno);
  return false;
}

bool Turn::wait_for(int how, Duration longest) const {
  const SystemClock clock;
  const Duration begin = clock.since_boot();
  bool told = false;
  while (!take(how)) {
    const Duration waited = clock.since_boot() - begin;
    if (waited >= longest) return false;
    if (!told && waited >= std::chrono::seconds{1}) {
      told = true;
      log::warning(fmt::format("{}, as hsmbridge does while it migrates or makes a store there; waiting for up to {}",
                               holder(), spoken(longest)));
    }
    const timespec pause{0, 5'000'000};
    ::nanosleep(&pause, nullptr);
  }
  return true;
}

// proc(5), /proc/locks: "1: FLOCK  ADVISORY  WRITE PID MAJOR:MINOR:INODE 0 EOF", the device in hexadecimal; "->" after
// the number is a process that waits. A process of another PID namespace is not listed.
std::string Turn::holder() const {
  struct stat status {};
  std::string who = "another process";
  if (::fstat(fd_.get(), &status) == 0) {
    const std::string wanted =
        fmt::format("{:02x}:{:02x}:{}", major(status.st_dev), minor(status.st_dev), status.st_ino);
    std::ifstream locks("/proc/locks");
    for (std::string line; std::getline(locks, line);) {
      std::istringstream words(line);
      std::string number, type, advisory, access, process, place;
      words >> number >> type >> advisory >> access >> process >> place;
      if (type == "FLOCK" && place == wanted) who = fmt::format("process {}", process);
    }
  }
  return fmt::format("{} has locked the folder {}", who, folder_.string());
}

bool wait_for_others(const std::filesystem::path& store, int how) {
  try {
    const Turn turn(store);
    return !turn.take(how) && turn.wait_for(how);
  } catch (const Error&) {
    return false;  // a reader who may not list the folder; what was in his way before is said
  }
}

}  // namespace hsmbridge::store
