#include "pkcs11/token_lock.h"

#include "base/bytes.h"
#include "base/error.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <string_view>
#include <thread>

namespace hsmbridge::pkcs11 {
namespace {

constexpr Duration kLockPoll{50};
constexpr const char* kFolderVariable = "HSMBRIDGE_LOCK_FOLDER";

// In the name of its file, and as a message says it.
struct WorkWords {
  std::string_view file;
  std::string_view doing;
};

WorkWords words_of(LockedWork work) {
  return work == LockedWork::login ? WorkWords{"login", "logging in to"} : WorkWords{"keys", "making keys on"};
}

std::filesystem::path lock_folder() {
  const char* const named = std::getenv(kFolderVariable);
  if (named == nullptr || *named == '\0') return "/run/lock";
  if (*named != '/') {
    throw Error{ErrorKind::invalid_input, fmt::format("{} is \"{}\", no absolute path", kFolderVariable, named)}.hint(
        "name one folder that every process with this token can write");
  }
  return named;
}

// Opened without O_CREAT first: in a sticky folder the kernel refuses O_CREAT on another user's file
// (fs.protected_regular), and a service may see the folder read-only (ProtectSystem=strict). flock(2) needs no write
// permission.
int open_lock_file(const std::filesystem::path& path) {
  for (int attempt = 0; attempt < 10; ++attempt) {
    const int existing = ::open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (existing >= 0) return existing;
    if (errno != ENOENT) break;
    const int created = ::open(path.c_str(), O_RDONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
    if (created >= 0) {
      ::fchmod(created, 0644);
      return created;
    }
    if (errno != EEXIST) break;
  }
  throw Error{ErrorKind::unavailable,
              fmt::format("cannot open the lock file {} that keeps processes from using one token at once: {}",
                          path.string(), std::strerror(errno))}
      .hint(fmt::format("let this process write {} (systemd: ReadWritePaths={}), or set {} to one folder that every "
                        "process with this token can write",
                        path.parent_path().string(), path.parent_path().string(), kFolderVariable));
}

}  // namespace

TokenLock::TokenLock(LockedWork work, const std::string& token_serial, Duration wait) {
  const WorkWords words = words_of(work);
  const std::filesystem::path path = lock_folder() / fmt::format("hsmbridge-{}-{}.lock", words.file,
                                                                 hex(sha256(as_bytes(token_serial))).substr(0, 32));
  file_ = open_lock_file(path);
  const auto until = std::chrono::steady_clock::now() + wait;
  while (::flock(file_, LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK && errno != EINTR) {
      const int code = errno;
      ::close(file_);
      throw Error{ErrorKind::unavailable, fmt::format("cannot lock {}: {}", path.string(), std::strerror(code))};
    }
    if (std::chrono::steady_clock::now() >= until) {
      ::close(file_);
      throw Error{ErrorKind::unavailable,
                  fmt::format("another process has been {} token {} for {}", words.doing, token_serial, spoken(wait))}
          .hint(fmt::format("see which one holds {}", path.string()));
    }
    std::this_thread::sleep_for(kLockPoll);
  }
}

TokenLock::~TokenLock() {
  ::close(file_);
}

}  // namespace hsmbridge::pkcs11
