// A run that ended without an outcome is no failure, and what kills workers does not keep the others from working.
#include "support/engine_fixture.h"
#include "support/said.h"
#include "workflow/engine/lane_pauses.h"
#include "workflow/machine/backoff.h"

#include <algorithm>
#include <atomic>
#include <catch2/catch.hpp>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

using namespace hsmbridge;
using namespace hsmbridge::test;
using namespace hsmbridge::workflow;
using namespace std::chrono_literals;
using store::SqliteStore;

namespace {

struct Fixture : EngineFixture {
  EffectStatus status() { return store->effect_status(order.id).at(0); }
  // A worker claims everything that is due in these lanes and dies.
  std::size_t claim_and_die(std::map<std::string, unsigned> lanes) {
    const std::size_t claimed = store->claim({"dying", std::move(lanes), 90s, {}, {}}, clock.now()).size();
    store->end_leases([](const std::string& worker) { return worker == "dying"; });
    return claimed;
  }
  void lose_the_answer() {
    create_ready_to_submit(*store, order);
    take(*store, order.id, AttemptStarted{1, "w", clock.now() + 60s}, clock.now());
    take(*store, order.id, AnswerLost{1, "the connection died"}, clock.now());
    clock.advance(2min);
  }
};

}  // namespace

TEST_CASE_METHOD(Fixture, "kills do not count as failed look-ups") {
  lose_the_answer();
  for (int kill = 0; kill < 23; ++kill) {
    clock.advance(status().effect.due > clock.now() ? status().effect.due - clock.now() : 0ms);
    REQUIRE(claim_and_die({{"provider:tsb", 4}}) == 1);
  }
  CHECK(status().failures == 0);
  CHECK(status().crashes == 23);
  clock.advance(2h);
  runner.instead[EffectName::look_up] = [](const Claim&, Instant, Duration) -> EffectOutcome {
    throw Error{ErrorKind::unavailable, "HTTP 503"};
  };
  Engine worker(open(), runner, clock, engine_options("w"));
  settle(worker);
  CHECK(state() == StateName::looking_up);
  CHECK(status().failures == 1);
  CHECK(status().effect.due == clock.now() + next_retry(order.id, 1, std::nullopt, {}));
}

TEST_CASE_METHOD(Fixture, "after kills a provider that asks for a second of patience is asked again soon") {
  create_awaiting_approval(*store, order);
  clock.advance(1h);
  for (int kill = 0; kill < 8; ++kill) {
    clock.advance(status().effect.due > clock.now() ? status().effect.due - clock.now() : 0ms);
    REQUIRE(claim_and_die({{"provider:tsb", 4}}) == 1);
  }
  clock.advance(1h);
  runner.instead[EffectName::poll] = [](const Claim&, Instant, Duration) -> EffectOutcome {
    throw Error{ErrorKind::unavailable, "HTTP 429"}.with("retry-after", "1s");
  };
  EngineOptions options = engine_options("w");
  options.only = {order.id};
  Engine worker(open(), runner, clock, options);
  settle(worker);
  CHECK(status().effect.due <= clock.now() + 12s);
}

TEST_CASE_METHOD(Fixture, "an effect whose worker dies every time is left alone for longer and longer") {
  create_awaiting_approval(*store, order);
  clock.advance(1h);
  for (int death = 1; death <= 2; ++death) {
    REQUIRE(claim_and_die({{"provider:tsb", 4}}) == 1);
    CHECK(status().effect.due <= clock.now());
  }
  Duration last{};
  for (int death = 3; death <= 12; ++death) {
    REQUIRE(claim_and_die({{"provider:tsb", 4}}) == 1);
    const Duration pause = status().effect.due - clock.now();
    CHECK((pause > last || pause == 1h));
    CHECK(pause <= 1h);
    last = pause;
    clock.advance(pause);
  }
  CHECK(last == 1h);
  // One run that goes well, and all is forgotten.
  runner.on_poll = RequestStatus::awaiting_approval;
  EngineOptions options = engine_options("w");
  options.only = {order.id};
  Engine worker(open(), runner, clock, options);
  clock.advance(1h);
  settle(worker);
  CHECK(status().crashes == 0);
}

TEST_CASE_METHOD(Fixture, "an effect that its own engine still runs past its lease is no crash") {
  create_awaiting_approval(*store, order);
  clock.advance(1h);
  REQUIRE(store->claim({"w", {{"provider:tsb", 4}}, 90s, {}, {}}, clock.now()).size() == 1);
  clock.advance(2min);
  REQUIRE(store->claim({"w", {{"provider:tsb", 4}}, 90s, {}, {}}, clock.now()).size() == 1);
  CHECK(status().crashes == 0);
  clock.advance(2min);
  REQUIRE(store->claim({"another", {{"provider:tsb", 4}}, 90s, {}, {}}, clock.now()).size() == 1);
  CHECK(status().crashes == 1);
}

TEST_CASE_METHOD(Fixture, "deaths are forgotten once a worker that saw none of them works in the lane") {
  Engine worker(open(), runner, clock, engine_options("w"));
  settle(worker);
  for (int i = 0; i < 2; ++i) create(*store, order_of("R" + std::to_string(i), clock.now()));
  for (int death = 0; death < 3; ++death) claim_and_die({{"token:web", 2}});
  REQUIRE(store->lanes().at("token:web").deaths == 3);
  clock.advance(1h);
  settle(worker);
  CHECK(runner.calls_of("ensure_key") == 2);
  CHECK(store->lanes().at("token:web").deaths == 0);
}

TEST_CASE_METHOD(Fixture, "a worker that dies while it rings timers says nothing about the provider") {
  create_ready_to_submit(*store, order);
  take(*store, order.id, AttemptStarted{1, "gone before", clock.now() + 60s}, clock.now());
  clock.advance(10min);
  REQUIRE(claim_and_die({{"timer:tsb", 4}}) == 1);
  CHECK(store->lanes().count("provider:tsb") == 0);
  // The one that began the call and did not live to hear the answer does, however late that is found.
  Order second = order_of("SECOND", clock.now());
  create_ready_to_submit(*store, second);
  take(*store, second.id, AttemptStarted{1, "dying", clock.now() + 60s}, clock.now());
  clock.advance(10min);
  claim_and_die({});
  CHECK(store->lanes().at("provider:tsb").deaths == 1);
}

TEST_CASE_METHOD(Fixture, "a module that kills every worker pauses its lane and the other token's requests go on") {
  for (int i = 0; i < 6; ++i) create(*store, order_of("R" + std::to_string(i), clock.now()));
  Order healthy = order_of("HEALTHY", clock.now());
  test::wanted(healthy).token = "other";
  create(*store, healthy);
  EngineOptions options = engine_options("w");
  options.lanes["token:other"] = 2;
  claim_and_die({{"token:web", 2}, {"token:other", 2}});
  for (int death = 0; death < 2; ++death) claim_and_die({{"token:web", 2}});
  CHECK(store->lanes().at("token:web").deaths == 3);
  CHECK(store->lanes().at("token:other").deaths == 1);

  unsigned at_once = 0;
  unsigned most_at_once = 0;
  std::mutex mutex;
  runner.instead[EffectName::ensure_key] = [&](const Claim& claim, Instant now, Duration) {
    const bool web = claim.record.order.token() == "web";
    {
      const std::lock_guard lock(mutex);
      if (web) most_at_once = std::max(most_at_once, ++at_once);
    }
    EffectOutcome outcome = runner.usual(claim, now);
    const std::lock_guard lock(mutex);
    if (web) --at_once;
    return outcome;
  };
  std::unique_ptr<Engine> worker;
  const std::string said = said_meanwhile([&] {
    worker = std::make_unique<Engine>(open(), runner, clock, options);
    settle(*worker);
  });
  CHECK(said.find("3 workers died during a call of token web: it is tried again in 10 seconds") != std::string::npos);
  CHECK(name_of(store->find(healthy.id)->state) == StateName::awaiting_approval);
  CHECK(runner.calls_of("ensure_key") == 1);
  CHECK(store->lanes().at("token:other").deaths == 0);

  clock.advance(10s);
  REQUIRE(worker->step());
  CHECK(runner.calls_of("ensure_key") == 2);  // one call alone, until it came through
  CHECK(store->lanes().at("token:web").deaths == 0);
  settle(*worker);
  CHECK(runner.calls_of("ensure_key") == 7);
  // What is told once is not told to the next worker.
  CHECK(said_meanwhile([&] { Engine(open(), runner, clock, engine_options("next")).step(); }).empty());
}

TEST_CASE_METHOD(Fixture, "deaths in several lanes are told apart by trying one lane after the other") {
  create(*store, order);
  Order other = order_of("OTHER", clock.now());
  test::wanted(other).token = "other";
  create(*store, other);
  for (int death = 0; death < 2; ++death) claim_and_die({{"token:web", 2}, {"token:other", 2}});
  EngineOptions options = engine_options("w");
  options.lanes["token:other"] = 2;
  Engine worker(open(), runner, clock, options);
  CHECK_FALSE(worker.step());
  clock.advance(5s);
  REQUIRE(worker.step());
  CHECK(runner.calls() == std::vector<std::string>{"ensure_key of OTHER"});
  clock.advance(5s);
  settle(worker);
  CHECK(runner.calls_of("ensure_key") == 2);
}

TEST_CASE_METHOD(Fixture, "nothing is submitted while a lane is tried in which a worker died") {
  create(*store, order);
  claim_and_die({{"token:web", 2}});
  Order ready = order_of("READY", clock.now());
  create_ready_to_submit(*store, ready);
  const auto submitted = [&] { return runner.calls_of("submit:1"); };
  runner.instead[EffectName::ensure_key] = [&](const Claim& claim, Instant now, Duration) {
    CHECK(submitted() == 0);
    return runner.usual(claim, now);
  };
  Engine worker(open(), runner, clock, engine_options("w"));
  REQUIRE(worker.step());
  CHECK(runner.calls() == std::vector<std::string>{"ensure_key of " + order.id.str()});
  CHECK(store->effect_status(ready.id).at(0).failures == 0);
  clock.advance(1s);
  settle(worker);
  CHECK(submitted() == 2);
}

TEST_CASE_METHOD(Fixture, "of two lanes in which one worker died one is tried at a time") {
  create(*store, order);
  Order other = order_of("OTHER", clock.now());
  test::wanted(other).token = "other";
  create(*store, other);
  claim_and_die({{"token:web", 2}, {"token:other", 2}});
  EngineOptions options = engine_options("w");
  options.lanes["token:other"] = 2;
  Engine worker(open(), runner, clock, options);
  REQUIRE(worker.step());
  CHECK(runner.calls() == std::vector<std::string>{"ensure_key of OTHER"});
  settle(worker);
  CHECK(runner.calls_of("ensure_key") == 2);
}

TEST_CASE_METHOD(Fixture, "a lane in which workers died is not tried while the answer to a submission is awaited") {
  create(*store, order);
  for (int death = 0; death < 2; ++death) claim_and_die({{"token:web", 2}});
  Order ready = order_of("READY", clock.now());
  create_ready_to_submit(*store, ready);
  std::atomic<bool> answered{false};
  std::atomic<bool> tried_before{false};
  runner.instead[EffectName::submit] = [&](const Claim& claim, Instant now, Duration) {
    if (claim.record.order.id == ready.id) {
      clock.advance(5s);  // the pause of the token's lane is over
      std::this_thread::sleep_for(1s);
      answered = true;
    }
    return runner.usual(claim, now);
  };
  runner.instead[EffectName::ensure_key] = [&](const Claim& claim, Instant now, Duration) {
    tried_before = !answered;
    return runner.usual(claim, now);
  };
  Engine worker(open(), runner, clock, engine_options("w"));
  worker.run([&](Store& now) {
    return name_of(now.find(order.id)->state) == StateName::awaiting_approval &&
           name_of(now.find(ready.id)->state) == StateName::awaiting_approval;
  });
  CHECK(answered);
  CHECK_FALSE(tried_before);
}

TEST_CASE_METHOD(Fixture, "a worker that died in a submission is a death of the provider's lane") {
  create_ready_to_submit(*store, order);
  const Claim claim = store->claim({"dying", {{"provider:tsb", 1}}, 90s, {}, {}}, clock.now()).at(0);
  Step start = step_of(store->find(order.id).value(), AttemptStarted{1, "dying", clock.now() + 60s}, clock.now());
  start.finished_effect = claim.effect_id;
  start.lease_of = "dying";
  REQUIRE(store->commit({start}).at(0) == StepResult::committed);
  store->end_leases([](const std::string& worker) { return worker == "dying"; });
  CHECK(store->lanes().at("provider:tsb").deaths == 1);
}

TEST_CASE_METHOD(Fixture, "a lane that another process saw working is tried at once") {
  create(*store, order);
  bool there = false;
  runner.instead[EffectName::ensure_key] = [&](const Claim& claim, Instant now, Duration) -> EffectOutcome {
    if (!there) throw Error{ErrorKind::denied, "its PIN was refused"}.with("lane", "down");
    return runner.usual(claim, now);
  };
  Engine worker(open(), runner, clock, engine_options("w"));
  for (int i = 0; i < 8; ++i) {
    settle(worker);
    clock.advance(1min);
  }
  settle(worker);
  there = true;
  settle(worker);
  CHECK(state() == StateName::preparing);
  open()->lane_works("token:web");
  settle(worker);
  CHECK(state() == StateName::awaiting_approval);
}
