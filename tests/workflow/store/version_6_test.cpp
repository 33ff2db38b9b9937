// Stores of versions 6 to 9, brought up to this one.
#include "old_stores.h"
#include "store/schema.h"
#include "workflow/machine/state.h"

using namespace hsmbridge;
using namespace hsmbridge::test;
using namespace hsmbridge::workflow;
using namespace std::chrono_literals;

namespace {

struct Version6 : Version3 {
  Version6() : Version3("6") {}
};
struct Version7 : Version3 {
  Version7() : Version3("7") {}
};
struct Version8 : Version3 {
  Version8() : Version3("8") {}
};
struct Version9 : Version3 {
  Version9() : Version3("9") {}
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

TEST_CASE_METHOD(Version7, "a migrated store of version 7 has the tables, indexes and triggers of a new one") {
  CHECK(foreign_rows(file, "SELECT DISTINCT state FROM requests").size() == kStateCount);
  open();
  const std::filesystem::path fresh = folder / "fresh.db";
  SqliteStore::open(fresh, clock);
  CHECK(version_of(file) == std::to_string(store::kSchemaVersion));
  CHECK(schema_of(file) == schema_of(fresh));
  CHECK(foreign_rows(file, "PRAGMA integrity_check") == std::vector<std::vector<std::string>>{{"ok"}});
  CHECK(foreign_rows(file, "PRAGMA foreign_key_check").empty());
  REQUIRE(backups().size() == 1);
  CHECK(version_of(backups().front()) == "7");
}

TEST_CASE_METHOD(Version7, "a migrated store of version 7 knows what its CA did, and takes more") {
  const auto serials = foreign_rows(file, "SELECT * FROM serial_numbers");
  const auto revocations = foreign_rows(file, "SELECT * FROM revocations");
  const auto crls = foreign_rows(file, "SELECT * FROM crls");
  REQUIRE(crls.size() == 2);
  auto store = open();
  CHECK(foreign_rows(file, "SELECT * FROM serial_numbers") == serials);
  CHECK(foreign_rows(file, "SELECT issuer, serial, reason, revoked_at, not_after, request FROM revocations") ==
        revocations);
  CHECK(foreign_rows(file, "SELECT issuer, number, taken_at, this_update, next_update, sha256 FROM crls") == crls);
  CHECK(store->verify_audit(AuditDepth::whole).faults == std::vector<std::string>{});
  // There is no mark next to it, so it may be an older copy: no CA of it signs before somebody has looked.
  CHECK(store->suspended("issuing"));
  CHECK(store->take_crl_number("issuing", 0, clock.now()) == 3);
  const Takeover takeover{"old",
                          Takeover::From::another_program,
                          {{"10", "CN=ten", clock.now()}},
                          {},
                          PublishedCrl{42, clock.now(), clock.now(), "aa"}};
  CHECK(store->take_over(takeover, "ca-adopted", Json::object(), "ann", clock.now()) == TakenOver{1, 0, true});
  CHECK(store->take_crl_number("old", 0, clock.now()) == 43);
}

TEST_CASE_METHOD(Version8, "a migrated store of version 8 has the tables, indexes and triggers of a new one") {
  CHECK(foreign_rows(file, "SELECT DISTINCT state FROM requests").size() == kStateCount);
  open();
  const std::filesystem::path fresh = folder / "fresh.db";
  SqliteStore::open(fresh, clock);
  CHECK(version_of(file) == std::to_string(store::kSchemaVersion));
  CHECK(schema_of(file) == schema_of(fresh));
  CHECK(foreign_rows(file, "PRAGMA integrity_check") == std::vector<std::vector<std::string>>{{"ok"}});
  CHECK(foreign_rows(file, "PRAGMA foreign_key_check").empty());
  REQUIRE(backups().size() == 1);
  CHECK(version_of(backups().front()) == "8");
}

TEST_CASE_METHOD(Version8, "what a migrated store of version 8 has revoked and published is of complete CRLs") {
  const auto crls = foreign_rows(file, "SELECT * FROM crls");
  REQUIRE(crls.size() == 3);
  auto store = open();
  CHECK(foreign_rows(file, "SELECT issuer, number, taken_at, this_update, next_update, sha256 FROM crls") == crls);
  CHECK(store->verify_audit(AuditDepth::whole).faults == std::vector<std::string>{});
  REQUIRE(store->last_crl("old", ""));
  CHECK(store->last_crl("old", "")->number == 42);
  CHECK(store->last_crl("issuing", "")->number == 1);
  CHECK(store->count_revocations("issuing", "", clock.now()) == 1);
  CHECK(store->count_revocations("issuing", "http://a/1.crl", clock.now()) == 0);
  CHECK(store->distribution_points("issuing", clock.now()) == std::vector<std::string>{""});
  const PublishedCrl shard{3, clock.now(), clock.now() + 24h, "cc", "http://a/1.crl"};
  CHECK(store->take_crl_number("issuing", 0, clock.now()) == 3);
  store->crl_published("issuing", shard);
  CHECK(store->last_crl("issuing", "http://a/1.crl") == shard);
  CHECK(store->last_crl("issuing", "")->number == 1);
}

TEST_CASE_METHOD(Version9, "a migrated store of version 9 has the tables, indexes and triggers of a new one") {
  CHECK(foreign_rows(file, "SELECT DISTINCT state FROM requests").size() == kStateCount);
  open();
  const std::filesystem::path fresh = folder / "fresh.db";
  SqliteStore::open(fresh, clock);
  CHECK(version_of(file) == std::to_string(store::kSchemaVersion));
  CHECK(schema_of(file) == schema_of(fresh));
  CHECK(foreign_rows(file, "PRAGMA integrity_check") == std::vector<std::vector<std::string>>{{"ok"}});
  CHECK(foreign_rows(file, "PRAGMA foreign_key_check").empty());
  REQUIRE(backups().size() == 1);
  CHECK(version_of(backups().front()) == "9");
}

TEST_CASE_METHOD(Version9,
                 "of what came from elsewhere before a migrated store of version 9 does not know whose it is") {
  const auto elsewhere = foreign_rows(file, "SELECT issuer, serial, subject, not_after, spki FROM certified_elsewhere");
  const auto points = foreign_rows(file, "SELECT * FROM distribution_points");
  REQUIRE(elsewhere.size() == 1);
  REQUIRE(points.size() == 1);
  auto store = open();
  CHECK(foreign_rows(file, "SELECT issuer, serial, subject, not_after, spki FROM certified_elsewhere") == elsewhere);
  CHECK(foreign_rows(file, "SELECT * FROM distribution_points") == points);
  CHECK(store->verify_audit(AuditDepth::whole).faults == std::vector<std::string>{});
  const auto there = store->certified_elsewhere("old", "10");
  REQUIRE(there);
  CHECK(there->holder == ca::Holder::unknown);
  REQUIRE(store->other_than_authority("old", there->not_after));
  CHECK_FALSE(store->other_than_authority("old", there->not_after)->is_known);
  Takeover known{"old", Takeover::From::another_program, {*there}, {}, {}};
  known.certificates[0].holder = ca::Holder::authority;
  CHECK(store->take_over(known, "ca-adopted", Json::object(), "ann", clock.now()) == TakenOver{0, 0, false, 1});
  CHECK_FALSE(store->other_than_authority("old", there->not_after));
  CHECK(store->last_crl("sharded", "http://a/1.crl")->number == 1);
}
