// A store that is gone, and one that was taken back to an older copy.
#include "base/file.h"
#include "foreign.h"
#include "store/backup.h"
#include "store/mark.h"
#include "store/sqlite_store.h"
#include "support/fake_clock.h"
#include "support/requests.h"
#include "support/temp_folder.h"

#include <sys/stat.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <fstream>
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
  std::filesystem::path copy = folder / "copy.db";

  std::unique_ptr<SqliteStore> open(store::Missing missing = store::Missing::create) {
    store::OpenOptions options;
    options.missing = missing;
    return SqliteStore::open(file, clock, options);
  }
  void lose() {
    for (const char* side : {"", "-wal", "-shm"}) std::filesystem::remove(file.string() + side);
  }
  ErrorKind refused(std::string& message) {
    try {
      open();
    } catch (const Error& error) {
      message = error.message() + " " + error.hint();
      return error.kind();
    }
    FAIL("it was opened");
    return ErrorKind::internal;
  }
  std::vector<Claim> claims(SqliteStore& store) {
    ClaimQuery query;
    query.worker = "w";
    query.lanes["provider:tsb"] = 9;
    query.lanes["token:web"] = 9;
    query.lease = 90s;
    return store.claim(query, clock.now());
  }
  std::optional<Instant> due(SqliteStore& store) {
    ClaimQuery query;
    query.lanes["provider:tsb"] = 9;
    return store.next_due(query);
  }
};

}  // namespace

TEST_CASE_METHOD(Fixture, "a store that is gone or empty is not made again without a word") {
  create(*open(), order_of("A", clock.now()));
  lose();
  std::string message;
  CHECK(refused(message) == ErrorKind::not_found);
  CHECK(message.find("store.db is missing, and a store with 2 audit entries was here") != std::string::npos);
  CHECK(message.find("store init --start-over") != std::string::npos);
  CHECK_FALSE(std::filesystem::exists(file));
  std::ofstream{file};
  CHECK(refused(message) == ErrorKind::not_found);
  CHECK(message.find("store.db is empty, and a store") != std::string::npos);
  CHECK(std::filesystem::file_size(file) == 0);
  auto store = open(store::Missing::start_over);
  CHECK(store->list({}).empty());
  CHECK_FALSE(store->restored());
  create(*store, order_of("A", clock.now()));
  CHECK(open()->list({}).size() == 1);
}

TEST_CASE_METHOD(Fixture, "a store that nothing was written to yet may be made again") {
  open();
  lose();
  CHECK(open()->list({}).empty());
}

TEST_CASE_METHOD(Fixture, "a whole copy is made of a store in use, with what is in its -wal") {
  auto store = open();
  for (int i = 0; i < 20; ++i) create(*store, order_of("R" + std::to_string(i), clock.now()));
  store->back_up(copy);
  CHECK(foreign_rows(copy, "SELECT 1 FROM requests").size() == 20);
  CHECK(foreign_rows(copy, "PRAGMA integrity_check").at(0).at(0) == "ok");
  struct stat status {};
  REQUIRE(::stat(copy.c_str(), &status) == 0);
  CHECK((status.st_mode & 0777) == 0600);
  try {
    store->back_up(copy);
    FAIL("it was replaced");
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::conflict);
  }
}

TEST_CASE_METHOD(Fixture, "a store taken back to a copy submits nothing until a person accepts that") {
  {
    auto store = open();
    create_ready_to_submit(*store, order_of("A", clock.now()));
    store->back_up(copy);
    // Submitted after the copy was made: the restored store believes that it is still to be done.
    take(*store, RequestId{"A"}, AttemptStarted{1, "w", clock.now() + 1min}, clock.now());
  }
  lose();
  std::filesystem::copy_file(copy, file);
  auto store = open();
  REQUIRE(store->restored());
  CHECK(store->restored()->find("audit entries") != std::string::npos);
  CHECK(claims(*store).empty());
  CHECK_FALSE(due(*store));  // nobody wakes for it
  const auto status = store->effect_status(RequestId{"A"});
  REQUIRE(status.size() == 1);
  CHECK(status[0].trouble.find("store accept-restored") != std::string::npos);
  // Neither what is ordered from now on: the renewals of the lost time may have been made.
  create_ready_to_submit(*store, order_of("B", clock.now()));
  CHECK(claims(*store).empty());
  // Asked once, not at every start.
  const auto leaves = store->tree_head().size();
  CHECK(open()->tree_head().size() == leaves);
  CHECK(open()->restored());
  CHECK(store->accept_restored("uid:ann", clock.now()));
  CHECK_FALSE(store->accept_restored("uid:ann", clock.now()));
  CHECK_FALSE(open()->restored());
  CHECK(due(*store));
  CHECK(claims(*store).size() == 2);
  CHECK(store->verify_audit(workflow::AuditDepth::whole).faults.empty());
}

TEST_CASE_METHOD(Fixture, "a store taken back to a copy installs nothing until a person accepts that") {
  Order order = order_of("A", clock.now());
  order.targets = {{"token", ""}, {"file:/a", "/a"}, {"hook:h", "h"}, {"provider:import", "import"}};
  {
    auto store = open();
    create_awaiting_approval(*store, order);
    Report report;
    report.status = RequestStatus::handed_out;
    report.handout = Handout{};
    take(*store, order.id, Reported{report}, clock.now());
    take(*store, order.id, Verified{"ff", {}}, clock.now());
    store->back_up(copy);
    create(*store, order_of("B", clock.now()));
  }
  lose();
  std::filesystem::copy_file(copy, file);
  auto store = open();
  REQUIRE(store->restored());
  ClaimQuery all;
  all.worker = "w";
  for (const char* lane : {"provider:tsb", "token:web", "local"}) all.lanes[lane] = 9;
  all.lease = 90s;
  CHECK(store->claim(all, clock.now()).empty());
  CHECK_FALSE(store->next_due(all));
  const auto status = store->effect_status(order.id);
  CHECK(status.size() == 4);
  for (const EffectStatus& one : status) CHECK(one.trouble.starts_with("held back: the store is an older copy ("));
  REQUIRE(store->accept_restored("uid:ann", clock.now()));
  CHECK(store->claim(all, clock.now()).size() == 4);
}

TEST_CASE_METHOD(Fixture, "a copy is whole whoever else copies to the same name, and touches no other file") {
  auto store = open();
  for (int i = 0; i < 50; ++i) create(*store, order_of("R" + std::to_string(i), clock.now()));
  const std::filesystem::path strangers = copy.string() + ".part";
  std::ofstream(strangers) << "not ours";
  std::vector<std::thread> others;
  std::atomic<unsigned> made = 0;
  for (int i = 0; i < 4; ++i) {
    others.emplace_back([&] {
      try {
        store::copy_store(file, copy);
        ++made;
      } catch (const Error& error) {
        if (error.kind() != ErrorKind::conflict) made += 100;
      }
    });
  }
  for (std::thread& other : others) other.join();
  CHECK(made == 1);
  CHECK(foreign_rows(copy, "PRAGMA integrity_check").at(0).at(0) == "ok");
  CHECK(foreign_rows(copy, "SELECT 1 FROM requests").size() == 50);
  CHECK(to_text(read_file(strangers)) == "not ours");
  // Nothing else is left.
  unsigned parts = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder.path())) {
    parts += entry.path().extension() == ".part" ? 1U : 0U;
  }
  CHECK(parts == 1);
}

TEST_CASE_METHOD(Fixture, "a copy of the file without its -wal is found to be behind") {
  auto store = open();
  create_ready_to_submit(*store, order_of("A", clock.now()));
  REQUIRE(foreign(file, "PRAGMA wal_checkpoint(TRUNCATE)").empty());
  std::filesystem::copy_file(file, copy);
  create_ready_to_submit(*store, order_of("B", clock.now()));
  std::filesystem::copy_file(file, copy, std::filesystem::copy_options::overwrite_existing);
  store.reset();
  lose();
  std::filesystem::rename(copy, file);
  CHECK(open()->restored());
}

TEST_CASE_METHOD(Fixture, "a copy that goes on elsewhere is noticed, and so is one with another history") {
  {
    auto store = open();
    create_ready_to_submit(*store, order_of("A", clock.now()));
    store->back_up(copy);
    create(*store, order_of("B", clock.now()));
  }
  auto elsewhere = SqliteStore::open(copy, clock);
  REQUIRE(elsewhere->restored());
  CHECK(elsewhere->restored()->find("copied here") != std::string::npos);
  CHECK(elsewhere->accept_restored("uid:ann", clock.now()));
  create(*elsewhere, order_of("C", clock.now()));
  create(*elsewhere, order_of("D", clock.now()));
  elsewhere.reset();
  lose();
  std::filesystem::rename(copy, file);
  auto store = open();
  REQUIRE(store->restored());
  CHECK(store->restored()->find("is not the one that had been written") != std::string::npos);
}

TEST_CASE_METHOD(Fixture, "a mark that lags behind the store says nothing against it") {
  create(*open(), order_of("A", clock.now()));
  const store::Mark before = store::read_mark(file).value();
  create(*open(), order_of("B", clock.now()));
  store::write_mark(file, before);
  CHECK_FALSE(open()->restored());
  // A commit that is rolled back leaves no mark.
  CHECK(store::read_mark(file)->size <= open()->tree_head().size());
}

TEST_CASE_METHOD(Fixture, "a store is not made when what shows its loss cannot be written") {
  std::filesystem::create_directory(store::mark_of(file));
  CHECK_THROWS_AS(open(), Error);
  std::filesystem::remove(store::mark_of(file));
  std::filesystem::remove(file);
  CHECK_FALSE(open()->restored());
  CHECK(store::read_mark(file));
}
