#include "pkcs11/login/token_lock.h"

#include "base/bytes.h"
#include "base/error.h"
#include "base/trust.h"

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
constexpr int kMostRounds = 10;
constexpr const char* kOwnFolder = "/run/lock/hsmbridge";
constexpr const char* kFolderVariable = "HSMBRIDGE_LOCK_FOLDER";

// In the name of its file, and as a message says it.
struct WorkWords {
  std::string_view file;
  std::string_view doing;
};

WorkWords words_of(LockedWork work) {
  return work == LockedWork::login ? WorkWords{"login", "logging in to"} : WorkWords{"keys", "making keys on"};
}

// Only root's: in a /run/lock that all users can write, somebody else's folder of this name is a trap.
bool is_folder_of_root(const std::filesystem::path& path) {
  struct stat status {};
  return ::lstat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode) && status.st_uid == 0;
}

// Without the sticky bit each of its users can take the locks and the PIN records of the others away.
std::filesystem::path safe(std::filesystem::path folder) {
  const TrustRule rule{"its users could remove each other's lock files and records of refused PINs", Owner::anyone,
                       "+t"};
  struct stat status {};
  if (::stat(folder.c_str(), &status) != 0) return folder;  // whoever opens a file there says why it cannot
  if (const auto fault = distrust(status, folder, rule, ::geteuid())) {
    throw Error{ErrorKind::unavailable,
                fmt::format("no lock is taken in a folder without the sticky bit: {}", fault->message())}
        .hint(fault->hint());
  }
  return folder;
}

std::filesystem::path lock_path(LockedWork work, const std::string& token_serial) {
  return token_lock_folder() /
         fmt::format("hsmbridge-{}-{}.lock", words_of(work).file, hex(sha256(as_bytes(token_serial))).substr(0, 32));
}

// What to do so that every process with this token locks in the same place.
std::string folder_advice(const std::filesystem::path& folder, int code) {
  const std::string variable = fmt::format(
      "set {}, for every process that uses the token, to one folder that all of them can write, with the sticky bit "
      "(chmod 1777)",
      kFolderVariable);
  if (code == EROFS) {
    return fmt::format("let this process write {} (systemd: ReadWritePaths={}), or {}", folder.string(),
                       folder.string(), variable);
  }
  return fmt::format(
      "let root write \"d {} 1777 root root\" to /etc/tmpfiles.d/hsmbridge.conf and run "
      "systemd-tmpfiles --create, or {}",
      kOwnFolder, variable);
}

std::string what_it_is(const struct stat& status) {
  const std::string_view kind = S_ISREG(status.st_mode)    ? "a file"
                                : S_ISLNK(status.st_mode)  ? "a symbolic link"
                                : S_ISFIFO(status.st_mode) ? "a named pipe"
                                : S_ISDIR(status.st_mode)  ? "a folder"
                                                           : "no file";
  return fmt::format("{} of uid {}", kind, status.st_uid);
}

Error trouble(std::string what, const std::filesystem::path& path, int code) {
  struct stat planted {};
  if (::lstat(path.c_str(), &planted) != 0 || (S_ISREG(planted.st_mode) && planted.st_uid == ::geteuid())) {
    return Error{ErrorKind::unavailable, std::move(what)}.hint(folder_advice(path.parent_path(), code));
  }
  return Error{ErrorKind::unavailable, fmt::format("{}; {} is there", what, what_it_is(planted))}
      .with("owner_uid", std::to_string(planted.st_uid))
      .hint(fmt::format("let root, or uid {}, see why it is there and remove {}; or {}", planted.st_uid, path.string(),
                        folder_advice(path.parent_path(), code)));
}

Error cannot_open(const std::filesystem::path& path, int code) {
  return trouble(fmt::format("cannot open the lock file {} that keeps processes from using one token at once: {}",
                             path.string(), std::strerror(code)),
                 path, code);
}

// Opened without O_CREAT first: in a sticky folder the kernel refuses O_CREAT on another user's file
// (fs.protected_regular), and a service may see the folder read-only (ProtectSystem=strict). flock(2) needs no write
// permission. O_NONBLOCK: the open of a named pipe would wait for a writer for ever.
int open_lock_file(const std::filesystem::path& path) {
  constexpr int kHow = O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC;
  for (int round = 0; round < kMostRounds; ++round) {
    int file = ::open(path.c_str(), kHow);
    if (file < 0 && errno == ENOENT) {
      file = ::open(path.c_str(), kHow | O_CREAT | O_EXCL, 0644);
      if (file < 0 && errno == EEXIST) continue;
      if (file >= 0) ::fchmod(file, 0644);
    }
    if (file < 0) throw cannot_open(path, errno);
    struct stat status {};
    if (::fstat(file, &status) == 0 && S_ISREG(status.st_mode)) return file;
    ::close(file);
    throw cannot_open(path, EINVAL);
  }
  throw cannot_open(path, EEXIST);
}

// Whether the open file is still the one that the next process opens.
bool is_at(int file, const std::filesystem::path& path) {
  struct stat held {};
  struct stat there {};
  return ::fstat(file, &held) == 0 && ::lstat(path.c_str(), &there) == 0 && held.st_dev == there.st_dev &&
         held.st_ino == there.st_ino;
}

}  // namespace

std::filesystem::path token_lock_folder() {
  const char* const named = std::getenv(kFolderVariable);
  if (named == nullptr || *named == '\0') {
    return safe(is_folder_of_root(kOwnFolder) ? kOwnFolder : "/run/lock");
  }
  if (*named != '/') {
    throw Error{ErrorKind::invalid_input, fmt::format("{} is \"{}\", no absolute path", kFolderVariable, named)}.hint(
        "name one folder that every process with this token can write, with the sticky bit (chmod 1777)");
  }
  return safe(named);
}

Error token_lock_trouble(std::string what, const std::filesystem::path& file) {
  const int code = ::access(file.parent_path().c_str(), W_OK) == 0 ? 0 : errno;
  return trouble(std::move(what), file, code);
}

TokenLock::TokenLock(LockedWork work, const std::string& token_serial, Duration wait) {
  const std::filesystem::path path = lock_path(work, token_serial);
  const auto until = std::chrono::steady_clock::now() + wait;
  for (int round = 0; round < kMostRounds; ++round) {
    file_ = open_lock_file(path);
    while (::flock(file_, LOCK_EX | LOCK_NB) != 0) {
      const int code = errno;
      if (code != EWOULDBLOCK && code != EINTR) {
        ::close(file_);
        throw Error{ErrorKind::unavailable, fmt::format("cannot lock {}: {}", path.string(), std::strerror(code))};
      }
      if (std::chrono::steady_clock::now() >= until) {
        ::close(file_);
        throw Error{ErrorKind::unavailable, fmt::format("another process has been {} token {} for {}",
                                                        words_of(work).doing, token_serial, spoken(wait))}
            .hint(fmt::format("see which one holds {}", path.string()));
      }
      std::this_thread::sleep_for(kLockPoll);
    }
    if (is_at(file_, path)) return;
    ::close(file_);
  }
  throw Error{ErrorKind::unavailable,
              fmt::format("the lock file {} was replaced each time that it was locked", path.string())}
      .hint("see which program removes it");
}

TokenLock::~TokenLock() {
  ::close(file_);
}

std::filesystem::path open_token_lock(LockedWork work, const std::string& token_serial) {
  std::filesystem::path path = lock_path(work, token_serial);
  ::close(open_lock_file(path));
  return path;
}

}  // namespace hsmbridge::pkcs11
