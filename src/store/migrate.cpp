#include "store/migrate.h"

#include "base/error.h"
#include "base/log.h"
#include "store/backup.h"
#include "store/mark.h"
#include "store/schema.h"

#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <optional>
#include <string>
#include <system_error>

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

// Where the copy goes that is left for the operator. A process that was killed right after it wrote one may have taken
// the name of this second.
std::filesystem::path backup_of(const std::filesystem::path& file, int version) {
  std::string time = rfc3339(std::chrono::floor<std::chrono::seconds>(SystemClock().now()));
  std::erase_if(time, [](char c) { return c == '-' || c == ':'; });
  for (unsigned number = 1;; ++number) {
    std::filesystem::path name = fmt::format("{}.version-{}.{}{}.backup", file.string(), version, time,
                                             number == 1 ? "" : fmt::format("-{}", number));
    std::error_code ignored;
    if (!std::filesystem::exists(name, ignored)) return name;
  }
}

// The copy, removed again unless the migration went well: one that nobody needs would fill the disk at every try.
class Backup {
 public:
  Backup(const std::filesystem::path& file, int version) : path_(backup_of(file, version)) {
    try {
      copy_store(file, path_);
    } catch (Error& error) {
      error.prefix("the format of the store changes, and first a copy is made");
      if (error.hint().empty()) error.hint("make room in its folder and let the store's user write there");
      throw;
    }
  }
  ~Backup() {
    if (!kept_) ::unlink(path_.c_str());
  }
  Backup(const Backup&) = delete;
  Backup& operator=(const Backup&) = delete;

  const std::filesystem::path& path() const { return path_; }
  void keep() { kept_ = true; }

 private:
  const std::filesystem::path path_;
  bool kept_ = false;
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
      begin_mark(file);
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
