#include "store/backup.h"

#include "base/descriptor.h"
#include "base/error.h"
#include "store/database.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
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

// Gone at the end: the whole copy has a name of its own by then.
struct Part {
  std::filesystem::path path;
  explicit Part(std::filesystem::path name) : path(std::move(name)) { ::unlink(path.c_str()); }
  ~Part() { ::unlink(path.c_str()); }
  Part(const Part&) = delete;
  Part& operator=(const Part&) = delete;
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
  const Part part(copy.string() + ".part");
  // SQLite would make it with the mode of the umask.
  const Descriptor fd(::open(part.path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!fd.valid()) throw failed("cannot write", part.path, errno);
  from.copy_into(part.path);
  if (::fsync(fd.get()) != 0) throw failed("cannot sync", part.path, errno);
  if (::link(part.path.c_str(), copy.c_str()) != 0) throw failed("cannot write", copy, errno);
  const std::filesystem::path folder = copy.has_parent_path() ? copy.parent_path() : std::filesystem::path(".");
  const Descriptor place(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (place.valid()) ::fsync(place.get());
}

}  // namespace hsmbridge::store
