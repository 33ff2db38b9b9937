#include "base/target_file.h"

#include "base/error.h"
#include "base/file_io.h"
#include "base/log.h"
#include "base/path_walk.h"
#include "base/trust.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <grp.h>
#include <pwd.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <utility>
#include <vector>

namespace hsmbridge {
namespace {

constexpr unsigned kPermissions = 0777;
constexpr unsigned kGroupPermissions = 0070;
constexpr unsigned kNewFile = 0644;

// acl(5); the octets are copied as they are.
constexpr const char* kAcl = "system.posix_acl_access";
constexpr const char* kLabel = "security.selinux";

// What fchown(2) leaves as it is.
template <class Number>
constexpr Number kUnchanged = static_cast<Number>(-1);

template <class Number>
std::optional<Number> number_in(const std::string& text) {
  Number number = 0;
  const auto [stop, failure] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (failure != std::errc{} || stop != text.data() + text.size() || number == kUnchanged<Number>) return std::nullopt;
  return number;
}

uid_t user_number(const std::string& name) {
  if (const auto number = number_in<uid_t>(name)) return *number;
  passwd entry{};
  passwd* found = nullptr;
  std::array<char, 16384> buffer{};
  if (::getpwnam_r(name.c_str(), &entry, buffer.data(), buffer.size(), &found) == 0 && found != nullptr) {
    return found->pw_uid;
  }
  throw Error{ErrorKind::not_found, fmt::format("this machine has no user '{}'", name)};
}

gid_t group_number(const std::string& name) {
  if (const auto number = number_in<gid_t>(name)) return *number;
  group entry{};
  group* found = nullptr;
  std::array<char, 16384> buffer{};
  if (::getgrnam_r(name.c_str(), &entry, buffer.data(), buffer.size(), &found) == 0 && found != nullptr) {
    return found->gr_gid;
  }
  throw Error{ErrorKind::not_found, fmt::format("this machine has no group '{}'", name)};
}

// The kernel's own rule (fs.protected_symlinks) is for world-writable sticky folders only, and it lets the owner of a
// folder put links there: for whoever writes as root into the folder of a service that hands the service every file of
// the machine. So up to the last link all that was passed must be root's or ours; the folders behind it may be
// anyone's.
void refuse_foreign_links(const PathWalk& walk) {
  const auto last = std::find_if(walk.steps.rbegin(), walk.steps.rend(),
                                 [](const PathStep& step) { return S_ISLNK(step.status.st_mode); });
  for (auto step = last; step != walk.steps.rend(); ++step) {
    const auto fault =
        distrust(step->status, step->path, {"whoever can change it chooses which file is replaced"}, ::geteuid());
    if (!fault) continue;
    throw Error{ErrorKind::denied,
                fmt::format("the symbolic link {} is not followed: {}", last->path.string(), fault->message())}
        .hint(fmt::format("name the file itself, or: {}", fault->hint()));
  }
}

std::optional<Bytes> attribute_of(int fd, const char* name) {
  const ssize_t size = ::fgetxattr(fd, name, nullptr, 0);
  if (size < 0) return std::nullopt;
  Bytes value(static_cast<std::size_t>(size));
  const ssize_t got = ::fgetxattr(fd, name, value.data(), value.size());
  if (got < 0) return std::nullopt;
  value.resize(static_cast<std::size_t>(got));
  return value;
}

// Removed on the way out unless it took the place of the file.
class Replacement {
 public:
  Replacement(int folder, std::string name)
      : folder_(folder),
        name_(std::move(name)),
        fd_(::openat(folder, name_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600)) {}
  ~Replacement() {
    if (fd_.valid()) ::unlinkat(folder_, name_.c_str(), 0);
  }
  Replacement(const Replacement&) = delete;
  Replacement& operator=(const Replacement&) = delete;
  int fd() const { return fd_.get(); }
  const std::string& name() const { return name_; }

 private:
  int folder_;
  std::string name_;
  Descriptor fd_;
};

// Gives the new file what the old one has. Returns the permissions that may be set without reaching more people.
unsigned keep_access(int fd, int old, const struct stat& before, const FileAccess& access,
                     const std::filesystem::path& path) {
  std::vector<std::string> lost;
  unsigned mode = access.mode.value_or(before.st_mode & kPermissions);
  const bool keep_owner = !access.owner && before.st_uid != ::geteuid();
  if (keep_owner && ::fchown(fd, before.st_uid, kUnchanged<gid_t>) != 0) {
    lost.push_back(fmt::format("owner {}", before.st_uid));
  }
  struct stat now {};
  if (::fstat(fd, &now) != 0) throw system_error("cannot look at", path, errno);
  if (!access.group && now.st_gid != before.st_gid && ::fchown(fd, kUnchanged<uid_t>, before.st_gid) != 0) {
    lost.push_back(fmt::format("group {}", before.st_gid));
    if (!access.mode) mode &= ~kGroupPermissions;
  }
  // A mode that is said replaces an ACL too: chmod would only set its mask.
  const auto acl = access.mode ? std::nullopt : attribute_of(old, kAcl);
  if (!acl) {
    ::fremovexattr(fd, kAcl);  // what the folder gives to new files; there may be none
  } else if (::fsetxattr(fd, kAcl, acl->data(), acl->size(), 0) != 0) {
    lost.push_back("access control list");
    mode &= ~kGroupPermissions;  // they were its mask, which may be wider than the group's own
  }
  if (const auto label = attribute_of(old, kLabel); label && label != attribute_of(fd, kLabel)) {
    if (::fsetxattr(fd, kLabel, label->data(), label->size(), 0) != 0) lost.push_back("SELinux label");
  }
  for (const auto& what : lost) {
    log::warning(fmt::format("{}: its {} could not be kept: this process may not set it", path.string(), what));
  }
  return mode;
}

}  // namespace

TargetFile::TargetFile(const std::filesystem::path& path) {
  const PathWalk walk = walk_to(path);
  path_ = walk.path;
  if (walk.name == "." || walk.name == "..") {
    throw Error{ErrorKind::invalid_input, fmt::format("{} names no file", path.string())};
  }
  if (walk.through_proc) {
    throw Error{ErrorKind::conflict, fmt::format("{} leads through a link of /proc: it is not replaced", path.string())}
        .hint("name the file itself");
  }
  refuse_foreign_links(walk);
  folder_ = Descriptor(::openat(walk.folder.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!folder_.valid()) throw system_error("cannot open the folder", path_.parent_path(), errno);
  file_ = walk.open(O_RDONLY | O_NONBLOCK | O_NOCTTY);
  if (!file_.valid()) {
    if (errno == ENOENT) return;
    if (errno == ENXIO) {  // a socket, or a device without its driver
      throw Error{ErrorKind::conflict, fmt::format("{} is not a regular file: it is not replaced", path_.string())};
    }
    throw system_error("cannot open", path_, errno);
  }
  if (::fstat(file_.get(), &status_) != 0) throw system_error("cannot look at", path_, errno);
  if (!S_ISREG(status_.st_mode)) {
    throw Error{ErrorKind::conflict, fmt::format("{} is not a regular file: it is not replaced", path_.string())}.hint(
        "name another file");
  }
}

Bytes TargetFile::content(std::size_t most) const {
  if (::lseek(file_.get(), 0, SEEK_SET) != 0) throw system_error("cannot read", path_, errno);
  return read_all(file_.get(), path_, most);
}

bool TargetFile::has(const FileAccess& access) const {
  if (access.mode && (status_.st_mode & 07777) != *access.mode) return false;
  if (access.owner && user_number(*access.owner) != status_.st_uid) return false;
  return !access.group || group_number(*access.group) == status_.st_gid;
}

void TargetFile::replace(ByteView content, const FileAccess& access) {
  // Looked up first: a name that nobody has must leave nothing behind.
  const uid_t owner = access.owner ? user_number(*access.owner) : kUnchanged<uid_t>;
  const gid_t group = access.group ? group_number(*access.group) : kUnchanged<gid_t>;
  const std::string name = path_.filename().string();
  const Replacement next(folder_.get(), fmt::format(".{}.{}", name, hex(random_bytes(8))));
  if (next.fd() < 0) throw system_error("cannot create a file in", path_.parent_path(), errno);
  write_all(next.fd(), content, path_);
  if ((access.owner || access.group) && ::fchown(next.fd(), owner, group) != 0) {
    throw system_error("cannot set the owner of", path_, errno);
  }
  const unsigned mode =
      is_there() ? keep_access(next.fd(), file_.get(), status_, access, path_) : access.mode.value_or(kNewFile);
  if (::fchmod(next.fd(), static_cast<mode_t>(mode)) != 0) throw system_error("cannot set the mode of", path_, errno);
  if (::fsync(next.fd()) != 0) throw system_error("cannot sync", path_, errno);
  if (::renameat(folder_.get(), next.name().c_str(), folder_.get(), name.c_str()) != 0) {
    if (errno == EBUSY) {
      // rename(2): in use by the system, for example as a mount point.
      throw Error{
          ErrorKind::conflict,
          fmt::format("{} is a mount point (a single file that is bind-mounted, as containers do): it cannot be "
                      "replaced in one step",
                      path_.string())}
          .hint("mount its folder instead of the file, or install into another file");
    }
    throw system_error("cannot replace", path_, errno);
  }
  ::fsync(folder_.get());
}

}  // namespace hsmbridge
