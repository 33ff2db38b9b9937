#include "base/file.h"

#include "base/descriptor.h"
#include "base/error.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <grp.h>
#include <openssl/crypto.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <string>
#include <utility>

namespace hsmbridge {
namespace {

constexpr std::size_t kLongestSecret = 65536;

ErrorKind kind_of(int code) {
  switch (code) {
    case ENOENT:
    case ENOTDIR:
      return ErrorKind::not_found;
    case EACCES:
    case EPERM:
    case EROFS:
      return ErrorKind::denied;
    // Nothing is wrong with the request: the disk, the quota, the limit on file sizes or on open files is exhausted.
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
    case EIO:
    case EMFILE:
    case ENFILE:
    case ENOMEM:
      return ErrorKind::unavailable;
    default:
      return ErrorKind::invalid_input;
  }
}

Error system_error(std::string_view what, const std::filesystem::path& path, int code) {
  return Error{kind_of(code), fmt::format("{} {}: {}", what, path.string(), std::strerror(code))};
}

Bytes read_all(int fd, const std::filesystem::path& path, std::size_t most) {
  Bytes content;
  std::uint8_t buffer[65536];
  for (;;) {
    const ssize_t count = ::read(fd, buffer, sizeof buffer);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) throw system_error("cannot read", path, errno);
    if (count == 0) return content;
    content.insert(content.end(), buffer, buffer + count);
    if (content.size() > most) {
      throw Error{ErrorKind::invalid_input, fmt::format("{} is larger than {} bytes", path.string(), most)};
    }
  }
}

// The characters pass through one buffer that is wiped; a growing vector would leave copies behind.
Secret read_secret(int fd, const std::filesystem::path& path) {
  std::string text(kLongestSecret + 1, '\0');
  std::size_t size = 0;
  try {
    while (size < text.size()) {
      const ssize_t count = ::read(fd, text.data() + size, text.size() - size);
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) throw system_error("cannot read", path, errno);
      if (count == 0) break;
      size += static_cast<std::size_t>(count);
    }
    if (size > kLongestSecret) {
      throw Error{ErrorKind::invalid_input,
                  fmt::format("{} is larger than {} bytes: this is no secret", path.string(), kLongestSecret)};
    }
  } catch (...) {
    OPENSSL_cleanse(text.data(), text.size());
    throw;
  }
  if (size > 0 && text[size - 1] == '\n') {
    --size;
    if (size > 0 && text[size - 1] == '\r') --size;
  }
  text.resize(size);
  return Secret(std::move(text));
}

void write_all(int fd, ByteView content, const std::filesystem::path& path) {
  while (!content.empty()) {
    const ssize_t count = ::write(fd, content.data(), content.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) throw system_error("cannot write", path, errno);
    content = content.subspan(static_cast<std::size_t>(count));
  }
}

// Removes the file on the way out unless it became the target.
class TemporaryFile {
 public:
  explicit TemporaryFile(std::filesystem::path path) : path_(std::move(path)) {}
  ~TemporaryFile() { ::unlink(path_.c_str()); }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

// What fchown(2) leaves as it is.
template <class Number>
constexpr Number kUnchanged = static_cast<Number>(-1);

std::optional<unsigned> number_in(const std::string& text) {
  unsigned number = 0;
  const auto [stop, failure] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (failure != std::errc{} || stop != text.data() + text.size()) return std::nullopt;
  return number;
}

uid_t user_number(const std::string& name) {
  if (const auto number = number_in(name)) return *number;
  passwd entry{};
  passwd* found = nullptr;
  std::array<char, 16384> buffer{};
  if (::getpwnam_r(name.c_str(), &entry, buffer.data(), buffer.size(), &found) == 0 && found != nullptr) {
    return found->pw_uid;
  }
  throw Error{ErrorKind::not_found, fmt::format("this machine has no user '{}'", name)};
}

gid_t group_number(const std::string& name) {
  if (const auto number = number_in(name)) return *number;
  group entry{};
  group* found = nullptr;
  std::array<char, 16384> buffer{};
  if (::getgrnam_r(name.c_str(), &entry, buffer.data(), buffer.size(), &found) == 0 && found != nullptr) {
    return found->gr_gid;
  }
  throw Error{ErrorKind::not_found, fmt::format("this machine has no group '{}'", name)};
}

void sync_folder(const std::filesystem::path& folder) {
  const Descriptor fd(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (fd.valid()) ::fsync(fd.get());
}

}  // namespace

Bytes read_file(const std::filesystem::path& path, std::size_t most) {
  const Descriptor fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.valid()) throw system_error("cannot open", path, errno);
  return read_all(fd.get(), path, most);
}

void write_file(const std::filesystem::path& path, ByteView content, FileMode mode, Existing existing) {
  write_file(path, content, FileAccess{static_cast<unsigned>(mode), {}, {}}, existing);
}

bool has_access(const std::filesystem::path& path, const FileAccess& access) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) return false;
  if ((status.st_mode & 07777) != access.mode) return false;
  if (access.owner && user_number(*access.owner) != status.st_uid) return false;
  return !access.group || group_number(*access.group) == status.st_gid;
}

void write_file(const std::filesystem::path& path, ByteView content, const FileAccess& access, Existing existing) {
  // Looked up first: a name that nobody has must leave nothing behind.
  const uid_t owner = access.owner ? user_number(*access.owner) : kUnchanged<uid_t>;
  const gid_t group = access.group ? group_number(*access.group) : kUnchanged<gid_t>;
  const std::filesystem::path folder = path.has_parent_path() ? path.parent_path() : std::filesystem::path(".");
  const TemporaryFile temporary(folder / fmt::format(".{}.{}", path.filename().string(), hex(random_bytes(8))));
  {
    const Descriptor fd(::open(temporary.path().c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
    if (!fd.valid()) throw system_error("cannot create a file in", folder, errno);
    write_all(fd.get(), content, path);
    if ((access.owner || access.group) && ::fchown(fd.get(), owner, group) != 0) {
      throw system_error("cannot give away", path, errno);
    }
    if (::fchmod(fd.get(), static_cast<mode_t>(access.mode)) != 0)
      throw system_error("cannot set the mode of", path, errno);
    if (::fsync(fd.get()) != 0) throw system_error("cannot sync", path, errno);
  }
  if (existing == Existing::replace) {
    if (::rename(temporary.path().c_str(), path.c_str()) != 0) throw system_error("cannot replace", path, errno);
  } else if (::link(temporary.path().c_str(), path.c_str()) != 0) {
    if (errno == EEXIST) {
      throw Error{ErrorKind::conflict, fmt::format("{} exists already and was not touched", path.string())}.hint(
          "name another file, or give --force to replace it");
    }
    throw system_error("cannot write", path, errno);
  }
  sync_folder(folder);
}

Secret read_secret_file(const std::filesystem::path& path, SecretReaders readers) {
  const Descriptor fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.valid()) throw system_error("cannot open", path, errno);
  struct stat status {};
  if (::fstat(fd.get(), &status) != 0) throw system_error("cannot look at", path, errno);
  if (readers == SecretReaders::owner_only && (status.st_mode & 077) != 0) {
    throw Error{ErrorKind::denied, fmt::format("{} holds a secret but its group or others may read it (mode {:04o})",
                                               path.string(), status.st_mode & 07777)}
        .hint(fmt::format("chmod 600 {}", path.string()));
  }
  return read_secret(fd.get(), path);
}

}  // namespace hsmbridge
