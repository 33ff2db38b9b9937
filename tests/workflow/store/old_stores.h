#pragma once

#include "base/error.h"
#include "base/file.h"
#include "foreign.h"
#include "store/sqlite_store.h"
#include "support/fake_clock.h"
#include "support/temp_folder.h"

#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cctype>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

// Stores of older versions, as their own programs left them.
namespace hsmbridge::test {

using store::SqliteStore;

// A store of version 3 as its own program left it (tests/data/store/README.md).
struct Version3 {
  TempFolder folder;
  FakeClock clock;
  std::filesystem::path file = folder / "store.db";

  explicit Version3(const std::string& version = "3") { make(file, version); }
  static void make(const std::filesystem::path& path, const std::string& version = "3") {
    REQUIRE(foreign(path, to_text(read_file(HSMBRIDGE_TEST_DATA "/store/version" + version + ".sql"))).empty());
    REQUIRE(foreign(path, "PRAGMA journal_mode = WAL").empty());
  }
  std::unique_ptr<SqliteStore> open(const std::string& boot = {}) {
    store::OpenOptions options;
    options.boot_id = boot;
    return SqliteStore::open(file, clock, options);
  }
  std::vector<std::filesystem::path> backups() const {
    std::vector<std::filesystem::path> found;
    for (const auto& entry : std::filesystem::directory_iterator(folder.path())) {
      if (entry.path().extension() == ".backup") found.push_back(entry.path());
    }
    return found;
  }
  // Runs `work` in a process of its own; the status as waitpid gives it.
  template <class Work>
  static int in_child(Work&& work) {
    const pid_t child = ::fork();
    if (child == 0) {
      try {
        work();
      } catch (const Error& error) {
        ::_exit(error.kind() == ErrorKind::unavailable ? 3 : 4);
      } catch (...) {
        ::_exit(5);
      }
      ::_exit(0);
    }
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    return status;
  }
};

struct Version4 : Version3 {
  Version4() : Version3("4") {}
};

inline std::string version_of(const std::filesystem::path& file) {
  return foreign_rows(file, "PRAGMA user_version").at(0).at(0);
}

// Everything that a schema is, whatever the text that made its tables.
inline std::vector<std::vector<std::string>> schema_of(const std::filesystem::path& file) {
  auto rows = foreign_rows(
      file,
      "SELECT m.name, c.name, c.type, c.\"notnull\", COALESCE(c.dflt_value, ''), c.pk FROM sqlite_schema m "
      "JOIN pragma_table_xinfo(m.name) c WHERE m.type = 'table' ORDER BY 1, 2");
  for (std::vector<std::string>& row :
       foreign_rows(file,
                    "SELECT name, tbl_name, type, sql FROM sqlite_schema WHERE type <> 'table' AND sql IS NOT NULL "
                    "ORDER BY type, name")) {
    std::erase_if(row.back(), [](unsigned char c) { return std::isspace(c) != 0; });
    rows.push_back(std::move(row));
  }
  return rows;
}

}  // namespace hsmbridge::test
