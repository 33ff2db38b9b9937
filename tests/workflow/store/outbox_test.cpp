// Effects, leases and their replacement.
#include "any_store.h"
#include "store/sqlite_store.h"
#include "support/requests.h"

#include <catch2/catch.hpp>
#include <string>
#include <vector>

using namespace hsmbridge;
using namespace hsmbridge::test;
using namespace hsmbridge::workflow;
using namespace std::chrono_literals;
using store::SqliteStore;

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
  static ClaimQuery query(const std::string& worker, const std::string& lane = "provider:tsb", unsigned places = 10) {
    ClaimQuery query;
    query.worker = worker;
    query.lanes[lane] = places;
    query.lease = 90s;
    return query;
  }
  std::vector<Claim> claim(const ClaimQuery& query) { return store->claim(query, clock.now()); }
};

// What counts from the boot of a machine is SQLite's alone.
struct OfBoots : Fixture {
  OfBoots() : Fixture("SQLite") {}
};

}  // namespace

TEST_CASE_METHOD(Fixture, "a due effect is claimed by one worker until its lease ends") {
  create_ready_to_submit(*store, order);
  const std::vector<Claim> first = claim(query("a"));
  REQUIRE(first.size() == 1);
  CHECK(first[0].effect.identity() == "submit:1");
  CHECK(first[0].record.order == order);
  CHECK(first[0].record.sequence == 6);
  CHECK(first[0].failures == 0);
  CHECK(first[0].lease.left() == 90s);
  CHECK(claim(query("b")).empty());
  clock.advance(89s);
  CHECK(claim(query("b")).empty());
  clock.advance(1s);
  const std::vector<Claim> second = claim(query("b"));
  REQUIRE(second.size() == 1);
  CHECK(second[0].effect_id == first[0].effect_id);
  CHECK(second[0].failures == 0);
  CHECK(second[0].crashes == 1);
}

TEST_CASE_METHOD(Fixture, "a wall clock set forward does not end a lease") {
  create_ready_to_submit(*store, order);
  REQUIRE(claim(query("a")).size() == 1);
  clock.set_wall(clock.now() + 24h);
  CHECK(claim(query("b")).empty());
}

TEST_CASE_METHOD(OfBoots, "a lease of another boot is void") {
  create_ready_to_submit(*store, order);
  REQUIRE(claim(query("a")).size() == 1);
  store::OpenOptions rebooted;
  rebooted.boot_id = "another boot";
  auto after = SqliteStore::open(folder / "store.db", clock, rebooted);
  CHECK(after->claim(query("b"), clock.now()).size() == 1);
}

TEST_CASE_METHOD(Fixture, "the claims of a worker that is gone are free at once and those of a living one are not") {
  Order other = order_of("0A1B2C3D4E5F6G7J", clock.now());
  create_ready_to_submit(*store, order);
  create_ready_to_submit(*store, other);
  const std::vector<Claim> dead = claim(query("dead", "provider:tsb", 1));
  const std::vector<Claim> living = claim(query("living", "provider:tsb", 1));
  REQUIRE(dead.size() == 1);
  REQUIRE(living.size() == 1);
  const std::uint64_t before = commits();
  CHECK(store->end_leases([](const std::string&) { return false; }) == 0);
  CHECK(commits() == before);
  CHECK(store->end_leases([](const std::string& worker) { return worker == "dead"; }) == 1);
  const std::vector<Claim> again = claim(query("next"));
  REQUIRE(again.size() == 1);
  CHECK(again[0].effect_id == dead[0].effect_id);
}

TEST_CASE_METHOD(Fixture, "nothing is claimed before it is due or of a lane without a place") {
  create_awaiting_approval(*store, order);
  CHECK(claim(query("a")).empty());
  const std::optional<Instant> due = store->next_due(query("a"));
  REQUIRE(due);
  clock.advance(*due - clock.now());
  CHECK(claim(query("a", "provider:tsb", 0)).empty());
  CHECK(claim(query("a", "provider:other")).empty());
  CHECK(claim(query("a")).size() == 1);
}

TEST_CASE_METHOD(Fixture, "the oldest due effects are claimed first and no more than there are places") {
  for (int i = 0; i < 5; ++i) {
    create_ready_to_submit(*store, order_of("R" + std::to_string(i), clock.now()));
    clock.advance(1s);
  }
  const std::vector<Claim> claims = claim(query("a", "provider:tsb", 3));
  REQUIRE(claims.size() == 3);
  for (std::size_t i = 0; i < 3; ++i) CHECK(claims[i].record.order.id == RequestId{"R" + std::to_string(i)});
}

TEST_CASE_METHOD(Fixture, "a claim for one request leaves the others alone") {
  create_ready_to_submit(*store, order);
  create_ready_to_submit(*store, order_of("OTHER", clock.now()));
  ClaimQuery only = query("a");
  only.only = {RequestId{"OTHER"}};
  const std::vector<Claim> claims = claim(only);
  REQUIRE(claims.size() == 1);
  CHECK(claims[0].record.order.id == RequestId{"OTHER"});
}

TEST_CASE_METHOD(Fixture, "a claim that finds nothing writes nothing") {
  create_awaiting_approval(*store, order);
  const std::uint64_t before = commits();
  CHECK(claim(query("a")).empty());
  CHECK(commits() == before);
}

TEST_CASE_METHOD(Fixture, "claims are given back in the transaction of the next claim") {
  create_ready_to_submit(*store, order);
  const Claim held = claim(query("a")).at(0);
  const std::uint64_t before = commits();
  ClaimQuery next = query("a");
  next.give_back = {{held.effect_id, clock.now() + 10s, "no route"}};
  CHECK(claim(next).empty());
  CHECK(commits() == before + 1);
  std::vector<EffectStatus> waiting = store->effect_status(order.id);
  REQUIRE(waiting.size() == 1);
  CHECK(waiting[0].effect.due == clock.now() + 10s);
  CHECK(waiting[0].trouble == "no route");
  CHECK(waiting[0].failures == 1);
  CHECK_FALSE(waiting[0].running);

  clock.advance(10s);
  next.give_back.clear();
  const Claim again = claim(next).at(0);
  CHECK(again.failures == 1);
  next.give_back = {{again.effect_id, clock.now() + 10s, ""}};
  CHECK(claim(next).empty());
  waiting = store->effect_status(order.id);
  CHECK(waiting[0].failures == 0);
  CHECK(waiting[0].trouble.empty());

  clock.advance(10s);
  next.give_back.clear();
  next.give_back = {{claim(next).at(0).effect_id, clock.now() + 10s, std::nullopt}};
  CHECK(claim(next).empty());
  CHECK(store->effect_status(order.id)[0].failures == 0);
}

TEST_CASE_METHOD(Fixture, "a step with a lease is refused when the lease is another worker's or has ended") {
  create_ready_to_submit(*store, order);
  const Claim held = claim(query("a")).at(0);
  Step start = step_of(record(), AttemptStarted{1, "a", clock.now() + 60s}, clock.now());
  start.finished_effect = held.effect_id;
  start.lease_of = "b";
  CHECK(store->commit({start}) == std::vector<StepResult>{StepResult::lease_lost});
  start.lease_of = "a";
  start.finished_effect = held.effect_id + 1;
  CHECK(store->commit({start}) == std::vector<StepResult>{StepResult::lease_lost});
  start.finished_effect = held.effect_id;
  clock.advance(90s);
  CHECK(store->commit({start}) == std::vector<StepResult>{StepResult::lease_lost});
  CHECK(record().sequence == 6);
  CHECK(identities() == std::vector<std::string>{"submit:1"});
}

TEST_CASE_METHOD(Fixture, "a started attempt leaves no submit effect and its timer waits for the hard deadline") {
  create_ready_to_submit(*store, order);
  const Claim held = claim(query("a")).at(0);
  Step start = step_of(record(), AttemptStarted{1, "a", clock.now() + 60s}, clock.now());
  start.finished_effect = held.effect_id;
  start.lease_of = "a";
  REQUIRE(store->commit({start}) == std::vector<StepResult>{StepResult::committed});
  CHECK(identities() == std::vector<std::string>{"answer_overdue:1"});
  // The wall clock jumps past the due time while the call is still being made.
  clock.set_wall(clock.now() + 1h);
  CHECK(claim(query("b", "timer:tsb")).empty());
  clock.advance(60s);
  CHECK(claim(query("b", "timer:tsb")).size() == 1);
}

TEST_CASE_METHOD(Fixture, "a wall clock set forward hastens no look-up") {
  create_ready_to_submit(*store, order);
  take(*store, order.id, AttemptStarted{1, "a", clock.now() + 60s}, clock.now());
  take(*store, order.id, AnswerLost{1, "cut"}, clock.now());
  clock.set_wall(clock.now() + 1h);
  CHECK(claim(query("b")).empty());
  clock.advance(90s);  // the deadline of the call and the settle time
  const Claim look = claim(query("b")).at(0);
  Step absent = step_of(record(), AbsentAtProvider{1}, clock.now());
  absent.finished_effect = look.effect_id;
  REQUIRE(store->commit({absent}) == std::vector<StepResult>{StepResult::committed});
  // The second absence is not of the same moment either.
  clock.set_wall(clock.now() + 1h);
  CHECK(claim(query("b")).empty());
  // A cancel meanwhile changes nothing about it.
  take(*store, order.id, CancelAsked{"no"}, clock.now());
  CHECK(claim(query("b")).empty());
  clock.advance(30s);
  CHECK(claim(query("b")).size() == 1);
}

TEST_CASE_METHOD(OfBoots,
                 "a look-up that waits for its settle time says when it is made and that nobody makes it now") {
  create_ready_to_submit(*store, order);
  take(*store, order.id, AttemptStarted{1, "a", clock.now() + 60s}, clock.now());
  take(*store, order.id, AnswerLost{1, "cut"}, clock.now());
  const auto status = [&] { return store->effect_status(order.id).at(0); };
  CHECK(status().effect.due == clock.now() + 90s);
  CHECK_FALSE(status().running);
  clock.set_wall(clock.now() + 1h);
  CHECK(status().effect.due == clock.now() + 90s);
  CHECK(store->next_due(query("b")) == clock.now() + 90s);
  clock.advance(60s);
  CHECK(status().effect.due == clock.now() + 30s);
  // Another boot does not know how much has passed.
  store::OpenOptions rebooted;
  rebooted.boot_id = "another boot";
  store = SqliteStore::open(folder / "store.db", clock, rebooted);
  CHECK(status().effect.due == clock.now() + 90s);
  store->follow_clock(clock.now());
  CHECK(status().effect.due == clock.now() + 90s);
  clock.advance(90s);
  CHECK(claim(query("b")).size() == 1);
  CHECK(status().running);
}

TEST_CASE_METHOD(OfBoots, "an answer that is stored late does not shorten the settle time after a boot") {
  create_ready_to_submit(*store, order);
  const Instant begun = clock.now();
  take(*store, order.id, AttemptStarted{1, "a", begun + 60s}, begun);
  clock.advance(20s);
  take(*store, order.id, AnswerLost{1, "cut"}, begun);
  store::OpenOptions rebooted;
  rebooted.boot_id = "another boot";
  store = SqliteStore::open(folder / "store.db", clock, rebooted);
  CHECK(store->effect_status(order.id).at(0).effect.due == clock.now() + 90s);
}

TEST_CASE_METHOD(Fixture, "a claim for several requests leaves the others alone") {
  for (const std::string id : {"A", "B", "C"}) create_ready_to_submit(*store, order_of(id, clock.now()));
  ClaimQuery two = query("a");
  two.only = {RequestId{"A"}, RequestId{"C"}};
  std::vector<std::string> claimed;
  for (const Claim& one : claim(two)) claimed.push_back(one.record.order.id.str());
  CHECK(claimed == std::vector<std::string>{"A", "C"});
  two.only = {RequestId{"C"}};
  CHECK(store->next_due(two));
  two.only = {RequestId{"NONE"}};
  CHECK_FALSE(store->next_due(two));
}

TEST_CASE_METHOD(Fixture, "an answer is stored without the lease") {
  create_ready_to_submit(*store, order);
  const Claim held = claim(query("a")).at(0);
  take(*store, order.id, AttemptStarted{1, "a", clock.now() + 60s}, clock.now());
  clock.advance(1h);
  StatusReport report;
  report.status = RequestStatus::awaiting_approval;
  report.reference = ProviderReference{"ref"};
  Step answer = step_of(record(), SubmissionAnswered{1, report}, clock.now());
  answer.finished_effect = held.effect_id;
  CHECK(store->commit({answer}) == std::vector<StepResult>{StepResult::committed});
  CHECK(identities() == std::vector<std::string>{"poll"});
}

TEST_CASE_METHOD(Fixture, "the failures of one target do not put off the next try of another") {
  test::wanted(order).targets = {{"token", ""}, {"file:a", "/a"}};
  create_awaiting_approval(*store, order);
  take(*store, order.id, ResultReceived{}, clock.now());
  take(*store, order.id, Verified{"ff", {}}, clock.now());
  const auto fail = [&](const std::string& target, const std::string& lane) {
    const Claim held = claim(query("a", lane)).at(0);
    Step failed = step_of(record(), TargetFailed{target, {"unavailable", "no room", ""}}, clock.now());
    failed.finished_effect = held.effect_id;
    REQUIRE(store->commit({failed}) == std::vector<StepResult>{StepResult::committed});
  };
  const auto due = [&] {
    for (const Effect& effect : store->effects(order.id)) {
      if (effect.target == "token") return effect.due;
    }
    return Instant{};
  };
  fail("token", "token:web");
  const Instant planned = due();
  clock.advance(5s);
  fail("file:a", "local");
  CHECK(due() == planned);
}

TEST_CASE_METHOD(Fixture, "an effect that is being run and is still wanted stays as it is") {
  test::wanted(order).targets = {{"token", ""}, {"file:a", "/a"}};
  create_awaiting_approval(*store, order);
  take(*store, order.id, ResultReceived{}, clock.now());
  take(*store, order.id, Verified{"ff", {}}, clock.now());
  REQUIRE(identities() == std::vector<std::string>{"install:token", "install:file:a"});
  const Claim token = claim(query("a", "token:web")).at(0);
  const Claim file = claim(query("a", "local")).at(0);

  Step installed = step_of(record(), TargetInstalled{"token"}, clock.now());
  installed.finished_effect = token.effect_id;
  REQUIRE(store->commit({installed}) == std::vector<StepResult>{StepResult::committed});
  CHECK(identities() == std::vector<std::string>{"install:file:a"});
  CHECK(claim(query("b", "local")).empty());

  // The finished one is replaced although it is leased and wanted again.
  Step failed = step_of(record(), TargetFailed{"file:a", {"unavailable", "no room", ""}}, clock.now());
  failed.finished_effect = file.effect_id;
  REQUIRE(store->commit({failed}) == std::vector<StepResult>{StepResult::committed});
  const std::vector<EffectStatus> waiting = store->effect_status(order.id);
  REQUIRE(waiting.size() == 1);
  CHECK_FALSE(waiting[0].running);
  CHECK(waiting[0].effect.due > clock.now());
}

TEST_CASE_METHOD(Fixture, "effects that the new state does not want are dropped even while they run") {
  create_ready_to_submit(*store, order);
  REQUIRE(claim(query("a")).size() == 1);
  take(*store, order.id, CancelAsked{"no"}, clock.now());
  CHECK(identities().empty());
  CHECK_FALSE(store->next_due(query("a")));
}

TEST_CASE_METHOD(Fixture, "timers wait in a lane of their own") {
  order.deadline = clock.now() + 1h;
  create_ready_to_submit(*store, order);
  CHECK(store->next_due(query("a", "timer:tsb")) == clock.now() + 1h);
  clock.advance(1h);
  CHECK(claim(query("a", "local")).empty());
  CHECK(claim(query("a", "timer:tsb")).at(0).effect.name == EffectName::deadline);
}

TEST_CASE_METHOD(Fixture, "the next due time of a leased effect is the end of its lease") {
  create_ready_to_submit(*store, order);
  REQUIRE(claim(query("a")).size() == 1);
  CHECK(store->next_due(query("b")) == clock.now() + 90s);
}
