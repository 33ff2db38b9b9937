// A migration among processes: who waits for whom, and what an end in the middle of it leaves.
#include "base/descriptor.h"
#include "old_stores.h"
#include "store/schema.h"
#include "support/requests.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <algorithm>
#include <set>

using namespace hsmbridge;
using namespace hsmbridge::test;
using namespace hsmbridge::workflow;
using namespace std::chrono_literals;

namespace {

// A program of before, in a process of its own: it looked at the store once and has been idle since.
class OlderProgram {
 public:
  explicit OlderProgram(const std::filesystem::path& file) {
    int ready[2];
    int stop[2];
    REQUIRE((::pipe(ready) == 0 && ::pipe(stop) == 0));
    process = ::fork();
    char octet = 0;
    if (process == 0) {
      ::close(stop[1]);
      sqlite3* database = nullptr;
      const bool open = sqlite3_open(file.c_str(), &database) == SQLITE_OK &&
                        sqlite3_exec(database, "SELECT count(*) FROM requests", nullptr, nullptr, nullptr) == SQLITE_OK;
      (void)!::write(ready[1], "x", open ? 1 : 0);
      (void)!::read(stop[0], &octet, 1);
      sqlite3_close(database);
      ::_exit(0);
    }
    ::close(ready[1]);
    ::close(stop[0]);
    stop_ = stop[1];
    REQUIRE(::read(ready[0], &octet, 1) == 1);
    ::close(ready[0]);
  }
  ~OlderProgram() {
    (void)!::write(stop_, "x", 1);
    ::close(stop_);
    ::waitpid(process, nullptr, 0);
  }
  OlderProgram(const OlderProgram&) = delete;
  OlderProgram& operator=(const OlderProgram&) = delete;

  pid_t process = 0;

 private:
  int stop_ = -1;
};

}  // namespace

TEST_CASE_METHOD(Version3, "a store that an idle older program has open is left alone until that ends") {
  {
    const OlderProgram older(file);
    store::OpenOptions impatient;
    impatient.wait = 20ms;
    CHECK_THROWS_WITH(SqliteStore::open(file, clock, impatient),
                      Catch::Contains("of an older version, and process " + std::to_string(older.process) + " has it"));
    CHECK(version_of(file) == "3");
    CHECK(backups().empty());
  }
  open();
  CHECK(version_of(file) == std::to_string(store::kSchemaVersion));
}

TEST_CASE_METHOD(Version3, "an older program that ends in time is waited for") {
  auto older = std::make_unique<OlderProgram>(file);
  static int at_the_lock[2];
  REQUIRE(::pipe(at_the_lock) == 0);
  const pid_t child = ::fork();
  if (child == 0) {
    const Watch watch([](const std::string& sql) {
      if (sql == "PRAGMA locking_mode = EXCLUSIVE") (void)!::write(at_the_lock[1], "x", 1);
    });
    try {
      open();
    } catch (...) {
      ::_exit(1);
    }
    ::_exit(0);
  }
  char octet = 0;
  REQUIRE(::read(at_the_lock[0], &octet, 1) == 1);
  older.reset();
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  CHECK(status == 0);
  CHECK(version_of(file) == std::to_string(store::kSchemaVersion));
  ::close(at_the_lock[0]);
  ::close(at_the_lock[1]);
}

TEST_CASE_METHOD(Version3, "the lease of an older program that is gone keeps no store from being migrated") {
  std::string boot = to_text(read_file("/proc/sys/kernel/random/boot_id", 64));
  boot.pop_back();
  REQUIRE(foreign(file, "UPDATE effects SET owner = 'host/1/0-ab', lease_boot = '" + boot +
                            "', lease_until = 9000000000000000 WHERE id = 1")
              .empty());
  open();
  CHECK(version_of(file) == std::to_string(store::kSchemaVersion));
}

TEST_CASE_METHOD(Version3, "an older program that begins within the migration does not get the store") {
  static int seen = SQLITE_OK;
  static std::string path;
  path = file.string();
  {
    const Watch watch([](const std::string& sql) {
      if (sql != "PRAGMA user_version = " + std::to_string(store::kSchemaVersion)) return;
      const int status = in_child([] {
        sqlite3* other = nullptr;
        sqlite3_open(path.c_str(), &other);
        ::_exit(sqlite3_exec(other, "SELECT count(*) FROM requests", nullptr, nullptr, nullptr));
      });
      seen = WEXITSTATUS(status);
    });
    open();
  }
  CHECK(seen == SQLITE_BUSY);
  CHECK(version_of(file) == std::to_string(store::kSchemaVersion));
}

TEST_CASE_METHOD(Version3, "whoever opens a store that another process migrates waits for that") {
  open();
  int begin[2];
  REQUIRE(::pipe(begin) == 0);
  const pid_t child = ::fork();  // before the locks are taken, or it would hold one of them too
  if (child == 0) {
    char octet = 0;
    (void)!::read(begin[0], &octet, 1);
    store::OpenOptions impatient;
    impatient.wait = 1ms;
    try {
      SqliteStore::open(file, clock, impatient);
    } catch (...) {
      ::_exit(1);
    }
    ::_exit(0);
  }
  int status = -1;
  {
    const Descriptor turn(::open(folder.path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    REQUIRE(::flock(turn.get(), LOCK_EX) == 0);
    sqlite3* migrating = nullptr;
    REQUIRE(sqlite3_open(file.c_str(), &migrating) == SQLITE_OK);
    REQUIRE(sqlite3_exec(migrating, "PRAGMA locking_mode = EXCLUSIVE; SELECT count(*) FROM requests", nullptr, nullptr,
                         nullptr) == SQLITE_OK);
    REQUIRE(::write(begin[1], "x", 1) == 1);
    while (!has_open(child, folder.path()) && ::waitpid(child, &status, WNOHANG) == 0) ::sched_yield();
    sqlite3_close(migrating);
  }
  ::close(begin[0]);
  ::close(begin[1]);
  CHECK(status == -1);  // it waits
  if (status == -1) REQUIRE(::waitpid(child, &status, 0) == child);
  CHECK(status == 0);
}

TEST_CASE_METHOD(Version3, "a copy of the old store is left and is a whole store of version 3") {
  open();
  const auto left = backups();
  REQUIRE(left.size() == 1);
  CHECK(left[0].filename().string().starts_with("store.db.version-3."));
  struct stat status {};
  REQUIRE(::stat(left[0].c_str(), &status) == 0);
  CHECK((status.st_mode & 0777) == 0600);
  CHECK(version_of(left[0]) == "3");
  CHECK(foreign_rows(left[0], "PRAGMA integrity_check").at(0).at(0) == "ok");
  const auto requests = foreign_rows(file, "SELECT id FROM requests ORDER BY id");
  CHECK(foreign_rows(left[0], "SELECT id FROM requests ORDER BY id") == requests);
  // Put back, it is migrated like any other.
  const std::filesystem::path restored = folder / "restored.db";
  std::filesystem::copy_file(left[0], restored);
  CHECK(SqliteStore::open(restored, clock)->list({}).size() == requests.size());
  open();
  CHECK(version_of(file) == std::to_string(store::kSchemaVersion));
  CHECK(foreign_rows(file, "PRAGMA journal_mode").at(0).at(0) == "wal");
  CHECK(foreign_rows(restored, "PRAGMA journal_mode").at(0).at(0) == "wal");
}

TEST_CASE_METHOD(Version3, "several processes may open a store of version 3 at once and keep it open") {
  int begin[2];
  int done[2];
  int stop[2];
  REQUIRE((::pipe(begin) == 0 && ::pipe(done) == 0 && ::pipe(stop) == 0));
  std::vector<pid_t> children;
  for (int i = 0; i < 5; ++i) {
    const pid_t child = ::fork();
    if (child == 0) {
      ::close(begin[1]);
      ::close(done[0]);
      ::close(stop[1]);
      char octet = 0;
      (void)!::read(begin[0], &octet, 1);
      try {
        const auto store = open();
        create(*store, order_of("P" + std::to_string(i), clock.now()));
        (void)!::write(done[1], "x", 1);
        (void)!::read(stop[0], &octet, 1);
      } catch (...) {
        (void)!::write(done[1], "-", 1);
        ::_exit(1);
      }
      ::_exit(0);
    }
    children.push_back(child);
  }
  for (const int end : {begin[0], done[1], stop[0]}) ::close(end);
  {
    // All of them have seen version 3 when the first may begin.
    const Descriptor turn(::open(folder.path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    REQUIRE(::flock(turn.get(), LOCK_EX) == 0);
    ::close(begin[1]);
    for (const pid_t child : children) {
      siginfo_t ended{};
      while (!has_open(child, folder.path()) && ended.si_pid == 0) {
        ::sched_yield();
        REQUIRE(::waitid(P_PID, static_cast<id_t>(child), &ended, WEXITED | WNOHANG | WNOWAIT) == 0);
      }
    }
  }
  char octet = 0;
  for (std::size_t i = 0; i < children.size(); ++i) {
    REQUIRE(::read(done[0], &octet, 1) == 1);
    CHECK(octet == 'x');
  }
  ::close(done[0]);
  ::close(stop[1]);
  for (const pid_t child : children) {
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    CHECK(status == 0);
  }
  CHECK(backups().size() == 1);
  CHECK(foreign_rows(file, "SELECT id FROM requests WHERE id LIKE 'P_'").size() == 5);
}

TEST_CASE_METHOD(Version3, "whoever waits for a migration says which process keeps it from the store") {
  int begin[2];
  int said[2];
  REQUIRE((::pipe(begin) == 0 && ::pipe(said) == 0));
  const pid_t child = ::fork();
  if (child == 0) {
    char octet = 0;
    (void)!::read(begin[0], &octet, 1);
    ::dup2(said[1], STDERR_FILENO);
    ::close(said[1]);
    try {
      open();
    } catch (...) {
      ::_exit(1);
    }
    ::_exit(0);
  }
  ::close(said[1]);
  const std::string wanted =
      "process " + std::to_string(::getpid()) + " has locked the folder " + folder.path().string();
  std::string log;
  {
    const Descriptor turn(::open(folder.path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    REQUIRE(::flock(turn.get(), LOCK_EX) == 0);
    REQUIRE(::write(begin[1], "x", 1) == 1);
    char octet = 0;
    while (log.find(wanted) == std::string::npos && ::read(said[0], &octet, 1) == 1) log += octet;
  }
  CAPTURE(log);
  CHECK(log.find(wanted) != std::string::npos);
  while (::read(said[0], log.data(), log.size()) > 0) {
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  CHECK(status == 0);
  CHECK(version_of(file) == std::to_string(store::kSchemaVersion));
  for (const int end : {begin[0], begin[1], said[0]}) ::close(end);
}

TEST_CASE_METHOD(Version3, "a process killed within the migration leaves version 3, and the next one migrates") {
  const int status = in_child([&] {
    ::setenv("HSMBRIDGE_FAILPOINT", "store.before-commit", 1);
    open();
  });
  REQUIRE(WIFSIGNALED(status));
  CHECK(version_of(file) == "3");
  CHECK(foreign_rows(file, "SELECT name FROM sqlite_schema WHERE name = 'tree_heads'").empty());
  const std::size_t requests = foreign_rows(file, "SELECT 1 FROM requests").size();
  // What it left is no litter: half a copy goes, and the whole one is the one that is kept.
  REQUIRE(backups().size() == 1);
  const std::filesystem::path half = folder / "store.db.version-3.20260921T000000Z.backup.0011223344556677.part";
  std::filesystem::copy_file(file, half);
  const std::filesystem::path other = folder / "store.db.version-3.20260101T000000Z.backup";
  std::filesystem::copy_file(file, other);
  CHECK(open()->list({}).size() == requests);
  CHECK_FALSE(std::filesystem::exists(half));
  CHECK(std::filesystem::exists(other));
  CHECK(backups().size() == 2);
}

TEST_CASE_METHOD(Version3, "a disk that is full at any moment of the migration leaves version 3 or a whole store") {
  // RLIMIT_FSIZE plays the full disk, as in file_test.cpp.
  unsigned failed = 0;
  unsigned done = 0;
  for (rlim_t most = 20'000; most < 600'000; most += 30'000) {
    const std::filesystem::path own = folder / std::to_string(most);
    make(own);
    const int status = in_child([&] {
      ::signal(SIGXFSZ, SIG_IGN);
      const struct rlimit limit { most, most };
      ::setrlimit(RLIMIT_FSIZE, &limit);
      SqliteStore::open(own, clock);
    });
    REQUIRE(WIFEXITED(status));
    CAPTURE(most, WEXITSTATUS(status));
    CHECK((WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == 3));
    WEXITSTATUS(status) == 0 ? ++done : ++failed;
    CHECK(version_of(own) == (WEXITSTATUS(status) == 0 ? std::to_string(store::kSchemaVersion) : "3"));
    CHECK(foreign_rows(own, "PRAGMA integrity_check").at(0).at(0) == "ok");
    if (WEXITSTATUS(status) == 0) continue;
    // A copy that nobody needs would fill the disk further at every try.
    CHECK(backups().size() == done);
    CHECK(SqliteStore::open(own, clock)->list({}).size() > 20);
    ++done;
  }
  CHECK(failed >= 3);
  CHECK(done > failed);
}

TEST_CASE_METHOD(Version3, "a store of version 3 that is opened for reading only is a conflict") {
  store::OpenOptions options;
  options.access = store::Access::read_only;
  try {
    SqliteStore::open(file, clock, options);
    FAIL("it was opened");
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::conflict);
  }
  CHECK(version_of(file) == "3");
  open();
  auto reader = SqliteStore::open(file, clock, options);
  CHECK(reader->list({}).size() > 20);
  try {
    create(*reader, order_of("NEW", clock.now()));
    FAIL("it was written");
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::denied);
  }
}
