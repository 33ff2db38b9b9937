#include "base/trust.h"

#include "base/file_io.h"
#include "base/path_walk.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <pwd.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <system_error>
#include <utility>
#include <vector>

namespace hsmbridge {
namespace {

// Where the open file really is; empty for what has no name (a pipe, a deleted file).
std::filesystem::path place_of(int fd) {
  std::error_code failed;
  const auto place = std::filesystem::read_symlink(fmt::format("/proc/self/fd/{}", fd), failed);
  return !failed && place.is_absolute() ? place : std::filesystem::path();
}

// The folders above a file to which /proc led: no walk passed them.
std::vector<PathStep> folders_above(int fd) {
  std::vector<PathStep> folders;
  for (std::filesystem::path above = place_of(fd).parent_path(); !above.empty(); above = above.parent_path()) {
    PathStep step{above, {}};
    if (::stat(above.c_str(), &step.status) == 0)
      folders.push_back(std::move(step));  // else of another mount namespace
    if (above == above.root_path()) break;
  }
  return folders;
}

std::string access_of(const struct stat& status) {
  return fmt::format("owner {}, mode {:04o}", user_name(status.st_uid), status.st_mode & 07777U);
}

void examine(const PathWalk& walk, int fd, const std::filesystem::path& path, const TrustRule& rule) {
  struct stat status {};
  if (::fstat(fd, &status) != 0) throw system_error("cannot look at", path, errno);
  const bool is_file = S_ISREG(status.st_mode) || S_ISDIR(status.st_mode);
  // What has no name (/dev/fd/3) was handed over by whoever started this process, who decides anyway. The way to it is
  // judged all the same: a stranger's link may lead through /proc to a pipe of his.
  const bool handed_over = walk.name_is_link_of_proc && !is_file;
  const uid_t us = ::geteuid();
  if (!handed_over && (is_file || S_ISFIFO(status.st_mode) || S_ISSOCK(status.st_mode))) {
    if (auto fault = distrust(status, path, rule, us)) throw *fault;
    if (S_ISFIFO(status.st_mode) && rule.named_pipe == NamedPipe::refused) {
      throw Error{ErrorKind::invalid_input, fmt::format("{} is a named pipe, not a file", path.string())}.hint(
          "write what it gives to a file, and name that");
    }
  }
  std::vector<PathStep> steps = walk.steps;
  if (walk.through_proc && !handed_over) {
    for (PathStep& above : folders_above(fd)) steps.push_back(std::move(above));
  }
  // The nearest first: it is the one to be mended.
  for (auto step = steps.rbegin(); step != steps.rend(); ++step) {
    if (rule.owner == Owner::anyone && step->status.st_uid == status.st_uid) step->status.st_uid = us;
    if (auto fault = distrust(step->status, step->path, {rule.because, Owner::root_or_us}, us)) {
      throw Error{ErrorKind::denied,
                  fmt::format("{} is not safe {}: {}", path.string(),
                              S_ISLNK(step->status.st_mode) ? "behind its link" : "in its folder", fault->message())}
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
  const bool link = S_ISLNK(status.st_mode);
  if (rule.owner == Owner::root_or_us && status.st_uid != 0 && status.st_uid != us) {
    const std::string whose =
        us == 0 ? "not to root who runs this" : fmt::format("neither to root nor to {} who runs this", user_name(us));
    return Error{ErrorKind::denied, fmt::format("{} belongs to {}, {} ({}); {}", path.string(),
                                                user_name(status.st_uid), whose, access_of(status), rule.because)}
        .hint(link ? "name the file itself, not this link"
                   : fmt::format("chown {} {}, or run this as {}", user_name(us), path.string(),
                                 user_name(status.st_uid)));
  }
  // The mode of a link means nothing (symlink(7)), and that of a socket says who may talk to its owner (unix(7)).
  if (link || S_ISSOCK(status.st_mode)) return std::nullopt;
  const bool sticky = S_ISDIR(status.st_mode) && (status.st_mode & S_ISVTX) != 0;
  const bool group = (status.st_mode & S_IWGRP) != 0;
  const bool others = (status.st_mode & S_IWOTH) != 0;
  if (sticky || (!group && !others)) return std::nullopt;
  return Error{ErrorKind::denied, fmt::format("{} may be changed by {} ({}); {}", path.string(),
                                              others ? "everybody" : "its group", access_of(status), rule.because)}
      .hint(fmt::format("chmod {} {}", rule.mode, path.string()));
}

Descriptor open_trusted(const std::filesystem::path& path, const TrustRule& rule) {
  const PathWalk walk = walk_to(path);
  if (!walk.file.valid()) throw system_error("cannot open", path, ENOENT);
  examine(walk, walk.file.get(), path, rule);  // before it is opened: a stranger's pipe would be waited for
  Descriptor fd = walk.open(O_RDONLY);
  if (!fd.valid()) throw system_error("cannot open", path, errno);
  examine(walk, fd.get(), path, rule);
  return fd;
}

Bytes read_trusted(const std::filesystem::path& path, const TrustRule& rule, std::size_t most) {
  return read_all(open_trusted(path, rule).get(), path, most);
}

void expect_trusted(const std::filesystem::path& path, const TrustRule& rule) {
  const PathWalk walk = walk_to(path);
  if (!walk.file.valid()) throw system_error("cannot look at", path, ENOENT);
  examine(walk, walk.file.get(), path, rule);
}

}  // namespace hsmbridge
