// Requests, their journal and the compare-and-set.
#include "support/requests.h"

#include "any_store.h"
#include "base/json.h"

#include <catch2/catch.hpp>
#include <string>
#include <thread>
#include <vector>

using namespace hsmbridge;
using namespace hsmbridge::test;
using namespace hsmbridge::workflow;
using namespace std::chrono_literals;

namespace {

struct Fixture : AnyStore {
  using AnyStore::AnyStore;
  Order order = order_of("0A1B2C3D4E5F6G7H", clock.now());

  Record record() { return store->find(order.id).value(); }
  std::vector<std::string> identities() {
    std::vector<std::string> names;
    for (const Effect& effect : store->effects(order.id)) names.push_back(effect.identity());
    return names;
  }
};

}  // namespace

TEST_CASE_METHOD(Fixture, "a created request is found again as it was given") {
  create(*store, order);
  const Record found = record();
  CHECK(found.order == order);
  CHECK(found.state == State{Preparing{}});
  CHECK(found.sequence == 2);
  CHECK(found.changed_at == order.created_at);
  CHECK(identities() == std::vector<std::string>{"ensure_key"});
  const std::vector<KeyRecord> keys = store->keys();
  REQUIRE(keys.size() == 1);
  CHECK(keys[0].status == "planned-at-random");
  CHECK(keys[0].cka_id == test::wanted(order).key.cka_id);
}

TEST_CASE_METHOD(Fixture, "a second request of the same id is a conflict and leaves the first alone") {
  create(*store, order);
  Order other = order;
  other.profile = "other";
  try {
    create(*store, other);
    FAIL("it was created");
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::conflict);
  }
  CHECK(record().order == order);
  CHECK(store->history(order.id).size() == 2);
}

TEST_CASE_METHOD(Fixture,
                 "an order for work that an open request does is a conflict naming it and a final one is none") {
  Order second = order_of("0A1B2C3D4E5F6G7J", clock.now());
  test::wanted(second).key = test::wanted(order).key;
  test::wanted(second).content = {};  // the same label in the same token: the same key, whatever it is for
  create(*store, order);
  CHECK(store->open_request_for(work_of(second)) == order.id);
  try {
    create(*store, second);
    FAIL("ordered twice");
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::conflict);
    CHECK(error.detail("request") == order.id.str());
  }
  CHECK_FALSE(store->find(second.id).has_value());
  CHECK(store->commit({step_of(record(), CancelAsked{"no"}, clock.now())}).front() == StepResult::committed);
  create(*store, second);
  CHECK(store->find(second.id).has_value());
}

TEST_CASE_METHOD(Fixture,
                 "the latest time that is known is that of the newest request or leaf, whatever the clock says now") {
  CHECK(store->latest_known() == Instant{});
  create(*store, order);
  const Instant made = clock.now();
  clock.set_wall(made - 3h);
  Order earlier = order_of("0A1B2C3D4E5F6G7J", clock.now());
  create(*store, earlier);
  CHECK(open()->latest_known() == made);
  CHECK(store->commit({step_of(record(), CancelAsked{"no"}, clock.now())}).front() == StepResult::committed);
  CHECK(store->latest_known() == made);
  // Whatever was written down last.
  clock.set_wall(made + 2h);
  CHECK(store->commit({step_of(store->find(earlier.id).value(), CancelAsked{"no"}, clock.now())}).front() ==
        StepResult::committed);
  CHECK(store->latest_known() == made + 2h);
}

TEST_CASE_METHOD(Fixture,
                 "a CSR that was brought is in one open request at a provider, also of two processes at once") {
  KeyWish brought;
  brought.source = KeyWish::Source::brought;
  brought.selector = "csr:0102";
  brought.spki = SpkiHash{std::string(64, 'c')};
  brought.csr = {1, 2, 3};
  test::wanted(order).token.clear();
  test::wanted(order).key = brought;
  const auto ask = [](Store& by, const Order& one) {
    by.create(one, {{one.created_at, one.created_by, Created{one}}}, begin(one, {}));
  };
  // Both looked before either wrote: an enrolment and a renewal are different work.
  Order renewal = order_of("0A1B2C3D4E5F6G7J", clock.now());
  renewal.what = order.what;
  Predecessor before;
  before.certificate = std::string(64, '7');
  make_renewal(renewal, before);
  auto other = open();
  CHECK_FALSE(store->open_request_for_csr(order.provider, brought));
  CHECK_FALSE(other->open_request_for_csr(order.provider, brought));
  ask(*store, order);
  CHECK(other->open_request_for_csr(order.provider, brought) == order.id);
  CHECK_FALSE(other->open_request_for_csr("another", brought));
  try {
    ask(*other, renewal);
    FAIL("ordered twice");
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::conflict);
    CHECK(error.detail("request") == order.id.str());
  }
  CHECK_FALSE(store->find(renewal.id).has_value());
  // Another CSR of that key is another matter.
  test::wanted(renewal).key.csr = {1, 2, 4};
  ask(*other, renewal);
  CHECK(store->commit({step_of(record(), CancelAsked{"no"}, clock.now())}).front() == StepResult::committed);
  CHECK_FALSE(store->open_request_for_csr(order.provider, brought));
  brought.csr = {1, 2, 4};
  CHECK(store->open_request_for_csr(order.provider, brought) == renewal.id);
}

TEST_CASE_METHOD(Fixture, "of two steps from the same sequence the second is stale and changes nothing") {
  create(*store, order);
  const Record before = record();
  const Step ready = step_of(before, KeyReady{key_of_test()}, clock.now());
  const Step cancelled = step_of(before, CancelAsked{"no"}, clock.now());
  CHECK(store->commit({ready, cancelled}) == std::vector<StepResult>{StepResult::committed, StepResult::stale});
  CHECK(name_of(record().state) == StateName::preparing);
  CHECK(record().sequence == 3);
  CHECK(store->commit({cancelled}) == std::vector<StepResult>{StepResult::stale});
  CHECK(store->history(order.id).size() == 3);
  CHECK(store->tree_head().size() == 3);
}

TEST_CASE_METHOD(Fixture, "steps of many requests share one transaction") {
  std::vector<Step> steps;
  for (int i = 0; i < 20; ++i) {
    Order one = order_of("R" + std::to_string(i), clock.now());
    create(*store, one);
    steps.push_back(step_of(store->find(one.id).value(), KeyReady{key_of_test()}, clock.now()));
  }
  const std::uint64_t before = commits();
  CHECK(store->commit(steps) == std::vector<StepResult>(20, StepResult::committed));
  CHECK(commits() == before + 1);
}

TEST_CASE_METHOD(Fixture, "a step for a request that does not exist is stale") {
  create(*store, order);
  Step step = step_of(record(), KeyReady{key_of_test()}, clock.now());
  step.request = RequestId{"NOBODY"};
  CHECK(store->commit({step}) == std::vector<StepResult>{StepResult::stale});
}

TEST_CASE_METHOD(Fixture, "the history replays every event with its actor and the state after it") {
  create_ready_to_submit(*store, order);
  const std::vector<JournalEntry> history = store->history(order.id);
  REQUIRE(history.size() == 6);
  const std::vector<EventName> names = {EventName::created,    EventName::key_planned,  EventName::key_ready,
                                        EventName::csr_signed, EventName::draft_frozen, EventName::draft_accepted};
  for (std::size_t i = 0; i < names.size(); ++i) {
    CHECK(history[i].sequence == i + 1);
    CHECK(name_of(history[i].event.body) == names[i]);
    CHECK(history[i].event.actor == "uid:ann");
    CHECK(history[i].event.at == order.created_at);
  }
  CHECK(history[5].after == StateName::submitting);
  CHECK(std::get<DraftFrozen>(history[4].event.body).draft == draft_of_test(order.created_at));
}

TEST_CASE_METHOD(Fixture, "each event brings one leaf whose hash covers its data") {
  create_ready_to_submit(*store, order);
  const std::vector<workflow::Leaf> leaves = store->leaves(0, 100);
  REQUIRE(leaves.size() == 6);
  audit::TreeHead head;
  for (std::size_t i = 0; i < leaves.size(); ++i) {
    CHECK(leaves[i].position == i);
    CHECK(leaves[i].hash == audit::leaf_hash(as_bytes(leaves[i].data)));
    const Json data = Json::parse(leaves[i].data);
    CHECK(data.at("request").as_string() == order.id.str());
    CHECK(data.at("sequence").as_integer() == static_cast<std::int64_t>(i + 1));
    head.append(leaves[i].hash);
  }
  CHECK(store->tree_head().root() == head.root());
}

TEST_CASE_METHOD(Fixture, "a fact outside any request is a leaf alone") {
  store->append_audit("key-made", R"({"label":"web"})", "uid:ann", clock.now());
  const std::vector<workflow::Leaf> leaves = store->leaves(0, 10);
  REQUIRE(leaves.size() == 1);
  CHECK(Json::parse(leaves[0].data).at("fact").at("label").as_string() == "web");
}

TEST_CASE_METHOD(Fixture, "lists show the newest first and can leave out what is final") {
  for (int i = 0; i < 3; ++i) {
    create(*store, order_of("R" + std::to_string(i), clock.now()));
    clock.advance(1min);
  }
  take(*store, RequestId{"R1"}, CancelAsked{"no"}, clock.now());
  const auto ids = [&](const Store::ListQuery& query) {
    std::vector<std::string> names;
    for (const Record& one : store->list(query)) names.push_back(one.order.id.str());
    return names;
  };
  CHECK(ids({}) == std::vector<std::string>{"R2", "R1", "R0"});
  CHECK(ids({std::nullopt, true, 1000}) == std::vector<std::string>{"R2", "R0"});
  CHECK(ids({StateName::cancelled, false, 1000}) == std::vector<std::string>{"R1"});
  CHECK(ids({std::nullopt, false, 1}) == std::vector<std::string>{"R2"});
}

TEST_CASE_METHOD(Fixture, "what is open is counted by state, one state after the other") {
  CHECK(store->open_by_state(10).empty());
  for (const std::string id : {"AAAAAAAAAAAAAAAA", "BBBBBBBBBBBBBBBB"}) {
    create_awaiting_approval(*store, order_of(id, clock.now()));
    clock.advance(std::chrono::seconds{1});
  }
  create(*store, order_of("CCCCCCCCCCCCCCCC", clock.now()));
  using Counts = std::map<StateName, std::uint64_t>;
  CHECK(store->open_by_state(10) == Counts{{StateName::awaiting_approval, 2}, {StateName::preparing, 1}});
  CHECK(store->open_by_state(1) == Counts{{StateName::awaiting_approval, 1}});
}

TEST_CASE_METHOD(Fixture, "a prefix finds exactly the ids that begin with it") {
  for (const char* id : {"AB1", "AB2", "ABC", "AC1", "B"}) create(*store, order_of(id, clock.now()));
  CHECK(store->by_prefix("AB", 10) == std::vector<RequestId>{RequestId{"ABC"}, RequestId{"AB2"}, RequestId{"AB1"}});
  CHECK(store->by_prefix("AB1", 10) == std::vector<RequestId>{RequestId{"AB1"}});
  CHECK(store->by_prefix("X", 10).empty());
  CHECK(store->by_prefix("", 2).size() == 2);
}

TEST_CASE_METHOD(Fixture, "certificate and key come with their event or not at all") {
  create(*store, order);
  CertificateRecord certificate{"ff00",  {1, 2}, {{3}, {4, 5}}, order.id,          SpkiHash{"ab"}, "CN=a",
                                "CN=ca", "01",   clock.now(),   clock.now() + 24h, "current",      clock.now()};
  KeyRecord key{"web", "key", test::wanted(order).key.cka_id, "ec:P-256", SpkiHash{"ab12"}, "active", clock.now()};
  Step step = step_of(record(), KeyReady{key_of_test()}, clock.now());
  step.certificate = certificate;
  step.key = key;
  Step stale = step;
  stale.expected_sequence = 1;
  REQUIRE(store->commit({stale}) == std::vector<StepResult>{StepResult::stale});
  CHECK(store->certificates().empty());
  REQUIRE(store->commit({step}) == std::vector<StepResult>{StepResult::committed});
  const CertificateRecord found = store->certificate("ff00").value();
  CHECK(found.der == certificate.der);
  CHECK(found.chain == certificate.chain);
  CHECK(found.request == order.id);
  CHECK(found.not_after == certificate.not_after);
  CHECK(found.status == "current");
  CHECK_FALSE(store->certificate("00ff"));
  REQUIRE(store->keys().size() == 1);
  CHECK(store->keys()[0].status == "active");
  CHECK(store->keys()[0].spki == SpkiHash{"ab12"});
}

TEST_CASE_METHOD(Fixture, "a key's record learns what is new and forgets nothing") {
  create(*store, order);
  const std::string id = test::wanted(order).key.cka_id;
  const auto put = [&](KeyRecord key) {
    Step step = step_of(record(), KeyPlanned{"web", "x", "00", "ec:P-256"}, clock.now());
    step.key = std::move(key);
    REQUIRE(store->commit({step}) == std::vector<StepResult>{StepResult::committed});
  };
  const auto only = [&] {
    REQUIRE(store->keys().size() == 1);
    return store->keys()[0];
  };
  put({"web", "key", id, "ec:P-256", SpkiHash{"ab12"}, "active", clock.now()});
  // Used by another request, which does not know what it was made as; or planned by a worker that comes too late.
  put({"web", "key", id, "", SpkiHash{"ab12"}, "active", clock.now()});
  put({"web", "key", id, "ec:P-256", SpkiHash{}, "planned", clock.now()});
  CHECK(only().spec == "ec:P-256");
  CHECK(only().spki == SpkiHash{"ab12"});
  CHECK(only().status == "active");
  // Another key under the same plan does not take the place of the first.
  put({"web", "key", id, "ec:P-256", SpkiHash{"cd34"}, "active", clock.now()});
  CHECK(only().spki == SpkiHash{"ab12"});
  for (const std::string over : {"retired", "destroyed", "compromised"}) {
    put({"web", "key", id, "", SpkiHash{"ab12"}, over, clock.now()});
    put({"web", "key", id, "", SpkiHash{"ab12"}, "active", clock.now()});
    CHECK(only().status == over);
  }
}

TEST_CASE_METHOD(Fixture, "keys without a CKA_ID have a record each") {
  create(*store, order);
  for (const std::string spki : {"ab12", "cd34"}) {
    Step step = step_of(record(), KeyPlanned{"web", "x", "00", "ec:P-256"}, clock.now());
    step.key = KeyRecord{"web", "key-" + spki, "", "", SpkiHash{spki}, "active", clock.now()};
    REQUIRE(store->commit({step}) == std::vector<StepResult>{StepResult::committed});
  }
  std::vector<std::string> found;
  for (const KeyRecord& key : store->keys()) {
    if (key.cka_id.empty()) found.push_back(key.spki.str());
  }
  CHECK(found == std::vector<std::string>{"ab12", "cd34"});
}

TEST_CASE_METHOD(Fixture, "a late answer is kept once with its leaf and its key") {
  create(*store, order);
  const LateAnswer late{order.id, Event{clock.now(), "worker:w", KeyReady{key_of_test()}}, "the request is Cancelled"};
  const KeyRecord key{"web",    "web",      test::wanted(order).key.cka_id, "ec:P-256", SpkiHash{"ab12"},
                      "active", clock.now()};
  const std::uint64_t leaves = store->tree_head().size();
  store->keep_late_answer(late, key);
  store->keep_late_answer(late, key);
  CHECK(store->tree_head().size() == leaves + 1);
  const std::vector<LateAnswer> kept = store->late_answers(order.id);
  REQUIRE(kept.size() == 1);
  CHECK(kept[0].why == late.why);
  CHECK(kept[0].event.actor == "worker:w");
  CHECK(std::get<KeyReady>(kept[0].event.body).key == key_of_test());
  CHECK(store->keys().at(0).status == "active");
  CHECK(store->late_answers(RequestId{"OTHER"}).empty());
}

TEST_CASE_METHOD(Fixture, "a wait for a change ends with a commit of others, a wake-up or its time") {
  auto other = open();
  Wakeup wakeup;
  store->wait_for_change(wakeup, 0ms);  // what was there before
  create(*store, order);
  CHECK_FALSE(store->wait_for_change(wakeup, 10ms));
  create(*other, order_of("OTHER", clock.now()));
  CHECK(store->wait_for_change(wakeup, 1h));
  CHECK_FALSE(store->wait_for_change(wakeup, 0ms));
  wakeup.notify();
  CHECK_FALSE(store->wait_for_change(wakeup, 1h));
  std::thread somebody([&] { create(*other, order_of("MEANWHILE", clock.now())); });
  CHECK(store->wait_for_change(wakeup, 1h));
  somebody.join();
}
