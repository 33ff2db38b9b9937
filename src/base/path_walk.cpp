#include "base/path_walk.h"

#include "base/error.h"
#include "base/file_io.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <string_view>
#include <system_error>
#include <utility>

namespace hsmbridge {
namespace {

constexpr int kMostLinks = 40;  // as the kernel: path_resolution(7)

bool is_proc(int folder) {
  struct statfs system {};
  return ::fstatfs(folder, &system) == 0 && system.f_type == PROC_SUPER_MAGIC;
}

class Walker {
 public:
  explicit Walker(const std::filesystem::path& asked) : asked_(asked) {
    std::error_code failure;
    const auto path = std::filesystem::absolute(asked, failure);
    if (failure) throw system_error("cannot find the current folder for", asked, failure.value());
    follow(path.string());
  }

  PathWalk run() {
    while (!ahead_.empty()) {
      walk_.name = std::move(ahead_.back());
      ahead_.pop_back();
      take_step();
    }
    return std::move(walk_);
  }

 private:
  // Puts the names of a path in front of those that are still ahead.
  void follow(std::string_view text) {
    if (text.starts_with('/')) enter("/", Descriptor(::open("/", O_PATH | O_DIRECTORY | O_CLOEXEC)));
    if (text.ends_with('/')) ahead_.emplace_back(".");  // a slash at the end asks for a folder
    while (!text.empty()) {
      const std::size_t slash = text.rfind('/');
      const std::string_view name = slash == std::string_view::npos ? text : text.substr(slash + 1);
      if (!name.empty()) ahead_.emplace_back(name);
      text = text.substr(0, slash == std::string_view::npos ? 0 : slash);
    }
    if (ahead_.empty()) ahead_.emplace_back(".");  // "/" alone
  }

  void enter(std::filesystem::path path, Descriptor folder) {
    if (!folder.valid()) throw system_error("cannot open the folder", path, errno);
    walk_.steps.push_back({path, status_of(folder.get())});
    walk_.folder = std::move(folder);
    folder_ = std::move(path);
  }

  struct stat status_of(int fd) const {
    struct stat status {};
    if (::fstat(fd, &status) != 0) throw system_error("cannot look at", asked_, errno);
    return status;
  }

  std::filesystem::path place() const {
    if (walk_.name == ".") return folder_;
    return walk_.name == ".." ? folder_.parent_path() : folder_ / walk_.name;
  }

  // With O_DIRECTORY first: without it what an automounter has not mounted yet stays unmounted (open(2), O_PATH).
  Descriptor look() const {
    constexpr int kHow = O_PATH | O_NOFOLLOW | O_CLOEXEC;
    Descriptor found(::openat(walk_.folder.get(), walk_.name.c_str(), kHow | O_DIRECTORY));
    if (found.valid() || errno != ENOTDIR) return found;
    return Descriptor(::openat(walk_.folder.get(), walk_.name.c_str(), kHow));
  }

  void take_step() {
    Descriptor found = look();
    walk_.path = place();
    if (!found.valid()) {
      if (errno == ENOENT && ahead_.empty()) return;
      throw system_error("cannot open", walk_.path, errno);
    }
    struct stat status = status_of(found.get());
    if (S_ISLNK(status.st_mode)) {
      if (++links_ > kMostLinks) throw system_error("cannot follow", asked_, ELOOP);
      walk_.steps.push_back({walk_.path, status});
      if (!is_proc(walk_.folder.get())) return follow(text_of(found.get()));
      walk_.through_proc = true;
      walk_.name_is_link_of_proc = ahead_.empty();
      found = Descriptor(::openat(walk_.folder.get(), walk_.name.c_str(), O_PATH | O_CLOEXEC));
      if (!found.valid()) throw system_error("cannot open", walk_.path, errno);
      status = status_of(found.get());
    }
    if (ahead_.empty()) {
      walk_.file = std::move(found);
      return;
    }
    if (!S_ISDIR(status.st_mode)) throw system_error("cannot open", walk_.path, ENOTDIR);
    enter(walk_.path, std::move(found));
  }

  std::string text_of(int link) const {
    std::string text(PATH_MAX, '\0');
    const ssize_t size = ::readlinkat(link, "", text.data(), text.size());
    if (size <= 0) throw system_error("cannot read the link", walk_.path, size == 0 ? ENOENT : errno);
    text.resize(static_cast<std::size_t>(size));
    return text;
  }

  const std::filesystem::path& asked_;
  std::filesystem::path folder_;
  std::vector<std::string> ahead_;  // the next one last
  int links_ = 0;
  PathWalk walk_;
};

}  // namespace

Descriptor PathWalk::open(int flags) const {
  const int links = name_is_link_of_proc ? 0 : O_NOFOLLOW;
  return Descriptor(::openat(folder.get(), name.c_str(), flags | links | O_CLOEXEC));
}

PathWalk walk_to(const std::filesystem::path& path) {
  return Walker(path).run();
}

}  // namespace hsmbridge
