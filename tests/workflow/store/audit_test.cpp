// Whether the audit log and the journal can be changed without a trace.
#include "foreign.h"
#include "store/sqlite_store.h"
#include "support/fake_clock.h"
#include "support/requests.h"
#include "support/temp_folder.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <string>
#include <vector>

using namespace hsmbridge;
using namespace hsmbridge::test;
using namespace hsmbridge::workflow;
using Depth = workflow::AuditDepth;
using store::SqliteStore;

namespace {

struct Log {
  TempFolder folder;
  FakeClock clock;
  std::filesystem::path file = folder / "store.db";

  Log() {
    auto store = open();
    create_awaiting_approval(*store, order_of("A", clock.now()));
    store->append_audit("key-made", R"({"label":"x"})", "uid:ann", clock.now());
    create_awaiting_approval(*store, order_of("B", clock.now()));
  }
  std::unique_ptr<SqliteStore> open() { return SqliteStore::open(file, clock); }
  std::vector<std::string> faults(Depth depth = Depth::whole) { return open()->verify_audit(depth).faults; }
  // With the triggers that forbid it out of the way, and back afterwards.
  void tamper(const std::string& table, const std::string& sql) {
    const auto triggers =
        foreign_rows(file, "SELECT name, sql FROM sqlite_schema WHERE type = 'trigger' AND tbl_name = '" + table + "'");
    for (const auto& row : triggers) REQUIRE(foreign(file, "DROP TRIGGER " + row[0]).empty());
    REQUIRE(foreign(file, sql).empty());
    for (const auto& row : triggers) REQUIRE(foreign(file, row[1]).empty());
  }
};

bool says(const std::vector<std::string>& faults, const std::string& words) {
  return std::any_of(faults.begin(), faults.end(),
                     [&words](const std::string& fault) { return fault.find(words) != std::string::npos; });
}

}  // namespace

TEST_CASE_METHOD(Log, "a log that only this program wrote is in order") {
  const workflow::AuditReport report = open()->verify_audit(Depth::whole);
  CHECK(report.faults == std::vector<std::string>{});
  CHECK(report.checked == 17);
  CHECK(report.head.root() == open()->tree_head().root());
}

TEST_CASE_METHOD(Log, "a trigger that is missing, other or somebody else's is a fault") {
  REQUIRE(foreign(file, "DROP TRIGGER leaves_never_change").empty());
  CHECK(faults() == std::vector<std::string>{"the trigger leaves_never_change is missing: what it protects could be "
                                             "changed without a trace"});
  REQUIRE(foreign(file, "CREATE TRIGGER leaves_never_change BEFORE UPDATE ON leaves BEGIN SELECT 1; END").empty());
  CHECK(faults() == std::vector<std::string>{"the trigger leaves_never_change is not the one that this program made"});
  REQUIRE(foreign(file, "CREATE TRIGGER theirs AFTER INSERT ON requests BEGIN DELETE FROM rates; END").empty());
  CHECK(says(faults(Depth::news), "the trigger theirs was not made by this program"));
}

TEST_CASE_METHOD(Log, "a leaf whose data was edited is named") {
  tamper("leaves", "UPDATE leaves SET data = CAST('{}' AS BLOB) WHERE position = 8");
  CHECK(says(faults(), "leaf 8 was changed: its data does not have its hash"));
}

TEST_CASE_METHOD(Log, "a leaf that names its event in another way is named") {
  tamper("leaves", "UPDATE leaves SET data = CAST('{\"request\":1,\"sequence\":\"x\"}' AS BLOB) WHERE position = 8");
  CHECK(says(faults(), "leaf 8 names no event"));
}

TEST_CASE_METHOD(Log, "a leaf that was rewritten with its hash breaks the roots") {
  REQUIRE(foreign_rows(file, "SELECT data FROM leaves WHERE position = 8")[0][0].find("key-made") != std::string::npos);
  const std::string data = "{\"kind\":\"nothing-happened\"}";
  tamper("leaves", "UPDATE leaves SET data = CAST('" + data + "' AS BLOB), hash = x'" +
                       hex(audit::leaf_hash(as_bytes(data))) + "' WHERE position = 8");
  CHECK(says(faults(), "the root stored with leaf 8 is not the root of the leaves up to it"));
  CHECK_FALSE(says(faults(), "was cut off"));
}

TEST_CASE_METHOD(Log, "an event that was edited is not what its leaf says") {
  tamper("events", "UPDATE events SET actor = 'uid:eve' WHERE request = 'A' AND sequence = 3");
  CHECK(faults() == std::vector<std::string>{"event 3 of request A is not what leaf 2 says: one of them was changed"});
}

TEST_CASE_METHOD(Log, "an event that is gone, or that nobody logged, is a fault") {
  tamper("events", "DELETE FROM events WHERE request = 'A' AND sequence = 8");
  CHECK(says(faults(), "leaf 7 is about event 8 of request A, which is gone"));
  tamper("events",
         "INSERT INTO events VALUES ('A', 8, 1, 'uid:eve', 'Commanded', '{\"event\":\"Commanded\"}', 'Submitting'), "
         "('A', 9, 1, 'uid:eve', 'Commanded', '{\"event\":\"Commanded\"}', 'Submitting')");
  CHECK(says(faults(), "the journal has 17 events, and the log has leaves of 16"));
}

TEST_CASE_METHOD(Log, "a state that its journal did not lead to is a fault") {
  REQUIRE(foreign(file, "UPDATE requests SET state = 'Submitting' WHERE id = 'A'").empty());
  CHECK(says(faults(), "request A is Submitting in the list"));
}

TEST_CASE_METHOD(Log, "a list that shows other names than the orders have is a fault") {
  tamper("requests", "UPDATE requests SET names = 'dns:vpn.example.com' WHERE id = 'A'");
  CHECK(says(faults(), "lists show request A with other names"));
}

TEST_CASE_METHOD(Log, "a name that was taken from the lists, or put there, is a fault") {
  REQUIRE(faults().empty());
  REQUIRE(foreign(file,
                  "INSERT INTO request_names SELECT 'other.example.com', created_at, id FROM requests "
                  "WHERE id = 'A'")
              .empty());
  CHECK(says(faults(), "lists find requests by"));
  REQUIRE(foreign(file, "DELETE FROM request_names WHERE request = 'A'").empty());
  CHECK(says(faults(), "lists show request A with other names"));
}

TEST_CASE_METHOD(Log, "an order that is not the one of its first event is a fault") {
  tamper("requests", "UPDATE requests SET order_json = replace(order_json, 'www.', 'vpn.') WHERE id = 'A'");
  CHECK(faults() == std::vector<std::string>{"the order of request A is not the one that its journal begins with"});
  tamper("requests", "UPDATE requests SET order_json = '{' WHERE id = 'A'");
  CHECK(faults() == std::vector<std::string>{"the order of request A is not the one that its journal begins with"});
}

TEST_CASE_METHOD(Log, "an end that was cut off is a fault, and nothing is appended to it") {
  tamper("leaves", "DELETE FROM leaves WHERE position > 14");
  CHECK(says(faults(), "the log has 15 leaves, and 17 were written: its end was cut off or added to"));
  auto store = open();
  try {
    store->append_audit("more", "{}", "uid:ann", clock.now());
    FAIL("it was appended");
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::corrupt);
  }
}

TEST_CASE_METHOD(Log, "a start looks at the leaves since the last one, and notices when those before are others") {
  CHECK(open()->verify_audit(Depth::news).checked == 17);
  CHECK(open()->verify_audit(Depth::news).checked == 0);
  open()->append_audit("more", "{}", "uid:ann", clock.now());
  const workflow::AuditReport news = open()->verify_audit(Depth::news);
  CHECK(news.checked == 1);
  CHECK(news.faults.empty());
  CHECK(news.head.root() == open()->verify_audit(Depth::whole).head.root());
  tamper("leaves", "UPDATE leaves SET root = zeroblob(32) WHERE position = 17");
  CHECK(says(faults(Depth::news), "the log does not go on from leaf 17"));
}

TEST_CASE_METHOD(Log, "a draft that was changed or taken away is a fault, and its request cannot be read") {
  {
    auto store = open();
    create_ready_to_submit(*store, order_of("D", clock.now()));
  }
  const std::string digest = hex(sha256(draft_octets(draft_of_test(clock.now()))));
  const auto why = [&] {
    try {
      open()->find(RequestId{"D"});
      return std::string("it was read");
    } catch (const Error& error) {
      CHECK(error.kind() == ErrorKind::corrupt);
      return error.message();
    }
  };
  CHECK(faults().empty());
  CHECK(foreign_rows(file, "SELECT digest FROM drafts") == std::vector<std::vector<std::string>>{{digest}});
  // Neither an update nor a replacement takes effect.
  CHECK_FALSE(foreign(file, "UPDATE drafts SET octets = x'00'").empty());
  CHECK(foreign(file, "INSERT OR REPLACE INTO drafts VALUES ('" + digest + "', x'00')").empty());
  CHECK(faults().empty());
  tamper("drafts", "UPDATE drafts SET octets = x'00'");
  CHECK(faults() == std::vector<std::string>{"draft " + digest + " was changed: its octets do not have its digest"});
  CHECK(why().find("the octets of draft " + digest + " are not those that were frozen") != std::string::npos);
  tamper("drafts", "DELETE FROM drafts");
  CHECK(says(faults(), "draft " + digest + " of request A is missing"));
  CHECK(says(faults(), "draft " + digest + " of request D is missing"));
  CHECK(why().find("draft " + digest + " is not in the store") != std::string::npos);
}
