// Stores of version 4, brought up to this one.
#include "old_stores.h"
#include "store/schema.h"
#include "support/requests.h"
#include "workflow/machine/codec.h"

#include <algorithm>
#include <map>
#include <set>

using namespace hsmbridge;
using namespace hsmbridge::test;
using namespace hsmbridge::workflow;
using namespace std::chrono_literals;

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
    CHECK(text.find(hex(sha256(draft_octets(*draft_of(record.state))))) != std::string::npos);
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
