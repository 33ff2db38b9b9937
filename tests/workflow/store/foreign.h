#pragma once

#include <sqlite3.h>
#include <sys/types.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

namespace hsmbridge::test {

// Connections of other programs, which no Watch listens to.
class Unwatched {
 public:
  Unwatched() { ++count_; }
  ~Unwatched() { --count_; }
  Unwatched(const Unwatched&) = delete;
  Unwatched& operator=(const Unwatched&) = delete;
  static bool now() { return count_ > 0; }

 private:
  static inline thread_local int count_ = 0;
};

// Another program at the file: SQLite's own, without any of our rules. The error message, or "".
inline std::string foreign(const std::filesystem::path& file, const std::string& sql) {
  const Unwatched unwatched;
  sqlite3* database = nullptr;
  REQUIRE(sqlite3_open(file.c_str(), &database) == SQLITE_OK);
  char* message = nullptr;
  sqlite3_exec(database, sql.c_str(), nullptr, nullptr, &message);
  std::string text = message == nullptr ? "" : message;
  sqlite3_free(message);
  sqlite3_close(database);
  return text;
}

// The rows of a query, every column as text.
inline std::vector<std::vector<std::string>> foreign_rows(const std::filesystem::path& file, const std::string& sql) {
  const Unwatched unwatched;
  sqlite3* database = nullptr;
  REQUIRE(sqlite3_open(file.c_str(), &database) == SQLITE_OK);
  std::vector<std::vector<std::string>> rows;
  const int code = sqlite3_exec(
      database, sql.c_str(),
      [](void* out, int count, char** columns, char**) {
        auto& row = static_cast<std::vector<std::vector<std::string>>*>(out)->emplace_back();
        for (int i = 0; i < count; ++i) row.emplace_back(columns[i] == nullptr ? "" : columns[i]);
        return 0;
      },
      &rows, nullptr);
  sqlite3_close(database);
  REQUIRE(code == SQLITE_OK);
  return rows;
}

// Whether the process has the folder open, which it has while it waits for its turn there.
inline bool has_open(pid_t process, const std::filesystem::path& folder) {
  std::error_code gone;
  const std::string fds = "/proc/" + std::to_string(process) + "/fd";
  for (std::filesystem::directory_iterator fd(fds, gone), end; !gone && fd != end; fd.increment(gone)) {
    std::error_code closed;
    if (std::filesystem::read_symlink(fd->path(), closed) == std::filesystem::canonical(folder)) return true;
  }
  return false;
}

// While it lives, every statement that the store begins on a connection opened since is told.
class Watch {
 public:
  using Told = void (*)(const std::string& sql);
  explicit Watch(Told told) {
    before_ = std::exchange(told_, told);
    REQUIRE(sqlite3_auto_extension(entry()) == SQLITE_OK);
  }
  // One within another hears in its place.
  ~Watch() {
    told_ = before_;
    if (before_ == nullptr) sqlite3_cancel_auto_extension(entry());
  }
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;

 private:
  static void (*entry())() {
    using Entry = int (*)(sqlite3*, char**, const sqlite3_api_routines*);
    return reinterpret_cast<void (*)()>(static_cast<Entry>(watch));
  }
  static int watch(sqlite3* database, char**, const sqlite3_api_routines*) {
    if (Unwatched::now()) return SQLITE_OK;
    return sqlite3_trace_v2(database, SQLITE_TRACE_STMT, begins, nullptr);
  }
  static int begins(unsigned, void*, void*, void* sql) {
    told_(static_cast<const char*>(sql));
    return 0;
  }
  static inline Told told_ = nullptr;
  Told before_ = nullptr;
};

}  // namespace hsmbridge::test
