#include "store/migrate.h"

#include "base/descriptor.h"
#include "base/error.h"
#include "base/log.h"
#include "store/schema.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>

namespace hsmbridge::store {
namespace {

struct Migration {
  int from;
  int to;
  void (*step)(Database& database);
};

constexpr Migration kMigrations[] = {
    {3, 4, to_version_4},
};
static_assert(std::begin(kMigrations)->from == kOldestVersion && std::rbegin(kMigrations)->to == kSchemaVersion);

// A store of a million events takes minutes to migrate; whoever opens it meanwhile waits for that.
constexpr Duration kLongestMigration = std::chrono::minutes{15};

Error failed(std::string_view what, const std::filesystem::path& path) {
  return Error{ErrorKind::unavailable,
               fmt::format("the format of the store changes and first a copy of it is made: {} {}: {}", what,
                           path.string(), std::strerror(errno))}
      .hint("make room in its folder and let the store's user write there; nothing was changed");
}

// The copy of the store that is left for the operator. Removed unless keep() was called.
class Backup {
 public:
  // `file` must not change meanwhile: the caller holds its writing transaction.
  Backup(const std::filesystem::path& file, int version) {
    const Instant now = std::chrono::floor<std::chrono::seconds>(SystemClock().now());
    std::string time = rfc3339(now);
    std::erase_if(time, [](char c) { return c == '-' || c == ':'; });
    const std::filesystem::path whole = fmt::format("{}.version-{}.{}.backup", file.string(), version, time);
    // Under that name there is never half a copy; what a killed process left of one is in the way.
    path_ = whole.string() + ".part";
    ::unlink(path_.c_str());
    // SQLite would make it with the mode of the umask.
    const Descriptor fd(::open(path_.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
    if (!fd.valid()) throw failed("cannot write", path_);
    made_ = true;
    try {
      // In a connection of its own: the one that migrates is within its transaction.
      Database(file, std::chrono::seconds{10}).copy_into(path_);
      if (::fsync(fd.get()) != 0) throw failed("cannot sync", path_);
      if (::rename(path_.c_str(), whole.c_str()) != 0) throw failed("cannot write", whole);
    } catch (...) {
      remove();
      throw;
    }
    path_ = whole;
  }
  ~Backup() { remove(); }
  Backup(const Backup&) = delete;
  Backup& operator=(const Backup&) = delete;

  const std::filesystem::path& path() const { return path_; }
  void keep() { made_ = false; }

 private:
  void remove() noexcept {
    if (made_) ::unlink(path_.c_str());
    made_ = false;
  }
  std::filesystem::path path_;
  bool made_ = false;
};

}  // namespace

void migrate(Database& database, const std::filesystem::path& file, const VersionOf& version_of) {
  std::optional<Backup> backup;
  int first = 0;
  database.wait_for(kLongestMigration, [&] {
    for (;;) {
      Database::Write write(database);
      const int version = version_of(database, file);
      const auto* migration = std::find_if(std::begin(kMigrations), std::end(kMigrations),
                                           [version](const Migration& row) { return row.from == version; });
      if (migration == std::end(kMigrations)) return;  // done, here or by another process
      if (!backup) {
        backup.emplace(file, version);
        first = version;
      }
      migration->step(database);
      database.execute(fmt::format("PRAGMA user_version = {}", migration->to));
      write.commit();
      // From the first step on the copy is the only place where the older version is.
      backup->keep();
    }
  });
  if (first == 0) return;
  log::warning(fmt::format("the store {} is of version {} now; a copy of it as it was, of version {}, is {}",
                           file.string(), kSchemaVersion, first, backup->path().string()));
}

}  // namespace hsmbridge::store
