#include "store/migrate.h"

#include "base/bytes.h"
#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "store/backup.h"
#include "store/mark.h"
#include "store/schema.h"

#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

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

// The copies of that version next to the store whose names end with `end`.
std::vector<std::filesystem::path> left_copies(const std::filesystem::path& file, int version, std::string_view end) {
  const std::string begin = fmt::format("{}.version-{}.", file.filename().string(), version);
  const std::filesystem::path folder = file.has_parent_path() ? file.parent_path() : std::filesystem::path(".");
  std::vector<std::filesystem::path> found;
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(folder, ignored)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with(begin) && name.ends_with(end)) found.push_back(entry.path());
  }
  return found;
}

bool same_content(const std::filesystem::path& one, const std::filesystem::path& other) {
  std::error_code failed;
  if (std::filesystem::file_size(one, failed) != std::filesystem::file_size(other, failed) || failed) return false;
  std::ifstream first(one, std::ios::binary);
  std::ifstream second(other, std::ios::binary);
  return std::equal(std::istreambuf_iterator<char>(first), {}, std::istreambuf_iterator<char>(second), {}) &&
         !first.bad() && !second.bad();
}

// The copy, removed again unless the migration went well: one that nobody needs would fill the disk at every try. So
// would what processes left that were killed meanwhile: half a copy goes, and a whole one is taken in the place of the
// same once more. Made within the transaction that migrates, so no other process is writing one.
class Backup {
 public:
  Backup(const std::filesystem::path& file, int version) : path_(backup_of(file, version)) {
    for (const auto& part : left_copies(file, version, ".part")) ::unlink(part.c_str());
    const auto left = left_copies(file, version, ".backup");
    try {
      copy_store(file, path_);
    } catch (Error& error) {
      error.prefix("the format of the store changes, and first a copy is made");
      if (error.hint().empty()) error.hint("make room in its folder and let the store's user write there");
      throw;
    }
    const auto same =
        std::find_if(left.begin(), left.end(), [&](const auto& copy) { return same_content(copy, path_); });
    if (same == left.end()) return;
    ::unlink(path_.c_str());
    path_ = *same;
    kept_ = true;
  }
  ~Backup() {
    if (!kept_) ::unlink(path_.c_str());
  }
  Backup(const Backup&) = delete;
  Backup& operator=(const Backup&) = delete;

  const std::filesystem::path& path() const { return path_; }
  void keep() { kept_ = true; }

 private:
  std::filesystem::path path_;
  bool kept_ = false;
};

// A program of before goes on writing as it used to, which the newer tables refuse: an answer that it waits for would
// be lost.
void expect_nobody_at_work(Database& database, const std::filesystem::path& file) {
  Query row = database.query(
      "SELECT owner, MAX(lease_until) FROM effects WHERE owner LIKE '%/%' AND lease_boot = ? AND lease_until > ? "
      "GROUP BY owner LIMIT 1");
  const Duration now = SystemClock().since_boot();
  row.bind(running_boot_id()).bind(now);
  if (!row.row()) return;
  throw Error{ErrorKind::conflict,
              fmt::format("the store {} is of an older version, and {} is at work on it", file.string(), row.text(0))}
      .hint(fmt::format("stop that hsmbridge first; if it is gone, try again in {}",
                        spoken(Duration{row.integer(1)} - now)));
}

}  // namespace

std::string running_boot_id() {
  std::string text = to_text(read_file("/proc/sys/kernel/random/boot_id", 64));
  while (!text.empty() && text.back() == '\n') text.pop_back();
  return text;
}

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
      expect_nobody_at_work(database, file);
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
