#include "store/migration/migrate.h"

#include "base/bytes.h"
#include "base/descriptor.h"
#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "store/backup.h"
#include "store/mark.h"
#include "store/schema.h"
#include "store/turn.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <fstream>
#include <iterator>
#include <memory>
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
    {3, 4, to_version_4}, {4, 5, to_version_5}, {5, 6, to_version_6},   {6, 7, to_version_7},
    {7, 8, to_version_8}, {8, 9, to_version_9}, {9, 10, to_version_10},
};
static_assert(std::begin(kMigrations)->from == kOldestVersion && std::rbegin(kMigrations)->to == kSchemaVersion);

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
// same once more. Made while no other process has the store open, so none is writing one.
class Backup {
 public:
  Backup(Database& database, const std::filesystem::path& file, int version) : path_(backup_of(file, version)) {
    for (const auto& part : left_copies(file, version, ".part")) ::unlink(part.c_str());
    const auto left = left_copies(file, version, ".backup");
    try {
      copy_store(database, path_);
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

// Who holds the lock that a connection in WAL mode keeps as long as it is open (https://sqlite.org/lockingv3.html, the
// shared bytes). No connection of this process to the store may be open: closing the descriptor ends every lock that
// this process has on the file (fcntl(2)), SQLite's too.
std::string holder_of(const std::filesystem::path& file) {
  constexpr off_t kPendingByte = 0x40000000;
  struct flock shared {};
  shared.l_type = F_WRLCK;
  shared.l_whence = SEEK_SET;
  shared.l_start = kPendingByte + 2;
  shared.l_len = 510;
  const Descriptor fd(::open(file.c_str(), O_RDONLY | O_CLOEXEC));
  // 0: a process of another PID namespace.
  if (!fd.valid() || ::fcntl(fd.get(), F_GETLK, &shared) != 0 || shared.l_type == F_UNLCK || shared.l_pid <= 0) {
    return "another process";
  }
  return fmt::format("process {}", shared.l_pid);
}

// A connection that has the store alone as long as it lives. Nothing when another process keeps it open.
std::unique_ptr<Database> open_alone(const std::filesystem::path& file, Duration wait) {
  auto database = std::make_unique<Database>(file, wait);
  try {
    database->execute("PRAGMA locking_mode = EXCLUSIVE");
    // In WAL mode the first look takes the lock.
    database->pragma("user_version");
    return database;
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::unavailable) throw;
  }
  return nullptr;
}

// Asked over a connection of its own, which is closed again.
bool is_current(const std::filesystem::path& file, Duration wait) {
  try {
    Database database(file, wait);
    return version_of(database, file) == kSchemaVersion;
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::unavailable) throw;
    return false;  // another process has it alone
  }
}

}  // namespace

std::string running_boot_id() {
  std::string text = to_text(read_file("/proc/sys/kernel/random/boot_id", 64));
  while (!text.empty() && text.back() == '\n') text.pop_back();
  return text;
}

bool is_unreadable(const Error& error) {
  const bool kind = error.kind() == ErrorKind::corrupt || error.kind() == ErrorKind::invalid_input;
  return kind && error.detail("sqlite").empty();
}

void migrate(const std::filesystem::path& file, Duration wait) {
  const Turn turn(file);
  if (!turn.wait_for(LOCK_EX)) {
    throw Error{ErrorKind::unavailable,
                fmt::format("{} for {}, and the store {} cannot be migrated to version {} meanwhile", turn.holder(),
                            spoken(Turn::kLongest), file.string(), kSchemaVersion)}
        .hint("end that process unless it is an hsmbridge that still migrates a store; nothing was changed here");
  }
  // Whoever had the turn before may have done it, and may keep the store open as long as it runs.
  if (is_current(file, wait)) return;
  const auto database = open_alone(file, wait);
  if (!database) {
    if (is_current(file, wait)) return;
    throw Error{ErrorKind::conflict,
                fmt::format("the store {} is of an older version, and {} has it open", file.string(), holder_of(file))}
        .hint("stop every hsmbridge that works on it (an older one may have been idle for long), then try again");
  }
  const int first = version_of(*database, file);
  if (first == kSchemaVersion) return;
  set_up_connection(*database);
  Backup backup(*database, file, first);
  // All steps or none: no version in between is ever left.
  Database::Write write(*database);
  for (const Migration& migration : kMigrations) {
    if (migration.from >= first) migration.step(*database);
  }
  write.expect_open();
  database->execute(fmt::format("PRAGMA user_version = {}", kSchemaVersion));
  // Of a store that may know CAs one that lost its mark was copied here (restored.cpp), and its CAs must not sign.
  constexpr int kAuthoritiesSince = 7;
  if (first < kAuthoritiesSince) begin_mark(file);
  write.commit();
  // From now on the copy is the only place where the older version is.
  backup.keep();
  log::warning(fmt::format("the store {} is of version {} now; a copy of it as it was, of version {}, is {}",
                           file.string(), kSchemaVersion, first, backup.path().string()));
}

}  // namespace hsmbridge::store
