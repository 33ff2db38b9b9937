#include "store/backup.h"

#include "base/bytes.h"
#include "base/descriptor.h"
#include "base/error.h"
#include "store/database.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <string>
#include <string_view>

namespace hsmbridge::store {
namespace {

Error failed(std::string_view what, const std::filesystem::path& path, int code) {
  const bool denied = code == EACCES || code == EPERM || code == EROFS;
  return Error{denied           ? ErrorKind::denied
               : code == EEXIST ? ErrorKind::conflict
                                : ErrorKind::unavailable,
               fmt::format("no copy of the store was made: {} {}: {}", what, path.string(), std::strerror(code))};
}

// A file of its own until the copy is whole; gone at the end. Nobody else can have its name in mind.
struct Part {
  std::filesystem::path path;
  Descriptor fd;
  explicit Part(const std::filesystem::path& copy)
      : path(fmt::format("{}.{}.part", copy.string(), hex(random_bytes(8)))),
        // SQLite would make it with the mode of the umask.
        fd(::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600)) {
    if (!fd.valid()) throw failed("cannot write", path, errno);
  }
  ~Part() { ::unlink(path.c_str()); }
  Part(const Part&) = delete;
  Part& operator=(const Part&) = delete;

  // SQLite takes a name, and the copy is what is behind the descriptor: they must be one file, with something in it.
  bool is_what_was_written() const {
    struct stat named {};
    struct stat held {};
    return ::fstat(fd.get(), &held) == 0 && ::lstat(path.c_str(), &named) == 0 && held.st_dev == named.st_dev &&
           held.st_ino == named.st_ino && held.st_size > 0;
  }
};

}  // namespace

void copy_store(const std::filesystem::path& file, const std::filesystem::path& copy) {
  Database from(file, std::chrono::seconds{10}, Access::read_only);
  copy_store(from, copy);
}

void copy_store(Database& from, const std::filesystem::path& copy) {
  if (::faccessat(AT_FDCWD, copy.c_str(), F_OK, AT_SYMLINK_NOFOLLOW) == 0) {
    throw failed("cannot write", copy, EEXIST).hint("name another file; this one was not touched");
  }
  const Part part(copy);
  from.copy_into(part.path);
  if (!part.is_what_was_written()) {
    throw Error{ErrorKind::conflict,
                fmt::format("no copy of the store was made: another program changed {} meanwhile", part.path.string())}
        .hint("write the copy into a folder that nobody else writes to");
  }
  if (::fsync(part.fd.get()) != 0) throw failed("cannot sync", part.path, errno);
  // The file that was written, whatever its name stands for by now.
  const std::string itself = fmt::format("/proc/self/fd/{}", part.fd.get());
  if (::linkat(AT_FDCWD, itself.c_str(), AT_FDCWD, copy.c_str(), AT_SYMLINK_FOLLOW) != 0) {
    throw failed("cannot write", copy, errno);
  }
  const std::filesystem::path folder = copy.has_parent_path() ? copy.parent_path() : std::filesystem::path(".");
  const Descriptor place(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (place.valid()) ::fsync(place.get());
}

}  // namespace hsmbridge::store
