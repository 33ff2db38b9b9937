#include "store/store_file.h"

#include "base/descriptor.h"
#include "base/error.h"
#include "base/trust.h"
#include "store/mark.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>

namespace hsmbridge::store {
namespace {

struct FileSystem {
  unsigned long magic;    // statfs(2)
  std::string_view type;  // in mountinfo; "" for any
  std::string_view shown;
};
constexpr unsigned long kFuse = 0x65735546;
constexpr FileSystem kNetwork[] = {
    {0x6969, "", "NFS"},
    {0x517b, "", "SMB"},
    {0xff534d42, "", "CIFS"},
    {0xfe534d42, "", "SMB2"},
    {0x01021997, "", "9p"},
    {0x00c36400, "", "Ceph"},
    {0x5346414f, "", "AFS"},
    {0x6b414653, "", "AFS"},
    {0x73757245, "", "Coda"},
    {0x564c, "", "NCP"},
    {0x0bd00bd0, "", "Lustre"},
    {0x01161970, "", "GFS2"},
    {0x7461636f, "", "OCFS2"},
    {0x47504653, "", "GPFS"},
    {0x19830326, "", "BeeGFS"},
    {kFuse, "virtiofs", "virtiofs"},
    {kFuse, "fuse.sshfs", "sshfs"},
    {kFuse, "fuse.glusterfs", "GlusterFS"},
    {kFuse, "fuse.ceph-fuse", "Ceph"},
    {kFuse, "fuse.s3fs", "s3fs"},
    {kFuse, "fuse.rclone", "rclone"},
    {kFuse, "fuse.grpcfuse", "a folder shared with a virtual machine"},
    {kFuse, "fuse.vmhgfs-fuse", "a folder shared with a virtual machine"},
};

// The type of the mount that holds the device, proc(5): "ID PARENT MAJOR:MINOR ROOT POINT OPTIONS… - TYPE SOURCE …".
std::string mounted_type(dev_t device) {
  const std::string wanted = fmt::format("{}:{}", major(device), minor(device));
  std::ifstream mounts("/proc/self/mountinfo");
  for (std::string line; std::getline(mounts, line);) {
    std::istringstream words(line);
    std::string id, parent, number, word, type;
    words >> id >> parent >> number;
    if (number != wanted) continue;
    while (words >> word && word != "-") {
    }
    words >> type;
    return type;
  }
  return "";
}

// What may be there next to the store, and is as good as the store itself.
constexpr const char* kSideFiles[] = {"", "-wal", "-shm", "-journal", ".head"};

void expect_usable_by_us(const std::filesystem::path& file, const std::filesystem::path& store, Access access) {
  const int wanted = access == Access::read_only ? R_OK : R_OK | W_OK;
  if (::faccessat(AT_FDCWD, file.c_str(), wanted, AT_EACCESS) == 0) return;
  const int code = errno;
  struct stat status {};
  if (code != EACCES || ::stat(file.c_str(), &status) != 0) return;  // SQLite will say
  const bool side = file != store;
  Error error{ErrorKind::denied,
              fmt::format("{}{} belongs to {} (mode {:04o}) and may not be {} by {}{}",
                          side ? "the store's side file " : "the store ", file.string(), user_name(status.st_uid),
                          status.st_mode & 07777U, access == Access::read_only ? "read" : "written",
                          user_name(::geteuid()), side ? "; a command that another user ran left it there" : "")};
  error.hint(side ? fmt::format("chown {} {}", user_name(::geteuid()), file.string())
                  : fmt::format("run this as {}, or chown {} {}", user_name(status.st_uid), user_name(::geteuid()),
                                file.string()));
  throw error;
}

// Whoever makes a store needs it for others alone: a folder that cannot be locked or that somebody keeps locked does not
// stop it.
std::optional<Turn> turn_to_make(const std::filesystem::path& file) {
  try {
    Turn turn(file);
    if (turn.wait_for(LOCK_SH, std::chrono::milliseconds{500})) return turn;
  } catch (const Error&) {
  }
  return std::nullopt;
}

}  // namespace

std::optional<Turn> make_file(const std::filesystem::path& file, Missing missing) {
  std::error_code ignored;
  const bool there = std::filesystem::exists(file, ignored);
  if (there && std::filesystem::file_size(file, ignored) > 0) return std::nullopt;
  if (missing == Missing::start_over) ::unlink(mark_of(file).c_str());
  // A new store knows of no submission and would let everything be ordered again.
  if (const auto mark = read_mark(file); mark && mark->size > 0) {
    // Two processes may be here at the first use: the other one has made the store meanwhile.
    if (std::filesystem::exists(file, ignored) && std::filesystem::file_size(file, ignored) > 0) return std::nullopt;
    throw Error{ErrorKind::not_found, fmt::format("the store {} is {}, and a store with {} audit entries was here",
                                                  file.string(), there ? "empty" : "missing", mark->size)}
        .hint(fmt::format(
            "mount its disk or restore a backup; a new store does not know what was ordered. If the old one "
            "is gone: hsmbridge store init --start-over"));
  }
  if (missing == Missing::refuse) {
    if (there) return std::nullopt;  // another process may be making its tables: open_current waits for that
    throw Error{ErrorKind::not_found, fmt::format("there is no store {}", file.string())}.hint(
        "if one was there, mount its disk or restore a backup; to begin a new one: hsmbridge store init");
  }
  const auto failed = [&file](std::string_view what, int code) {
    const bool denied = code == EACCES || code == EPERM || code == EROFS;
    return Error{denied ? ErrorKind::denied : ErrorKind::unavailable,
                 fmt::format("cannot make {} {}: {}", what, file.string(), std::strerror(code))};
  };
  const std::filesystem::path folder = file.parent_path();
  if (!folder.empty() && !std::filesystem::exists(folder, ignored)) {
    if (folder.has_parent_path()) {
      std::error_code code;
      std::filesystem::create_directories(folder.parent_path(), code);
      if (code) throw failed("the folder of", code.value());
    }
    if (::mkdir(folder.c_str(), 0700) != 0 && errno != EEXIST) throw failed("the folder of", errno);
  }
  auto turn = turn_to_make(file);
  if (std::filesystem::exists(file, ignored)) return turn;
  // SQLite gives its -wal and -shm files the mode of this one.
  const int fd = ::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) throw failed("the store", errno);
  ::close(fd);
  return turn;
}

std::optional<std::string_view> network_type(unsigned long magic, std::string_view mounted) {
  for (const FileSystem& row : kNetwork) {
    if (row.magic == magic && (row.type.empty() || row.type == mounted)) return row.shown;
  }
  return std::nullopt;
}

std::optional<std::string> network_file_system(const std::filesystem::path& file) {
  struct statfs system {};
  if (::statfs(file.c_str(), &system) != 0) return std::nullopt;
  const auto magic = static_cast<unsigned long>(system.f_type) & 0xffffffffUL;
  std::string type;
  struct stat status {};
  if (magic == kFuse && ::stat(file.c_str(), &status) == 0) type = mounted_type(status.st_dev);
  const auto found = network_type(magic, type);
  return found ? std::optional<std::string>(*found) : std::nullopt;
}

void expect_usable(const std::filesystem::path& file, Access access) {
  if (const auto system = network_file_system(file)) {
    throw Error{ErrorKind::refused,
                fmt::format("the store {} is on a network file system ({}): its locks and its shared "
                            "memory do not work there, and a second host would damage it",
                            file.string(), *system)}
        .hint("put it on a local disk of this machine");
  }
  const TrustRule rule{"whoever can write the store decides what is ordered, signed and run",
                       access == Access::read_only ? Owner::anyone : Owner::root_or_us};
  for (const char* side : kSideFiles) {
    const std::filesystem::path path = file.string() + side;
    struct stat status {};
    if (::lstat(path.c_str(), &status) != 0) continue;
    try {
      expect_trusted(path, rule);
    } catch (const Error& error) {
      if (error.kind() == ErrorKind::not_found) continue;  // SQLite removed it meanwhile
      const bool foreign = status.st_uid != 0 && status.st_uid != ::geteuid();
      if (rule.owner == Owner::anyone || S_ISLNK(status.st_mode) || !foreign) throw;
      // A chown would keep out the user whose store it is: the service.
      throw Error{error.kind(), error.message()}.hint("run this as " + user_name(status.st_uid));
    }
    // A reader needs no mark: it decides nothing by it.
    if (access == Access::read_write || path != mark_of(file)) expect_usable_by_us(path, file, access);
  }
}

}  // namespace hsmbridge::store
