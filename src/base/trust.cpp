#include "base/trust.h"

#include "base/file_io.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <pwd.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <set>
#include <system_error>

namespace hsmbridge {
namespace {

// Where the open file really is; empty for what has no name (a pipe, a deleted file).
std::filesystem::path place_of(int fd) {
  std::error_code failed;
  const auto place = std::filesystem::read_symlink(fmt::format("/proc/self/fd/{}", fd), failed);
  return !failed && place.is_absolute() ? place : std::filesystem::path();
}

// The folders above both the name that was given and the file that it led to: a link may be replaced as well.
std::set<std::filesystem::path> folders_above(const std::filesystem::path& path, int fd) {
  std::set<std::filesystem::path> folders;
  std::error_code ignored;
  for (const std::filesystem::path& start :
       {std::filesystem::absolute(path, ignored).lexically_normal(), place_of(fd)}) {
    for (std::filesystem::path above = start.parent_path(); !above.empty(); above = above.parent_path()) {
      folders.insert(above);
      if (above == above.root_path()) break;
    }
  }
  return folders;
}

std::string access_of(const struct stat& status) {
  return fmt::format("owner {}, mode {:04o}", user_name(status.st_uid), status.st_mode & 07777U);
}

void examine(int fd, const std::filesystem::path& path, const TrustRule& rule) {
  struct stat status {};
  if (::fstat(fd, &status) != 0) throw system_error("cannot look at", path, errno);
  // A pipe or a device was handed over by whoever started this process, who decides anyway.
  if (!S_ISREG(status.st_mode) && !S_ISDIR(status.st_mode)) return;
  const uid_t us = ::geteuid();
  if (auto fault = distrust(status, path, rule, us)) throw *fault;
  for (const std::filesystem::path& folder : folders_above(path, fd)) {
    struct stat above {};
    if (::stat(folder.c_str(), &above) != 0) continue;  // of another mount namespace
    if (rule.owner == Owner::anyone && above.st_uid == status.st_uid) above.st_uid = us;
    if (auto fault = distrust(above, folder, {rule.because, Owner::root_or_us}, us)) {
      throw Error{ErrorKind::denied, fmt::format("{} is not safe in its folder: {}", path.string(), fault->message())}
          .hint(fault->hint());
    }
  }
}

}  // namespace

std::string user_name(uid_t user) {
  passwd entry{};
  passwd* found = nullptr;
  std::array<char, 16384> buffer{};
  if (::getpwuid_r(user, &entry, buffer.data(), buffer.size(), &found) == 0 && found != nullptr) return found->pw_name;
  return std::to_string(user);
}

std::optional<Error> distrust(const struct stat& status, const std::filesystem::path& path, const TrustRule& rule,
                              uid_t us) {
  if (rule.owner == Owner::root_or_us && status.st_uid != 0 && status.st_uid != us) {
    return Error{ErrorKind::denied,
                 fmt::format("{} belongs to {}, neither to root nor to {} who runs this ({}); {}", path.string(),
                             user_name(status.st_uid), user_name(us), access_of(status), rule.because)}
        .hint(fmt::format("chown {} {}, or run this as {}", user_name(us), path.string(), user_name(status.st_uid)));
  }
  const bool sticky = S_ISDIR(status.st_mode) && (status.st_mode & S_ISVTX) != 0;
  const bool group = (status.st_mode & S_IWGRP) != 0;
  const bool others = (status.st_mode & S_IWOTH) != 0;
  if (sticky || (!group && !others)) return std::nullopt;
  return Error{ErrorKind::denied, fmt::format("{} may be changed by {} ({}); {}", path.string(),
                                              others ? "everybody" : "its group", access_of(status), rule.because)}
      .hint(fmt::format("chmod {} {}", rule.mode, path.string()));
}

Descriptor open_trusted(const std::filesystem::path& path, const TrustRule& rule) {
  Descriptor fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.valid()) throw system_error("cannot open", path, errno);
  examine(fd.get(), path, rule);
  return fd;
}

void expect_trusted(const std::filesystem::path& path, const TrustRule& rule) {
  const Descriptor fd(::open(path.c_str(), O_PATH | O_CLOEXEC));
  if (!fd.valid()) throw system_error("cannot look at", path, errno);
  examine(fd.get(), path, rule);
}

}  // namespace hsmbridge
