// The file itself: its mode, its version, what is no store, damage, a full disk, other processes.
#include "foreign.h"
#include "store/sqlite_store.h"
#include "support/fake_clock.h"
#include "support/requests.h"
#include "support/temp_folder.h"

#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <fstream>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

using namespace hsmbridge;
using namespace hsmbridge::test;
using namespace hsmbridge::workflow;
using namespace std::chrono_literals;
using store::SqliteStore;

namespace {

struct Fixture {
  TempFolder folder;
  FakeClock clock;
  std::filesystem::path file = folder / "store.db";
  std::unique_ptr<SqliteStore> open(const store::OpenOptions& options = {}) {
    return SqliteStore::open(file, clock, options);
  }
};

std::string content(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

template <class Work>
ErrorKind kind_thrown(Work&& work) {
  try {
    work();
  } catch (const Error& error) {
    INFO(error.message());
    CHECK_FALSE(error.message().empty());
    return error.kind();
  }
  FAIL("nothing was thrown");
  return ErrorKind::internal;
}

unsigned mode_of(const std::filesystem::path& path) {
  struct stat status {};
  REQUIRE(::stat(path.c_str(), &status) == 0);
  return status.st_mode & 0777U;
}

}  // namespace

TEST_CASE_METHOD(Fixture, "a new store and its folder are for the owner alone") {
  file = folder / "deep";
  file /= "inside/store.db";
  auto store = open();
  create(*store, order_of("A", clock.now()));
  CHECK(mode_of(file) == 0600);
  CHECK(mode_of(file.string() + "-wal") == 0600);
  CHECK(mode_of(file.parent_path()) == 0700);
}

TEST_CASE_METHOD(Fixture, "a store that is missing is made only when that was asked") {
  store::OpenOptions options;
  options.missing = store::Missing::refuse;
  CHECK(kind_thrown([&] { open(options); }) == ErrorKind::not_found);
  CHECK_FALSE(std::filesystem::exists(file));
}

TEST_CASE_METHOD(Fixture, "an empty file becomes a store only when that was asked") {
  // Of 0 octets, and as SQLite leaves one that nobody wrote tables into.
  const bool touched = GENERATE(false, true);
  std::ofstream{file};
  REQUIRE(::chmod(file.c_str(), 0600) == 0);
  if (touched) REQUIRE(foreign(file, "PRAGMA journal_mode = WAL").empty());
  const std::string before = content(file);
  CHECK(before.empty() != touched);
  store::OpenOptions options;
  options.missing = store::Missing::refuse;
  try {
    open(options);
    FAIL("a store was made");
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::not_found);
    CHECK(error.message() == "the store " + file.string() + " is empty");
    CHECK(error.hint().find("hsmbridge store init") != std::string::npos);
  }
  CHECK(content(file) == before);
  CHECK_FALSE(std::filesystem::exists(file.string() + ".head"));
  open();
  open(options);
}

TEST_CASE_METHOD(Fixture, "whoever must not make a store waits for the process that makes it") {
  int begin[2];
  REQUIRE(::pipe(begin) == 0);
  const pid_t child = ::fork();  // before the folder is locked, or it would hold the lock too
  if (child == 0) {
    char octet = 0;
    (void)!::read(begin[0], &octet, 1);
    store::OpenOptions options;
    options.missing = store::Missing::refuse;
    try {
      open(options);
    } catch (...) {
      ::_exit(1);
    }
    ::_exit(0);
  }
  int status = -1;
  {
    auto making = store::make_file(file, store::Missing::create);
    REQUIRE(making);
    REQUIRE(::write(begin[1], "x", 1) == 1);
    while (!has_open(child, folder.path()) && ::waitpid(child, &status, WNOHANG) == 0) ::sched_yield();
    store::open_current(file, 10s, store::Access::read_write, store::Missing::create, std::move(making));
  }
  ::close(begin[0]);
  ::close(begin[1]);
  CHECK(status == -1);  // it waits
  if (status == -1) REQUIRE(::waitpid(child, &status, 0) == child);
  CHECK(status == 0);
}

TEST_CASE_METHOD(Fixture, "a store that somebody else may write is refused with the command that fixes it") {
  open();
  const auto refused = [&](const std::filesystem::path& path, mode_t mode) {
    const mode_t before = mode_of(path);
    REQUIRE(::chmod(path.c_str(), mode) == 0);
    std::string hint;
    try {
      open();
    } catch (const Error& error) {
      CHECK(error.kind() == ErrorKind::denied);
      CHECK(error.message().find(path.string()) != std::string::npos);
      hint = error.hint();
    }
    REQUIRE(::chmod(path.c_str(), before) == 0);
    return hint;
  };
  auto holder = open();  // keeps -wal and -shm there
  create(*holder, order_of("A", clock.now()));
  for (const std::string& path : {file.string(), file.string() + "-wal", file.string() + "-shm"}) {
    CHECK(refused(path, 0660) == "chmod go-w " + path);
    CHECK(refused(path, 0602) == "chmod go-w " + path);
    CHECK(refused(path, 0644) == "");
  }
  CHECK(refused(folder.path(), 0777) == "chmod go-w " + folder.path().string());
  CHECK(refused(folder.path(), 01777) == "");
  CHECK(open()->list({}).size() == 1);
}

TEST_CASE_METHOD(Fixture, "root is told as whom to write another user's store") {
  if (::geteuid() != 0) return;
  open();
  REQUIRE(::chown(file.c_str(), 65534, 65534) == 0);
  std::string hint;
  try {
    open();
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::denied);
    hint = error.hint();
  }
  CHECK(hint == "run this as nobody");  // a chown would keep its user out
}

TEST_CASE_METHOD(Fixture, "a look at a store in use leaves the locks of the process on it") {
  auto store = open();
  sqlite3* mine = nullptr;
  REQUIRE(sqlite3_open(file.c_str(), &mine) == SQLITE_OK);
  REQUIRE(sqlite3_exec(mine, "BEGIN IMMEDIATE", nullptr, nullptr, nullptr) == SQLITE_OK);
  store::expect_usable(file, store::Access::read_write);
  const pid_t child = ::fork();
  if (child == 0) {
    store::OpenOptions impatient;
    impatient.wait = 20ms;
    try {
      create(*open(impatient), order_of("A", clock.now()));
    } catch (const Error& error) {
      ::_exit(error.kind() == ErrorKind::unavailable ? 0 : 2);
    }
    ::_exit(1);
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  CHECK(status == 0);
  sqlite3_close(mine);
}

// Another user who may read the store as its group: what he meets in a process of his own, "" for nothing.
struct Reader : Fixture {
  static constexpr uid_t kReader = 1001;
  static constexpr gid_t kGroup = 1002;

  Reader() {
    open();
    REQUIRE(::chmod(folder.path().c_str(), 0750) == 0);
    REQUIRE(::chmod(file.c_str(), 0640) == 0);
    if (::geteuid() != 0) return;
    REQUIRE(::chown(folder.path().c_str(), 0, kGroup) == 0);
    REQUIRE(::chown(file.c_str(), 0, kGroup) == 0);
  }
  std::string met() {
    int ends[2];
    REQUIRE(::pipe(ends) == 0);
    const pid_t child = ::fork();
    if (child == 0) {
      std::string said = "the user cannot be changed";
      if (::setgroups(0, nullptr) == 0 && ::setgid(kGroup) == 0 && ::setuid(kReader) == 0) {
        store::OpenOptions options;
        options.access = store::Access::read_only;
        try {
          const auto store = open(options);
          said = store->list({}).size() == 1 && !store->older_than_its_mark() ? "" : "another store";
        } catch (const Error& error) {
          said = error.message() + "; " + error.hint();
        }
      }
      (void)!::write(ends[1], said.data(), said.size());
      ::_exit(0);
    }
    ::close(ends[1]);
    std::string said;
    char piece[512];
    for (ssize_t n; (n = ::read(ends[0], piece, sizeof piece)) > 0;) said.append(piece, static_cast<std::size_t>(n));
    ::close(ends[0]);
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    return said;
  }
};

TEST_CASE_METHOD(Reader, "what shows the loss of a store may be read by whoever may read the store") {
  const std::string mark = file.string() + ".head";
  REQUIRE(::chmod(mark.c_str(), 0600) == 0);
  auto store = open();
  create(*store, order_of("A", clock.now()));
  CHECK(mode_of(mark) == 0640);
  if (::geteuid() != 0) return;  // the rest needs another user
  CHECK(met() == "");
  // As a program before this one left it, until the next commit.
  REQUIRE(::chmod(mark.c_str(), 0600) == 0);
  CHECK(met() == "");
}

TEST_CASE_METHOD(Reader, "a reader of a store that nobody has open is told what to do") {
  create(*open(), order_of("A", clock.now()));
  if (::geteuid() != 0) return;  // root alone may become another user
  const std::string said = met();
  INFO(said);
  CHECK(said.find("no process has it open, and this user may not write in its folder") != std::string::npos);
  CHECK(said.find("start `hsmbridge run` as the store's user") != std::string::npos);
}

TEST_CASE("a file system of several hosts is told by its type") {
  CHECK(store::network_type(0x6969, "") == "NFS");
  CHECK(store::network_type(0xff534d42, "") == "CIFS");
  CHECK(store::network_type(0x01021997, "9p") == "9p");
  CHECK(store::network_type(0x65735546, "fuse.sshfs") == "sshfs");
  CHECK_FALSE(store::network_type(0x65735546, "fuse.ntfs-3g"));
  CHECK_FALSE(store::network_type(0xef53, "ext4"));
  CHECK_FALSE(store::network_type(0x01021994, "tmpfs"));
  CHECK_FALSE(store::network_type(0x794c7630, "overlay"));
}

TEST_CASE_METHOD(Fixture, "a store survives being closed and opened again") {
  const Order order = order_of("A", clock.now());
  create_awaiting_approval(*open(), order);
  auto store = open();
  CHECK(name_of(store->find(order.id)->state) == StateName::awaiting_approval);
  CHECK(store->effects(order.id).size() == 1);
  CHECK(store->history(order.id).size() == 8);
}

TEST_CASE_METHOD(Fixture, "a store is in write-ahead mode for every program") {
  open();
  sqlite3* other = nullptr;
  REQUIRE(sqlite3_open(file.c_str(), &other) == SQLITE_OK);
  std::string mode;
  sqlite3_exec(
      other, "PRAGMA journal_mode",
      [](void* out, int, char** columns, char**) {
        *static_cast<std::string*>(out) = columns[0];
        return 0;
      },
      &mode, nullptr);
  sqlite3_close(other);
  CHECK(mode == "wal");
}

TEST_CASE_METHOD(Fixture, "a store of a newer version is a conflict and not one octet of it changes") {
  open();
  REQUIRE(foreign(file, "PRAGMA user_version = " + std::to_string(store::kSchemaVersion + 1)) == "");
  const std::string before = content(file);
  CHECK(kind_thrown([&] { open(); }) == ErrorKind::conflict);
  CHECK(content(file) == before);
}

TEST_CASE_METHOD(Fixture, "a store of before the first release is a conflict and not one octet of it changes") {
  open();
  REQUIRE(foreign(file, "PRAGMA user_version = 2") == "");
  const std::string before = content(file);
  try {
    open();
    FAIL("it was opened");
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::conflict);
    CHECK(error.message().find("before its first release") != std::string::npos);
  }
  CHECK(content(file) == before);
}

TEST_CASE_METHOD(Fixture, "a database of another program is refused untouched") {
  REQUIRE(foreign(file, "CREATE TABLE theirs(a); INSERT INTO theirs VALUES (1)") == "");
  const std::string before = content(file);
  CHECK(kind_thrown([&] { open(); }) == ErrorKind::invalid_input);
  CHECK(content(file) == before);
}

TEST_CASE_METHOD(Fixture, "a file that is no database is refused untouched") {
  std::ofstream(file) << std::string(5000, 'x');
  const std::string before = content(file);
  CHECK(kind_thrown([&] { open(); }) == ErrorKind::invalid_input);
  CHECK(content(file) == before);
}

TEST_CASE_METHOD(Fixture, "an empty file becomes a store") {
  std::ofstream{file};
  auto store = open();
  create(*store, order_of("A", clock.now()));
  CHECK(store->list({}).size() == 1);
}

TEST_CASE_METHOD(Fixture, "no program changes or deletes an event or a leaf or an order by accident") {
  create(*open(), order_of("A", clock.now()));
  for (const char* sql : {
           "UPDATE events SET actor = 'me'",
           "DELETE FROM events",
           "INSERT OR REPLACE INTO events SELECT request, sequence, at, 'me', event, body, after FROM events",
           "UPDATE leaves SET hash = x'00'",
           "DELETE FROM leaves",
           "INSERT OR REPLACE INTO leaves VALUES (0, x'00', x'00', x'00')",
           "INSERT INTO leaves VALUES (7, x'00', x'00', x'00')",
           "UPDATE requests SET order_json = '{}'",
           "DELETE FROM requests",
       }) {
    CAPTURE(sql);
    CHECK_FALSE(foreign(file, sql).empty());
  }
  CHECK(open()->tree_head().size() == 2);
}

TEST_CASE_METHOD(Fixture, "columns keep their type") {
  create(*open(), order_of("A", clock.now()));
  CHECK_FALSE(foreign(file, "UPDATE effects SET due = 'soon'").empty());
}

TEST_CASE_METHOD(Fixture, "a damaged file is corrupt") {
  {
    auto store = open();
    for (int i = 0; i < 50; ++i) create(*store, order_of("R" + std::to_string(i), clock.now()));
  }
  REQUIRE(foreign(file, "PRAGMA wal_checkpoint(TRUNCATE)") == "");
  {
    std::fstream damage(file, std::ios::binary | std::ios::in | std::ios::out);
    const auto size = static_cast<std::streamoff>(std::filesystem::file_size(file));
    damage.seekp(4096);
    damage << std::string(static_cast<std::size_t>(size - 4096), '\x5a');
  }
  CHECK(kind_thrown([&] {
          auto store = open();
          (void)store->list({});
        }) == ErrorKind::corrupt);
}

TEST_CASE_METHOD(Fixture, "one unreadable request is corrupt by itself and keeps no other from being claimed") {
  auto store = open();
  create(*store, order_of("A", clock.now()));
  create(*store, order_of("B", clock.now()));
  REQUIRE(foreign(file, "UPDATE requests SET state_json = '{\"state\":\"Dreaming\"}' WHERE id = 'A'") == "");
  CHECK(kind_thrown([&] { (void)store->find(RequestId{"A"}); }) == ErrorKind::corrupt);
  ClaimQuery query;
  query.worker = "w";
  query.lanes["token:web"] = 2;
  query.lease = 90s;
  const std::vector<Claim> claims = store->claim(query, clock.now());
  REQUIRE(claims.size() == 1);
  CHECK(claims[0].record.order.id == RequestId{"B"});
}

TEST_CASE_METHOD(Fixture, "a full disk is unavailable and leaves nothing half-written") {
  // RLIMIT_FSIZE plays the full disk: write(2) fails the same way (SQLite sees a short write), and needs no mount.
  create(*open(), order_of("FIRST", clock.now()));
  const pid_t child = ::fork();
  if (child == 0) {
    ::signal(SIGXFSZ, SIG_IGN);
    int answer = 1;
    try {
      auto store = open();
      struct rlimit limit {};
      ::getrlimit(RLIMIT_FSIZE, &limit);
      limit.rlim_cur = 60'000;
      ::setrlimit(RLIMIT_FSIZE, &limit);
      Order big = order_of("BIG", clock.now());
      test::wanted(big).content.accept = {std::string(200'000, 'x')};
      try {
        create(*store, big);
        answer = 2;
      } catch (const Error& error) {
        answer = error.kind() == ErrorKind::unavailable ? 0 : 3;
      }
      if (answer == 0 && (store->find(big.id) || store->tree_head().size() != 2)) answer = 4;
      // Room again: the same object goes on.
      limit.rlim_cur = limit.rlim_max;
      ::setrlimit(RLIMIT_FSIZE, &limit);
      if (answer == 0) create(*store, big);
    } catch (const std::exception&) {
      answer = 5;
    }
    ::_exit(answer);
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  REQUIRE(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 0);
  auto store = open();
  CHECK(store->list({}).size() == 2);
  CHECK(store->tree_head().size() == 4);
}

TEST_CASE_METHOD(Fixture, "a transaction that waits too long for another process is unavailable") {
  auto store = open();
  sqlite3* other = nullptr;
  REQUIRE(sqlite3_open(file.c_str(), &other) == SQLITE_OK);
  REQUIRE(sqlite3_exec(other, "BEGIN IMMEDIATE", nullptr, nullptr, nullptr) == SQLITE_OK);
  store::OpenOptions impatient;
  impatient.wait = 20ms;
  auto waiting = open(impatient);
  CHECK(kind_thrown([&] { create(*waiting, order_of("A", clock.now())); }) == ErrorKind::unavailable);
  REQUIRE(sqlite3_exec(other, "ROLLBACK", nullptr, nullptr, nullptr) == SQLITE_OK);
  sqlite3_close(other);
  create(*waiting, order_of("A", clock.now()));
  CHECK(store->list({}).size() == 1);
}

TEST_CASE_METHOD(Fixture, "processes that create the same store at once all find it whole") {
  std::vector<pid_t> children;
  for (int i = 0; i < 4; ++i) {
    const pid_t child = ::fork();
    if (child == 0) {
      int answer = 0;
      try {
        auto store = open();
        for (int n = 0; n < 10; ++n) {
          create(*store, order_of("P" + std::to_string(i) + "N" + std::to_string(n), clock.now()));
        }
      } catch (const std::exception&) {
        answer = 1;
      }
      ::_exit(answer);
    }
    children.push_back(child);
  }
  for (const pid_t child : children) {
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    CHECK(status == 0);
  }
  auto store = open();
  CHECK(store->list({}).size() == 40);
  CHECK(store->tree_head().size() == 80);
}

TEST_CASE_METHOD(Fixture, "a store whose tables are made while it is looked at is never another program's") {
  // The first process has switched the file to WAL; its tables come between two questions of the second one.
  static Fixture* fixture = nullptr;
  static unsigned made = 0;
  fixture = this;
  made = 0;
  REQUIRE(foreign(file, "PRAGMA journal_mode = WAL") == "");
  std::unique_ptr<SqliteStore> store;
  {
    const Watch watch([](const std::string& sql) {
      if (sql == "PRAGMA user_version" && made++ == 0) fixture->open();
    });
    store = open();
  }
  CHECK(made > 1);
  create(*store, order_of("A", clock.now()));
  CHECK(store->list({}).size() == 1);
}

TEST_CASE_METHOD(Fixture, "two workers that claim at once never hold the same effect") {
  {
    auto store = open();
    for (int i = 0; i < 100; ++i) create_ready_to_submit(*store, order_of("R" + std::to_string(i), clock.now()));
  }
  std::vector<std::vector<std::int64_t>> held(2);
  std::vector<std::thread> workers;
  for (std::size_t w = 0; w < 2; ++w) {
    workers.emplace_back([&, w] {
      auto store = open();
      ClaimQuery query;
      query.worker = "worker-" + std::to_string(w);
      query.lanes["provider:tsb"] = 3;
      query.lease = 90s;
      for (auto claims = store->claim(query, clock.now()); !claims.empty(); claims = store->claim(query, clock.now())) {
        for (const Claim& claim : claims) held[w].push_back(claim.effect_id);
      }
    });
  }
  for (std::thread& worker : workers) worker.join();
  std::vector<std::int64_t> all = held[0];
  all.insert(all.end(), held[1].begin(), held[1].end());
  std::sort(all.begin(), all.end());
  CHECK(all.size() == 100);
  CHECK(std::adjacent_find(all.begin(), all.end()) == all.end());
}
