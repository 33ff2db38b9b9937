// A wall clock that was ahead and is set right.
#include "store/sqlite_store.h"
#include "support/fake_clock.h"
#include "support/fake_runner.h"
#include "support/said.h"
#include "support/temp_folder.h"
#include "workflow/engine/engine.h"

#include <catch2/catch.hpp>
#include <string>

using namespace hsmbridge;
using namespace hsmbridge::test;
using namespace hsmbridge::workflow;
using namespace std::chrono_literals;
using store::SqliteStore;

namespace {

struct Fixture {
  TempFolder folder;
  FakeClock clock;
  FakeRunner runner;
  const Instant right = clock.now();
  std::unique_ptr<SqliteStore> store;
  Order order;

  Fixture() {
    runner.on_poll = RequestStatus::awaiting_approval;
    clock.set_wall(right + 24h);  // a day ahead
    store = open();
    order = order_of("0A1B2C3D4E5F6G7H", clock.now());
  }
  std::unique_ptr<SqliteStore> open() { return SqliteStore::open(folder / "store.db", clock); }
  Instant due(const std::string& identity) {
    for (const Effect& effect : store->effects(order.id)) {
      if (effect.identity() == identity) return effect.due;
    }
    FAIL("no effect " << identity);
    return {};
  }
  static void settle(Engine& engine) {
    for (int i = 0; i < 100; ++i) {
      if (!engine.step()) return;
    }
    FAIL("the engine does not come to rest");
  }
};

}  // namespace

TEST_CASE_METHOD(Fixture, "after the clock is set right polls are due as soon as they would have been") {
  create_awaiting_approval(*store, order);
  const Duration pause = due("poll") - clock.now();
  SECTION("while the engine runs") {
    Engine worker(open(), runner, clock, engine_options("w"));
    settle(worker);
    clock.set_wall(right);
    const std::string said = said_meanwhile([&] { settle(worker); });
    CHECK(said.find("the clock of this machine was set back by 1 day") != std::string::npos);
    CHECK(said_meanwhile([&] { settle(worker); }).empty());
  }
  SECTION("before it starts") {
    clock.set_wall(right);
    Engine worker(open(), runner, clock, engine_options("w"));
    const std::string said = said_meanwhile([&] { settle(worker); });
    CHECK(said.find("1 day ahead") != std::string::npos);
    CHECK(said_meanwhile([&] { Engine(open(), runner, clock, engine_options("n")).step(); }).empty());
  }
  CHECK(due("poll") == right + pause);
}

TEST_CASE_METHOD(Fixture, "a provider's wish for patience keeps its length when the clock is set right") {
  runner.retry_after = 5h;
  create_awaiting_approval(*store, order);
  Engine worker(open(), runner, clock, engine_options("w"));
  clock.advance(due("poll") - clock.now());
  settle(worker);
  REQUIRE(runner.calls_of("poll") == 1);
  const Duration left = due("poll") - clock.now();
  CHECK(left >= 5h);
  const Instant now = clock.now() - 24h;
  clock.set_wall(now);
  settle(worker);
  CHECK(due("poll") == now + left);
}

TEST_CASE_METHOD(Fixture, "a submission whose answer was lost is looked up in time after the clock is set right") {
  create_ready_to_submit(*store, order);
  const auto lost = GENERATE(false, true);
  runner.instead[EffectName::submit] = [&](const Claim& claim, Instant now, Duration) {
    runner.submit(claim);
    if (!lost) clock.set_wall(now - 24h);  // set right while the call is under way
    return FakeRunner::outcome(AnswerLost{1, "the connection died"});
  };
  Engine worker(open(), runner, clock, engine_options("w"));
  settle(worker);
  if (lost) clock.set_wall(right);
  for (int minute = 0; minute < 5; ++minute) {
    clock.advance(1min);
    settle(worker);
  }
  CHECK(runner.calls_of("look_up:1") == 1);
  CHECK(name_of(store->find(order.id)->state) == StateName::awaiting_approval);
}

TEST_CASE_METHOD(Fixture, "a submission that was absent once is looked up again in time after the clock is set right") {
  create_ready_to_submit(*store, order);
  runner.instead[EffectName::submit] = [&](const Claim&, Instant, Duration) {
    return FakeRunner::outcome(AnswerLost{1, "the connection died"});
  };
  Engine worker(open(), runner, clock, engine_options("w"));
  settle(worker);
  clock.advance(90s);
  settle(worker);
  REQUIRE(runner.calls_of("look_up:1") == 1);
  clock.set_wall(clock.now() - 24h);
  for (int minute = 0; minute < 5; ++minute) {
    clock.advance(1min);
    settle(worker);
  }
  for (const std::string& call : runner.calls()) UNSCOPED_INFO(call);
  UNSCOPED_INFO(to_string(name_of(store->find(order.id)->state)));
  CHECK(runner.calls_of("look_up:1") >= 2);
  CHECK(runner.calls_of("submit:2") == 1);
}

TEST_CASE_METHOD(Fixture, "what a provider's rate holds back goes on in time after the clock is set right") {
  create_ready_to_submit(*store, order);
  create_ready_to_submit(*store, order_of("1A1B2C3D4E5F6G7H", clock.now()));
  EngineOptions options = engine_options("w");
  options.per_minute[order.provider] = 4;  // one now, and one in 15 s
  const bool meanwhile = GENERATE(true, false);
  runner.instead[EffectName::submit] = [&](const Claim& claim, Instant now, Duration) {
    // Set right while the first is under way and the second is to be given back.
    if (meanwhile && clock.now() >= right + 24h) clock.set_wall(clock.now() - 24h);
    return runner.usual(claim, now);
  };
  Engine worker(open(), runner, clock, options);
  settle(worker);
  REQUIRE(runner.calls_of("submit:1") == 1);
  if (!meanwhile) clock.set_wall(clock.now() - 24h);
  for (int i = 0; i < 7; ++i) {  // the pause of the first, and what the clock left behind
    clock.advance(5s);
    settle(worker);
  }
  CHECK(runner.calls_of("submit:1") == 2);
}

TEST_CASE_METHOD(Fixture, "a clock set forward sends nothing again before the search's lag has really passed") {
  const bool rebooted = GENERATE(false, true);
  create_ready_to_submit(*store, order);
  runner.instead[EffectName::submit] = [&](const Claim&, Instant, Duration) {
    return FakeRunner::outcome(AnswerLost{1, "the connection died"});
  };
  EngineOptions options = engine_options("w");
  options.timing[order.provider].search_lag = 1h;
  const auto worker = [&](const std::string& boot) {
    store::OpenOptions opened;
    opened.boot_id = boot;
    return std::make_unique<Engine>(SqliteStore::open(folder / "store.db", clock, opened), runner, clock, options);
  };
  auto engine = worker("one");
  settle(*engine);
  clock.advance(90s);
  settle(*engine);
  REQUIRE(runner.calls_of("look_up:1") == 1);
  clock.set_wall(clock.now() + 24h);
  if (rebooted) engine.reset(), engine = worker("two");
  for (int minute = 0; minute < 58; ++minute) {
    settle(*engine);
    clock.advance(1min);
  }
  CHECK(runner.calls_of("submit:2") == 0);
  CHECK(runner.calls_of("look_up:1") > 1);
  for (int minute = 0; minute < 30; ++minute) {
    clock.advance(1min);
    settle(*engine);
  }
  CHECK(runner.calls_of("submit:2") == 1);
}

TEST_CASE_METHOD(Fixture, "a deadline and the age of a draft keep their moments") {
  order.deadline = right + 30h;
  order.max_age = 50h;
  order.wants_command = true;
  create(*store, order);
  Engine worker(open(), runner, clock, engine_options("w"));
  settle(worker);
  const Instant age = due("draft_age");
  clock.set_wall(right);
  settle(worker);
  CHECK(due("deadline") == right + 30h);
  CHECK(due("draft_age") == age);
}

TEST_CASE_METHOD(Fixture, "overdue polls are spread from now on and not from a start in the future") {
  create_awaiting_approval(*store, order);
  clock.advance(2h);
  Engine worker(open(), runner, clock, engine_options("w"));
  settle(worker);
  clock.set_wall(right + 2h);
  for (int minute = 0; minute < 20; ++minute) {
    clock.advance(1min);
    settle(worker);
  }
  CHECK(runner.calls_of("poll") >= 1);
}

TEST_CASE_METHOD(Fixture, "an operator's command that was given by a clock ahead is not carried out, and ends") {
  order.wants_command = true;
  create_ready_to_submit(*store, order);
  const auto state = [&] { return name_of(store->find(order.id).value().state); };
  REQUIRE(state() == StateName::awaiting_command);
  take(*store, order.id, Commanded{}, clock.now());
  clock.set_wall(right);
  Engine worker(open(), runner, clock, engine_options("w"));
  for (int minute = 0; minute < 20; ++minute) {
    settle(worker);
    clock.advance(1min);
  }
  CHECK(runner.calls_of("submit:1") == 0);
  CHECK(state() == StateName::awaiting_command);
}
