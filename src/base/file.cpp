#include "base/file.h"

#include "base/descriptor.h"
#include "base/error.h"
#include "base/file_io.h"
#include "base/target_file.h"
#include "base/trust.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <openssl/crypto.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
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
                  fmt::format("{} is larger than {} bytes: not a secret", path.string(), kLongestSecret)};
    }
  } catch (...) {
    OPENSSL_cleanse(text.data(), text.size());
    throw;
  }
  size = without_line_end(std::string_view(text).substr(0, size));
  text.resize(size);
  return Secret(std::move(text));
}

// Removes the file on the way out; a link of it is the target.
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

std::filesystem::path folder_of(const std::filesystem::path& file) {
  return file.has_parent_path() ? file.parent_path() : std::filesystem::path(".");
}

void sync_folder(const std::filesystem::path& folder) {
  const Descriptor fd(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (fd.valid()) ::fsync(fd.get());
}

}  // namespace

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

void write_all(int fd, ByteView content, const std::filesystem::path& path) {
  while (!content.empty()) {
    const ssize_t count = ::write(fd, content.data(), content.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) throw system_error("cannot write", path, errno);
    content = content.subspan(static_cast<std::size_t>(count));
  }
}

Bytes read_file(const std::filesystem::path& path, std::size_t most) {
  const Descriptor fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.valid()) throw system_error("cannot open", path, errno);
  return read_all(fd.get(), path, most);
}

void write_file(const std::filesystem::path& path, ByteView content, FileMode mode, Existing existing) {
  if (existing == Existing::replace) {
    TargetFile file(path);
    FileAccess access;
    if (!file.is_there() || mode == FileMode::private_0600) access.mode = static_cast<unsigned>(mode);
    return file.replace(content, access);
  }
  const std::filesystem::path folder = folder_of(path);
  const TemporaryFile temporary(folder / fmt::format(".{}.{}", path.filename().string(), hex(random_bytes(8))));
  {
    const Descriptor fd(::open(temporary.path().c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
    if (!fd.valid()) throw system_error("cannot create a file in", folder, errno);
    write_all(fd.get(), content, path);
    if (::fchmod(fd.get(), static_cast<mode_t>(mode)) != 0) throw system_error("cannot set the mode of", path, errno);
    if (::fsync(fd.get()) != 0) throw system_error("cannot sync", path, errno);
  }
  if (::link(temporary.path().c_str(), path.c_str()) != 0) {
    if (errno == EEXIST) {
      throw Error{ErrorKind::conflict, fmt::format("{} exists already and was not touched", path.string())}.hint(
          "name another file, or give --force to replace it");
    }
    throw system_error("cannot write", path, errno);
  }
  sync_folder(folder);
}

void expect_folder_takes_files(const std::filesystem::path& path) {
  const std::filesystem::path folder = folder_of(path);
  if (::access(folder.c_str(), W_OK | X_OK) != 0) throw system_error("cannot create a file in", folder, errno);
}

Secret read_secret_file(const std::filesystem::path& path, SecretReaders readers) {
  const Descriptor fd = open_trusted(
      path, {.because = "it holds a secret", .mode = readers == SecretReaders::owner_only ? "600" : "go-w"});
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
