// Stores of older versions, brought up to this one.
#include "audit/merkle.h"
#include "base/descriptor.h"
#include "base/file.h"
#include "foreign.h"
#include "store/schema.h"
#include "store/sqlite_store.h"
#include "support/fake_clock.h"
#include "support/requests.h"
#include "support/temp_folder.h"
#include "workflow/machine/codec.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

using namespace hsmbridge;
using namespace hsmbridge::test;
using namespace hsmbridge::workflow;
using namespace std::chrono_literals;
using store::SqliteStore;

namespace {

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

std::string version_of(const std::filesystem::path& file) {
  return foreign_rows(file, "PRAGMA user_version").at(0).at(0);
}

// Everything that a schema is, whatever the text that made its tables.
std::vector<std::vector<std::string>> schema_of(const std::filesystem::path& file) {
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

}  // namespace

TEST_CASE_METHOD(Version3, "the store of version 3 has a request in every state of that version") {
  const auto rows = foreign_rows(file, "SELECT DISTINCT state FROM requests");
  for (std::size_t i = 0; i < kStateCount; ++i) {
    const std::string name(to_string(static_cast<StateName>(i)));
    CAPTURE(name);
    CHECK(std::find(rows.begin(), rows.end(), std::vector<std::string>{name}) != rows.end());
  }
}

TEST_CASE_METHOD(Version3, "a migrated store has the tables, indexes and triggers of a new one") {
  open();
  const std::filesystem::path fresh = folder / "fresh.db";
  SqliteStore::open(fresh, clock);
  CHECK(schema_of(file) == schema_of(fresh));
  CHECK(foreign_rows(file, "PRAGMA integrity_check") == std::vector<std::vector<std::string>>{{"ok"}});
  CHECK(foreign_rows(file, "PRAGMA foreign_key_check").empty());
}

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

TEST_CASE_METHOD(Version3, "a state that is not what the list says does not keep a store from being migrated") {
  REQUIRE(foreign(file,
                  "UPDATE requests SET state_json = (SELECT state_json FROM requests WHERE state = 'Completed') "
                  "WHERE state = 'Quarantined'")
              .empty());
  open();
  CHECK(version_of(file) == std::to_string(store::kSchemaVersion));
}

TEST_CASE_METHOD(Version3, "every request of a store of version 3 is there after the migration") {
  const auto requests = foreign_rows(file, "SELECT id, order_json, state_json, state, sequence FROM requests");
  const auto effects = foreign_rows(file, "SELECT request, count(*) FROM effects GROUP BY request");
  auto store = open();
  REQUIRE(store->list({}).size() == requests.size());
  for (const auto& row : requests) {
    CAPTURE(row[0]);
    const auto record = store->find(RequestId{row[0]});
    REQUIRE(record);
    CHECK(record->order == order_from(Json::parse(row[1])));
    CHECK(to_string(name_of(record->state)) == row[3]);
    if (row[3] != "Quarantined") CHECK(record->state == state_from(Json::parse(row[2])));
    CHECK(std::to_string(record->sequence) == row[4]);
    const auto history = store->history(RequestId{row[0]});
    REQUIRE(std::to_string(history.size()) == row[4]);
    CHECK(history.back().after == name_of(record->state));
  }
  for (const auto& row : effects) {
    CAPTURE(row[0]);
    CHECK(std::to_string(store->effects(RequestId{row[0]}).size()) == row[1]);
  }
  CHECK(store->late_answers(RequestId{"CANCELLED"}).size() == 1);
  CHECK(store->certificates(CertificateQuery{}).size() == 6);
  CHECK(store->keys(KeyQuery{}).size() == foreign_rows(file, "SELECT 1 FROM keys").size());
}

TEST_CASE_METHOD(Version3, "requests of a store of version 3 go on after the migration") {
  auto store = open();
  clock.advance(24h);
  const auto go = [&](const char* id, EventBody body) {
    take(*store, RequestId{id}, std::move(body), clock.now());
    return name_of(store->find(RequestId{id})->state);
  };
  CHECK(go("PREPARING", KeyReady{key_of_test()}) == StateName::preparing);
  CHECK(go("SUBMITTING", AttemptStarted{1, "worker", clock.now() + 1min}) == StateName::submitting);
  CHECK(go("AWAITING-COMMAND", Commanded{}) == StateName::submitting);
  StatusReport ready;
  ready.status = RequestStatus::ready;
  ready.reference = ProviderReference{"found"};
  ready.provider_status = "ISSUED";
  CHECK(go("LOOKING-UP", FoundAtProvider{1, ready}) == StateName::retrieving);
  CHECK(go("AWAITING-APPROVAL", Reported{ready}) == StateName::retrieving);
  CHECK(go("RENEW", Reported{ready}) == StateName::retrieving);
  const IssuedResult result{IssuedCertificate{Bytes{1}}, Bytes{1}};
  CHECK(go("AWAITING-APPROVAL", ResultReceived{0, {}, result}) == StateName::verifying);
  CHECK(go("UNRESOLVED-HANDOUT", ResolvedAsCertificate{result}) == StateName::verifying);
  CHECK(go("INSTALLING", TargetInstalled{"file:/etc/ssl/www.pem"}) == StateName::completed);
  CHECK(go("REVOKE", CancelAsked{"not needed"}) == StateName::cancelled);
  create(*store, order_of("NEW", clock.now()));
  // Claims find the work of the old requests.
  ClaimQuery query;
  query.worker = "w";
  query.lanes["token:web"] = 20;
  query.lanes["provider:tsb"] = 20;
  query.lease = 90s;
  CHECK(store->claim(query, clock.now() + 48h).size() >= 5);
}

TEST_CASE_METHOD(Version3, "a lost submission of a store of version 3 is looked up in time, also after a reboot") {
  const std::string boot = GENERATE("the boot of version 3", "the next boot");
  open(boot);
  clock.advance(1h);
  auto store = open(boot);
  ClaimQuery query;
  query.worker = "w";
  query.lanes["provider:tsb"] = 20;
  query.lease = 90s;
  const auto looked_up = [&] {
    const auto claims = store->claim(query, clock.now());
    return std::any_of(claims.begin(), claims.end(), [](const Claim& one) {
      return one.effect.name == EffectName::look_up && one.record.order.id == RequestId{"LOOKING-UP"};
    });
  };
  // Of another boot's time nobody knows how much has passed: it waits again for as long as it had to.
  CHECK(looked_up() == (boot == "the boot of version 3"));
  clock.advance(2min);
  CHECK(looked_up());
}

TEST_CASE_METHOD(Version3, "a store that an early version 4 made of version 3 gets over its endless leases") {
  open("one");
  // What that program left: no times, and a lease that ends when as much time has passed as since 1970.
  const bool rebooted = GENERATE(false, true);
  REQUIRE(foreign(file,
                  "UPDATE effects SET set_at = 0, lease_boot = 'one', lease_until = 1790000098000 WHERE request = "
                  "'LOOKING-UP'")
              .empty());
  clock.advance(1h);
  auto store = open(rebooted ? "two" : "one");
  const auto due = [&] { return store->effect_status(RequestId{"LOOKING-UP"}).at(0).effect.due; };
  CHECK(due() > clock.now());
  CHECK(due() <= clock.now() + 2min);
  store->follow_clock(clock.now());
  ClaimQuery query;
  query.worker = "w";
  query.lanes["provider:tsb"] = 20;
  query.lease = 90s;
  query.only = {RequestId{"LOOKING-UP"}};
  CHECK(store->claim(query, clock.now()).empty());
  CHECK(store->next_due(query) == due());
  clock.advance(due() - clock.now());
  CHECK(store->claim(query, clock.now()).size() == 1);
}

TEST_CASE_METHOD(Version3, "a quarantined request of a store of version 3 can be judged again after the migration") {
  const auto ids = foreign_rows(file, "SELECT id FROM requests WHERE state = 'Quarantined'");
  REQUIRE_FALSE(ids.empty());
  auto store = open();
  for (const auto& row : ids) {
    CAPTURE(row[0]);
    const RequestId id{row[0]};
    const auto quarantined = std::get<Quarantined>(store->find(id)->state);
    CHECK_FALSE(quarantined.prepared.draft.csr.empty());
    CHECK_FALSE(quarantined.result.octets().empty());
    // Ordered once more since, it is over as long as the other one is open.
    const bool repeated = row[0] == "QUARANTINED-REPEATED";
    CHECK(foreign_rows(file, "SELECT final FROM requests WHERE id = '" + row[0] + "'").at(0).at(0) ==
          (repeated ? "1" : "0"));
    if (repeated) {
      try {
        take(*store, id, JudgementAsked{}, clock.now());
        FAIL("two requests do the same work");
      } catch (const Error& error) {
        CHECK(error.kind() == ErrorKind::conflict);
        CHECK(error.message().find("is open for the same work") != std::string::npos);
      }
      continue;
    }
    take(*store, id, JudgementAsked{{"subject-changed"}}, clock.now());
    CHECK(name_of(store->find(id)->state) == StateName::verifying);
    CHECK(store->effects(id).size() == 1);
  }
}

TEST_CASE_METHOD(Version3, "the work that an older program wrote down is compared as it is stored") {
  open();
  // As if that program had described the content of the order in other words.
  REQUIRE(foreign(file,
                  "DROP TRIGGER orders_never_change; UPDATE requests SET work = 'in other words' WHERE work = "
                  "(SELECT work FROM requests WHERE id = 'QUARANTINED-REPEATED')")
              .empty());
  auto store = open();
  try {
    take(*store, RequestId{"QUARANTINED-REPEATED"}, JudgementAsked{}, clock.now());
    FAIL("two requests do the same work");
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::conflict);
  }
}

TEST_CASE_METHOD(Version3, "a late answer that an older program kept is not kept a second time") {
  auto store = open();
  const auto kept = store->late_answers(RequestId{"CANCELLED"});
  REQUIRE(kept.size() == 1);
  const std::string written = workflow::to_json(kept[0].event.body).dump();
  REQUIRE(foreign_rows(file, "SELECT body FROM late_answers").at(0).at(0) != written);
  const std::uint64_t leaves = store->tree_head().size();
  store->keep_late_answer(kept[0], std::nullopt);
  CHECK(store->late_answers(RequestId{"CANCELLED"}).size() == 1);
  CHECK(store->tree_head().size() == leaves);
}

TEST_CASE_METHOD(Version3, "the leaves of a store of version 3 get their roots") {
  auto store = open();
  audit::TreeHead head;
  const auto roots = foreign_rows(file, "SELECT lower(hex(root)) FROM leaves ORDER BY position");
  const auto leaves = store->leaves(0, 1'000'000);
  REQUIRE(leaves.size() == roots.size());
  REQUIRE(leaves.size() > 200);
  for (const workflow::Leaf& leaf : leaves) {
    head.append(leaf.hash);
    CHECK(roots[leaf.position][0] == hex(head.root()));
  }
  CHECK(store->tree_head().root() == head.root());
  store->append_audit("after", "{}", "uid:ann", clock.now());
  CHECK(store->tree_head().size() == head.size() + 1);
  CHECK(store->verify_audit(workflow::AuditDepth::whole).faults == std::vector<std::string>{});
  CHECK_FALSE(store->restored());
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

TEST_CASE_METHOD(Version3, "the octets of drafts leave the states of a store of version 4, and nothing else does") {
  const std::filesystem::path fourth = folder / "fourth.db";
  REQUIRE(foreign(fourth, to_text(read_file(HSMBRIDGE_TEST_DATA "/store/version4.sql"))).empty());
  REQUIRE(foreign(fourth, "PRAGMA journal_mode = WAL").empty());
  const auto requests = foreign_rows(fourth, "SELECT id, order_json, state_json, state, sequence FROM requests");
  const auto events = foreign_rows(fourth, "SELECT request, sequence, body FROM events");
  auto store = SqliteStore::open(fourth, clock);
  CHECK(version_of(fourth) == std::to_string(store::kSchemaVersion));
  REQUIRE(store->list({}).size() == requests.size());
  std::size_t with_draft = 0;
  for (const auto& row : requests) {
    CAPTURE(row[0]);
    const auto record = store->find(RequestId{row[0]}).value();
    CHECK(record.order == order_from(Json::parse(row[1])));
    CHECK(record.state == state_from(Json::parse(row[2])));
    CHECK(std::to_string(record.sequence) == row[4]);
    CHECK(store->history(RequestId{row[0]}).size() == record.sequence);
    const auto text = foreign_rows(fourth, "SELECT state_json FROM requests WHERE id = '" + row[0] + "'").at(0).at(0);
    CHECK(text.find("to_be_signed") == std::string::npos);
    if (draft_of(record.state) == nullptr) continue;
    ++with_draft;
    CHECK(text.find(draft_digest(*draft_of(record.state))) != std::string::npos);
  }
  CHECK(with_draft > 10);
  // What was journalled stays as it was, octet by octet, and so does the log over it.
  CHECK(foreign_rows(fourth, "SELECT request, sequence, body FROM events") == events);
  CHECK(store->verify_audit(AuditDepth::whole).faults == std::vector<std::string>{});
}

TEST_CASE_METHOD(Version4, "a migrated store of version 4 has the tables, indexes and triggers of a new one") {
  open();
  const std::filesystem::path fresh = folder / "fresh.db";
  SqliteStore::open(fresh, clock);
  CHECK(schema_of(file) == schema_of(fresh));
  CHECK(foreign_rows(file, "PRAGMA integrity_check") == std::vector<std::vector<std::string>>{{"ok"}});
  CHECK(foreign_rows(file, "PRAGMA foreign_key_check").empty());
}

TEST_CASE_METHOD(Version4, "the requests of a store of version 4 are found by key and by reference, and go on") {
  auto store = open();
  const auto ids = [](const std::vector<Record>& records) {
    std::set<std::string> all;
    for (const Record& record : records) all.insert(record.order.id.str());
    return all;
  };
  std::set<std::string> with_key, without_key;
  for (const Record& record : store->list({})) {
    CHECK_FALSE(store->history(record.order.id).empty());
    if (is_final(name_of(record.state))) continue;
    const Key* const key = key_of(record.state);
    (key == nullptr ? without_key : with_key).insert(record.order.id.str());
  }
  Requests::ListQuery query;
  query.open_only = true;
  query.spki = key_of_test().spki;
  CHECK(ids(store->list(query)) == with_key);
  query.spki = SpkiHash{};
  CHECK(ids(store->list(query)) == without_key);
  CHECK(with_key.size() > 10);
  CHECK(without_key.size() > 1);
  Requests::ListQuery made;
  made.token = "web";
  made.cka_id = wanted(order_of("X", clock.now())).key.cka_id;
  CHECK(ids(store->list(made)).size() > 20);

  for (const char* id : {"AWAITING-APPROVAL", "COMPLETED", "REJECTED", "WITHDRAWING"}) {
    const auto found = store->by_reference("tsb", ProviderReference{std::string("REF-") + id});
    CHECK(ids(found) == std::set<std::string>{id});
  }
  clock.advance(24h * 365);
  StatusReport rejected;
  rejected.status = RequestStatus::rejected;
  take(*store, RequestId{"AWAITING-APPROVAL"}, Reported{rejected}, clock.now());
  CHECK(name_of(store->find(RequestId{"AWAITING-APPROVAL"})->state) == StateName::rejected);
  CHECK(store->verify_audit(AuditDepth::whole).faults == std::vector<std::string>{});
}

TEST_CASE_METHOD(Version4, "a request of which a part cannot be read is found by its other parts after the migration") {
  REQUIRE(foreign(file, "UPDATE requests SET state_json = '{\"state\":\"x\"}' WHERE id = 'AWAITING-APPROVAL'").empty());
  REQUIRE(foreign(file, "DROP TRIGGER events_never_change").empty());
  REQUIRE(foreign(file, "UPDATE events SET body = '{}' WHERE request = 'COMPLETED' AND sequence = 2").empty());
  auto store = open();
  const auto row = foreign_rows(file, "SELECT token, cka_id FROM requests WHERE id = 'AWAITING-APPROVAL'").at(0);
  CHECK(row.at(0) == "web");
  CHECK_FALSE(row.at(1).empty());
  CHECK(foreign_rows(file, "SELECT reference FROM provider_references WHERE request = 'AWAITING-APPROVAL'").size() ==
        1);
  CHECK(foreign_rows(file, "SELECT reference FROM provider_references WHERE request = 'COMPLETED'").size() == 1);
}

TEST_CASE_METHOD(Version4, "the chains of a store of version 4 say who is an issuer") {
  auto store = open();
  CHECK(store->is_issuer(hex(sha256(Bytes{0x30, 1, 1}))));
  CHECK(store->is_issuer(hex(sha256(Bytes{0x30, 1, 2}))));
  CHECK_FALSE(store->is_issuer(hex(sha256(as_bytes("COMPLETED")))));
}

TEST_CASE_METHOD(Version4, "what a store of version 4 says of PINs is known, of every source and in every word") {
  const auto before = foreign_rows(file, "SELECT token_serial, reason FROM pin_refusals ORDER BY token_serial");
  REQUIRE(before.size() == 10);
  auto store = open();
  for (const auto& row : before) {
    const auto found = store->pin_refused({row[0], 1, row[0] == "0003" ? "label web" : "slot 7"});
    REQUIRE(found);
    CHECK(found->state.words() == row[1]);
    CHECK(found->subject.distinction == (row[0] == "0003" ? "label web" : ""));
  }
  CHECK(store->pin_refused({"0004", 1, ""})->state.standing == PinStanding::second_open);
  CHECK(store->pin_refused({"0008", 1, ""})->state.unclear == 3);
  CHECK_FALSE(store->pin_refused({"0003", 1, "label other"}));
}
