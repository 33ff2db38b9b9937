#pragma once

#include "base/bytes.h"
#include "base/clock.h"

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <unordered_map>
#include <utility>
#include <vector>

namespace SQLite {
class Database;
class Statement;
}  // namespace SQLite

// The border to SQLite: everything below speaks our types and throws our Error (unavailable: disk full, locked too
// long; denied: read-only; corrupt; conflict: a constraint; internal). Thread rule: one Database a thread.
namespace hsmbridge::store {

// One use of a prepared statement, its parameters bound in order: run() it, or read while row() gives one. Given back
// for the next use at the end of its life.
// Bound and read as columns are texts and ids as they are, octets, numbers and bools, times in milliseconds (an Instant
// since 1970 UTC). An optional that is empty, or nullptr, is bound as NULL; whether a column is NULL is asked with null().
class Query {
 public:
  Query(SQLite::Statement& statement, const std::string& file) : statement_(statement), file_(file) {}
  // Delegates, so that the statement is given back where binding throws.
  template <class... Values>
  Query(SQLite::Statement& statement, const std::string& file, const Values&... values) : Query(statement, file) {
    bind(values...);
  }
  ~Query();
  Query(const Query&) = delete;
  Query& operator=(const Query&) = delete;

  // Those behind what is bound already.
  template <class... Values>
  void bind(const Values&... values) {
    (bind_one(values), ...);
  }

  // Moves to the next row; false when there is none.
  bool row();
  // Runs a statement that gives no row; the number of rows it changed.
  int run();

  // Columns of the current row, from 0.
  bool null(int column) const;
  std::int64_t integer(int column) const;
  std::uint64_t count(int column) const;
  std::string text(int column) const;
  Bytes blob(int column) const;
  Instant instant(int column) const;
  // As many columns as there are members, from `first` on.
  template <class... Members>
  void into(int first, Members&... members) const {
    (read_one(first++, members), ...);
  }
  // What `read` makes of every row that is left.
  template <class Read>
  auto all(Read read) {
    std::vector<std::invoke_result_t<Read, const Query&>> rows;
    while (row()) rows.push_back(read(*this));
    return rows;
  }
  // Their first columns.
  std::vector<std::string> texts();
  std::vector<std::int64_t> integers();

 private:
  void bind_value(std::int64_t value);
  void bind_value(std::string_view text);
  void bind_value(ByteView blob);
  void bind_value(std::nullptr_t);
  template <class T>
  void bind_one(const T& value) {
    if constexpr (requires { value.has_value(); }) {
      value ? bind_one(*value) : bind_value(nullptr);
    } else if constexpr (std::is_same_v<T, Instant>) {
      bind_value(std::int64_t{value.time_since_epoch().count()});
    } else if constexpr (std::is_same_v<T, Duration>) {
      bind_value(std::int64_t{value.count()});
    } else if constexpr (std::is_integral_v<T>) {
      bind_value(static_cast<std::int64_t>(value));
    } else if constexpr (requires { value.str(); }) {
      bind_value(std::string_view(value.str()));
    } else if constexpr (std::is_convertible_v<const T&, std::string_view>) {
      bind_value(std::string_view(value));
    } else if constexpr (std::is_same_v<T, std::nullptr_t>) {
      bind_value(value);
    } else {
      bind_value(ByteView(value));
    }
  }
  template <class T>
  void read_one(int column, T& member) const {
    if constexpr (std::is_same_v<T, std::string>) {
      member = text(column);
    } else if constexpr (std::is_same_v<T, Bytes>) {
      member = blob(column);
    } else if constexpr (std::is_same_v<T, Instant>) {
      member = instant(column);
    } else if constexpr (std::is_same_v<T, bool>) {
      member = integer(column) != 0;
    } else if constexpr (std::is_integral_v<T>) {
      member = static_cast<T>(integer(column));
    } else {
      static_assert(std::is_constructible_v<T, std::string> && !std::is_constructible_v<T, std::nullopt_t>);
      member = T{text(column)};
    }
  }

  SQLite::Statement& statement_;
  const std::string& file_;
  int next_ = 1;
};

// Whoever only looks (an approver, a check) opens a store that they may read and not write.
enum class Access { read_write, read_only };

class Database {
 public:
  // Opens a file that exists. `wait` is how long a transaction waits for another process's before it is `unavailable`.
  Database(const std::filesystem::path& file, Duration wait, Access access = Access::read_write);
  ~Database();
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  // The statement of that text, prepared once. `sql` must be a literal: it is found again by its address.
  template <class... Values>
  Query query(const char* sql, const Values&... values) {
    return Query(prepared(sql), file_, values...);
  }
  // The same for a statement that gives no row; the number of rows it changed.
  template <class... Values>
  int run(const char* sql, const Values&... values) {
    return query(sql, values...).run();
  }
  // One or more statements, with no result.
  void execute(const std::string& sql);
  std::int64_t pragma(const std::string& name);
  // Writes a whole, compact copy of what is committed into `file`, which must be missing or empty. Not inside a
  // transaction of this object; another connection may hold one.
  void copy_into(const std::filesystem::path& file);

  // Runs `work` with another patience for other processes' transactions.
  void wait_for(Duration wait, const std::function<void()>& work);
  // Ends every prepared statement: one that is open keeps its table from being dropped. No Query may be alive.
  void forget_statements();

  // A reading transaction: everything asked within it speaks of one moment.
  class Read {
   public:
    explicit Read(Database& database);
    ~Read();
    Read(const Read&) = delete;
    Read& operator=(const Read&) = delete;

   private:
    Database& database_;
  };

  // A writing transaction: BEGIN IMMEDIATE, so that it waits before it has read anything and never fails in the middle
  // for a lock. Rolled back unless commit() returned.
  class Write {
   public:
    explicit Write(Database& database);
    ~Write();
    Write(const Write&) = delete;
    Write& operator=(const Write&) = delete;
    void commit();
    // Throws unavailable when SQLite has taken the transaction back by itself: what follows would be written at once.
    void expect_open() const;

   private:
    Database& database_;
    bool open_ = true;
  };
  // Runs once after the writing transaction that is under way was committed, and not when it is rolled back.
  void after_commit(std::function<void()> work) { after_commit_ = std::move(work); }
  // How many writing transactions this connection committed.
  std::uint64_t commits() const { return commits_; }
  const std::string& file() const { return file_; }

 private:
  SQLite::Statement& prepared(const char* sql);

  const std::string file_;
  std::unique_ptr<SQLite::Database> sqlite_;
  std::unordered_map<const char*, std::unique_ptr<SQLite::Statement>> statements_;
  Duration wait_;
  std::int64_t waited_since_ = 0;  // CLOCK_MONOTONIC in ms, when the present wait began
  std::uint64_t commits_ = 0;
  std::function<void()> after_commit_;
  static int busy(void* self, int times) noexcept;
};

}  // namespace hsmbridge::store
