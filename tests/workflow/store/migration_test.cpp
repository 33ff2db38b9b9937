// Stores of version 3, brought up to this one.
#include "audit/merkle.h"
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
