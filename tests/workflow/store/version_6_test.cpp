// Stores of version 6, brought up to this one.
#include "old_stores.h"
#include "store/schema.h"
#include "workflow/machine/state.h"

using namespace hsmbridge;
using namespace hsmbridge::test;
using namespace hsmbridge::workflow;

namespace {

struct Version6 : Version3 {
  Version6() : Version3("6") {}
};

}  // namespace

TEST_CASE_METHOD(Version6, "a migrated store of version 6 has the tables, indexes and triggers of a new one") {
  CHECK(foreign_rows(file, "SELECT DISTINCT state FROM requests").size() == kStateCount);
  open();
  const std::filesystem::path fresh = folder / "fresh.db";
  SqliteStore::open(fresh, clock);
  CHECK(version_of(file) == std::to_string(store::kSchemaVersion));
  CHECK(schema_of(file) == schema_of(fresh));
  CHECK(foreign_rows(file, "PRAGMA integrity_check") == std::vector<std::vector<std::string>>{{"ok"}});
  CHECK(foreign_rows(file, "PRAGMA foreign_key_check").empty());
  REQUIRE(backups().size() == 1);
  CHECK(version_of(backups().front()) == "6");
}

TEST_CASE_METHOD(Version6, "a migrated store of version 6 says what it said, and gives serial numbers") {
  const char* const rows = "SELECT id, order_json, state_json, names, key_name FROM requests";
  const auto requests = foreign_rows(file, rows);
  const auto events = foreign_rows(file, "SELECT request, sequence, body FROM events");
  auto store = open();
  CHECK(foreign_rows(file, rows) == requests);
  CHECK(foreign_rows(file, "SELECT request, sequence, body FROM events") == events);
  CHECK(store->verify_audit(AuditDepth::whole).faults == std::vector<std::string>{});
  CHECK(store->take_serial({"issuer", "40aa", "COMPLETED", clock.now()}));
  CHECK(store->serials_taken("issuer") == 1);
}
