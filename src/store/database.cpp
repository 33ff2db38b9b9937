#include "store/database.h"

#include "base/error.h"
#include "base/failpoint.h"

#include <SQLiteCpp/SQLiteCpp.h>
#include <fmt/core.h>
#include <sqlite3.h>
#include <time.h>

#include <utility>

namespace hsmbridge::store {
namespace {

struct Translation {
  int code;  // SQLite's primary result code, or an extended one that says more than its primary one
  ErrorKind kind;
  std::string_view what;
  std::string_view hint;
};

// https://sqlite.org/rescode.html
constexpr Translation kTranslations[] = {
    {SQLITE_FULL, ErrorKind::unavailable, "the disk is full", "make room; nothing was half-written"},
    {SQLITE_IOERR, ErrorKind::unavailable, "the disk does not read or write", "see the system's log"},
    {SQLITE_BUSY, ErrorKind::unavailable, "another process holds the store for too long", "try again"},
    {SQLITE_LOCKED, ErrorKind::unavailable, "another process holds the store for too long", "try again"},
    {SQLITE_NOMEM, ErrorKind::unavailable, "out of memory", ""},
    {SQLITE_CANTOPEN, ErrorKind::unavailable, "it or a file next to it (-wal, -shm) cannot be opened",
     "ls -l shows their owner and mode; the folder must be writable, and the disk not full"},
    {SQLITE_READONLY_DIRECTORY, ErrorKind::denied,
     "no process has it open, and this user may not write in its folder, where its -wal and -shm would be made",
     "to only look: start `hsmbridge run` as the store's user, which keeps those files there, or run this as that "
     "user; to work with it: let the store's user write in the folder"},
    {SQLITE_PROTOCOL, ErrorKind::unavailable, "its locks do not work",
     "most likely it is on a network file system or a folder shared with another machine: put it on a local disk"},
    {SQLITE_READONLY, ErrorKind::denied, "it may not be written",
     "check the owner and mode of the file, of those next to it (-wal, -shm), and of its folder"},
    {SQLITE_PERM, ErrorKind::denied, "it may not be used", "check the owner and mode of the file and its folder"},
    {SQLITE_AUTH, ErrorKind::denied, "it may not be used", "check the owner and mode of the file and its folder"},
    {SQLITE_NOTADB, ErrorKind::corrupt, "not an SQLite database", "name another file, or restore a backup"},
    {SQLITE_CORRUPT, ErrorKind::corrupt, "it is damaged", "keep a copy of the file and restore a backup"},
    {SQLITE_CONSTRAINT, ErrorKind::conflict, "a rule of the store forbids it", ""},
};

[[noreturn]] void rethrow(const std::string& file) {
  try {
    throw;
  } catch (const SQLite::Exception& exception) {
    const int primary = exception.getErrorCode() & 0xff;
    for (const Translation& row : kTranslations) {
      if (row.code != primary && row.code != exception.getExtendedErrorCode()) continue;
      Error error{row.kind, fmt::format("store {}: {}", file, row.what)};
      error.with("sqlite", fmt::format("{} ({})", exception.what(), exception.getExtendedErrorCode()));
      if (!row.hint.empty()) error.hint(std::string(row.hint));
      throw error;
    }
    throw Error{ErrorKind::internal, fmt::format("store {}: {}", file, exception.what())};
  }
}

// Runs `work`; what SQLite throws leaves as ours.
template <class Work>
auto guarded(const std::string& file, Work&& work) {
  try {
    return work();
  } catch (const SQLite::Exception&) {
    rethrow(file);
  }
}

std::int64_t monotonic_ms() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<std::int64_t>(now.tv_sec) * 1000 + now.tv_nsec / 1'000'000;
}

}  // namespace

Query::~Query() {
  // A statement left in the middle of its rows would keep the read transaction open.
  statement_.tryReset();
  try {
    statement_.clearBindings();
  } catch (const SQLite::Exception&) {  // cannot fail on a reset statement; the next bind would overwrite it anyway
  }
}

void Query::bind_value(std::int64_t value) {
  guarded(file_, [&] { statement_.bind(next_++, value); });
}
void Query::bind_value(std::string_view text) {
  guarded(file_, [&] { statement_.bind(next_++, std::string(text)); });
}
void Query::bind_value(ByteView blob) {
  // A null pointer would be bound as NULL, not as the empty blob.
  static constexpr std::uint8_t kNothing = 0;
  const void* data = blob.empty() ? &kNothing : blob.data();
  guarded(file_, [&] { statement_.bind(next_++, data, static_cast<int>(blob.size())); });
}
void Query::bind_value(std::nullptr_t) {
  guarded(file_, [&] { statement_.bind(next_++); });
}

bool Query::row() {
  return guarded(file_, [&] { return statement_.executeStep(); });
}
int Query::run() {
  return guarded(file_, [&] { return statement_.exec(); });
}

bool Query::null(int column) const {
  return guarded(file_, [&] { return statement_.getColumn(column).isNull(); });
}
std::int64_t Query::integer(int column) const {
  return guarded(file_, [&] { return static_cast<std::int64_t>(statement_.getColumn(column).getInt64()); });
}
std::uint64_t Query::count(int column) const {
  return static_cast<std::uint64_t>(integer(column));
}
std::string Query::text(int column) const {
  return guarded(file_, [&] { return statement_.getColumn(column).getString(); });
}
Bytes Query::blob(int column) const {
  return guarded(file_, [&] {
    const SQLite::Column value = statement_.getColumn(column);
    const auto* data = static_cast<const std::uint8_t*>(value.getBlob());
    return Bytes(data, data + value.getBytes());
  });
}
Instant Query::instant(int column) const {
  return Instant{Duration{integer(column)}};
}

std::vector<std::string> Query::texts() {
  return all([](const Query& row) { return row.text(0); });
}
std::vector<std::int64_t> Query::integers() {
  return all([](const Query& row) { return row.integer(0); });
}

Database::Database(const std::filesystem::path& file, Duration wait, Access access)
    : file_(file.string()), wait_(wait) {
  const int mode = access == Access::read_only ? SQLite::OPEN_READONLY : SQLite::OPEN_READWRITE;
  guarded(file_, [&] {
    sqlite_ = std::make_unique<SQLite::Database>(file_, mode | SQLite::OPEN_NOMUTEX);
    ::sqlite3_busy_handler(sqlite_->getHandle(), &Database::busy, this);
  });
}

Database::~Database() {
  statements_.clear();  // before the connection they belong to
}

// SQLite's own busy_timeout sleeps up to 100 ms at a time; two busy writers then stall each other for a second.
int Database::busy(void* self, int times) noexcept {
  auto& database = *static_cast<Database*>(self);
  const std::int64_t now = monotonic_ms();
  if (times == 0) database.waited_since_ = now;
  if (now - database.waited_since_ >= database.wait_.count()) return 0;
  const timespec pause{0, times < 8 ? 200'000 : 1'000'000};
  ::nanosleep(&pause, nullptr);
  return 1;
}

SQLite::Statement& Database::prepared(const char* sql) {
  auto& statement = statements_[sql];
  if (!statement) {
    statement = guarded(file_, [&] { return std::make_unique<SQLite::Statement>(*sqlite_, sql); });
  }
  return *statement;
}

void Database::execute(const std::string& sql) {
  guarded(file_, [&] { sqlite_->exec(sql); });
}

std::int64_t Database::pragma(const std::string& name) {
  return guarded(file_, [&] {
    SQLite::Statement statement(*sqlite_, "PRAGMA " + name);
    return statement.executeStep() ? static_cast<std::int64_t>(statement.getColumn(0).getInt64()) : 0;
  });
}

void Database::copy_into(const std::filesystem::path& file) {
  guarded(file.string(), [&] {
    SQLite::Statement statement(*sqlite_, "VACUUM INTO ?");
    statement.bind(1, file.string());
    statement.exec();
  });
}

void Database::wait_for(Duration wait, const std::function<void()>& work) {
  const Duration before = std::exchange(wait_, wait);
  try {
    work();
  } catch (...) {
    wait_ = before;
    throw;
  }
  wait_ = before;
}

void Database::forget_statements() {
  statements_.clear();
}

Database::Read::Read(Database& database) : database_(database) {
  database_.execute("BEGIN");
}

Database::Read::~Read() {
  ::sqlite3_exec(database_.sqlite_->getHandle(), "ROLLBACK", nullptr, nullptr, nullptr);
}

Database::Write::Write(Database& database) : database_(database) {
  database_.execute("BEGIN IMMEDIATE");
  database_.after_commit_ = nullptr;  // of one that was rolled back
}

Database::Write::~Write() {
  if (!open_) return;
  // After some errors (disk full) SQLite has rolled back by itself, and there is nothing left to end.
  if (::sqlite3_get_autocommit(database_.sqlite_->getHandle()) != 0) return;
  ::sqlite3_exec(database_.sqlite_->getHandle(), "ROLLBACK", nullptr, nullptr, nullptr);
}

void Database::Write::expect_open() const {
  if (::sqlite3_get_autocommit(database_.sqlite_->getHandle()) == 0) return;
  throw Error{ErrorKind::unavailable, fmt::format("store {}: the transaction was taken back", database_.file_)}.hint(
      "see what was logged before, and whether the disk is full");
}

void Database::Write::commit() {
  failpoint("store.before-commit");
  database_.execute("COMMIT");
  open_ = false;
  ++database_.commits_;
  failpoint("store.after-commit");
  if (const auto work = std::exchange(database_.after_commit_, nullptr)) work();
}

}  // namespace hsmbridge::store
