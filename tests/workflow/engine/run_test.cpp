// The engine's own loop, several engines on one store, and crashes played by a store that dies.
#include "support/engine_fixture.h"
#include "support/failing_store.h"

#include <signal.h>

#include <algorithm>
#include <atomic>
#include <catch2/catch.hpp>
#include <condition_variable>
#include <string>
#include <thread>
#include <vector>

using namespace hsmbridge;
using namespace hsmbridge::test;
using namespace hsmbridge::workflow;
using namespace std::chrono_literals;
using store::SqliteStore;

namespace {

using Fixture = EngineFixture;

bool all_final(Store& store) {
  Store::ListQuery open;
  open.open_only = true;
  return store.list(open).empty();
}

Engine* engine_of_handler = nullptr;

}  // namespace

TEST_CASE_METHOD(Fixture, "run works until the condition holds") {
  runner.after_submit = RequestStatus::handed_out;
  create(*store, order);
  Engine engine(open(), runner, clock, engine_options("w"));
  engine.run(all_final);
  CHECK(state() == StateName::completed);
}

TEST_CASE_METHOD(Fixture, "run asks its condition before it does anything") {
  create(*store, order);
  Engine engine(open(), runner, clock, engine_options("w"));
  engine.run([](Store&) { return true; });
  CHECK(runner.calls().empty());
}

TEST_CASE_METHOD(Fixture, "a signal handler can stop a sleeping engine") {
  Engine engine(open(), runner, clock, engine_options("w"));
  engine_of_handler = &engine;
  struct sigaction action {};
  struct sigaction before {};
  action.sa_handler = [](int) { engine_of_handler->stop(); };
  REQUIRE(::sigaction(SIGUSR1, &action, &before) == 0);
  std::thread thread([&] { engine.run(); });
  ::kill(::getpid(), SIGUSR1);
  thread.join();
  ::sigaction(SIGUSR1, &before, nullptr);
  CHECK(runner.calls().empty());
}

TEST_CASE_METHOD(Fixture, "stop lets the effect in hand finish and stores its answer") {
  create_ready_to_submit(*store, order);
  Engine engine(open(), runner, clock, engine_options("w"));
  runner.instead[EffectName::submit] = [&](const Claim& claim, Instant now, Duration) {
    engine.stop();
    return runner.usual(claim, now);
  };
  engine.run();
  CHECK(state() == StateName::awaiting_approval);
  CHECK(runner.calls().size() == 1);
}

TEST_CASE_METHOD(Fixture, "a sleeping engine notices what another process wrote") {
  runner.after_submit = RequestStatus::handed_out;
  Engine engine(open(), runner, clock, engine_options("w"));
  std::atomic<bool> asked{false};
  std::thread thread([&] {
    engine.run([&](Store& seen) {
      asked = true;
      return !seen.list({}).empty() && all_final(seen);
    });
  });
  while (!asked) std::this_thread::yield();
  create(*store, order);
  thread.join();
  CHECK(state() == StateName::completed);
}

TEST_CASE_METHOD(Fixture, "a slow lane holds up no other") {
  runner.after_submit = RequestStatus::handed_out;
  Order slow = order_of("SLOW", clock.now());
  test::wanted(slow).token = "slow";
  create(*store, slow);
  create(*store, order);
  std::mutex mutex;
  std::condition_variable changed;
  bool others_done = false;
  runner.instead[EffectName::ensure_key] = [&](const Claim& claim, Instant now, Duration) {
    if (claim.record.order.token() == "slow") {
      std::unique_lock lock(mutex);
      CHECK(changed.wait_for(lock, 60s, [&] { return others_done; }));
    }
    return runner.usual(claim, now);
  };
  EngineOptions options = engine_options("w");
  options.lanes["token:slow"] = 1;
  Engine engine(open(), runner, clock, options);
  engine.run([&](Store& seen) {
    if (is_final(name_of(seen.find(order.id)->state))) {
      const std::lock_guard lock(mutex);
      others_done = true;
      changed.notify_all();
    }
    return all_final(seen);
  });
  CHECK(name_of(store->find(slow.id)->state) == StateName::completed);
}

TEST_CASE_METHOD(Fixture, "two engines share the work and submit nothing twice") {
  constexpr int kRequests = 40;
  runner.after_submit = RequestStatus::handed_out;
  for (int i = 0; i < kRequests; ++i) create(*store, order_of("R" + std::to_string(i), clock.now()));
  std::vector<std::thread> threads;
  for (int w = 0; w < 2; ++w) {
    threads.emplace_back([&, w] {
      Engine engine(open(), runner, clock, engine_options("w" + std::to_string(w)));
      engine.run(all_final);
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (int i = 0; i < kRequests; ++i) {
    const RequestId id{"R" + std::to_string(i)};
    CHECK(runner.submissions(id) == 1);
    CHECK(name_of(store->find(id)->state) == StateName::completed);
  }
  std::vector<std::string> calls = runner.calls();
  CHECK(calls.size() == kRequests * 7);
}

TEST_CASE_METHOD(Fixture, "an effect that outlives its lease is not run beside itself by its own engine") {
  create_ready_to_submit(*store, order);
  runner.instead[EffectName::submit] = [&](const Claim& claim, Instant now, Duration) {
    return runner.usual(claim, now);
  };
  take(*store, order.id, AttemptStarted{1, "w", clock.now() + 60s}, clock.now());
  take(*store, order.id, SubmissionAnswered{1, runner.report(order.id, RequestStatus::awaiting_approval)}, clock.now());
  std::atomic<int> at_once{0};
  std::atomic<int> most{0};
  std::atomic<int> runs{0};
  EngineOptions options = engine_options("w");
  Engine engine(open(), runner, clock, options);
  runner.instead[EffectName::poll] = [&](const Claim& claim, Instant now, Duration) {
    most = std::max(most.load(), ++at_once);
    if (++runs == 1) {
      // The lease ends while the call still runs; another event wakes the engine, which claims what is due.
      clock.advance(1h);
      create(*open(), order_of("OTHER", clock.now()));
      while (runner.calls_of("check_draft") == 0) std::this_thread::yield();
    }
    --at_once;
    return runner.usual(claim, now);
  };
  clock.advance(1h);
  engine.run([&](Store& seen) { return is_final(name_of(seen.find(order.id)->state)); });
  CHECK(most == 1);
}

// The store dies at one of its writing transactions, before or after it is on disk, and stays dead: the engine loses
// all that it has in memory, as if the power had failed. A new engine carries on minutes later.
TEST_CASE_METHOD(Fixture, "a crash at any write of the store leaves one submission and a request that completes") {
  const auto fate = GENERATE(FailingStore::Fate::fails_before, FailingStore::Fate::fails_after);
  bool crashed = true;
  unsigned crashes = 0;
  for (unsigned at = 1; crashed; ++at) {
    REQUIRE(at < 100);
    CAPTURE(at, fate == FailingStore::Fate::fails_after);
    const RequestId id{"C" + std::to_string(at)};
    Order one = order_of(id.str(), clock.now());
    create(*store, one);
    crashed = false;
    {
      auto dying = std::make_unique<FailingStore>(open(), [&](unsigned n) {
        if (crashed) return FailingStore::Fate::fails_before;
        crashed = n == at;
        return crashed ? fate : FailingStore::Fate::works;
      });
      Engine engine(std::move(dying), runner, clock, engine_options("first"));
      for (int i = 0; i < 30 && !crashed && !all_final(*store); ++i) {
        if (!engine.step() && !crashed) clock.advance(10s);
      }
    }
    crashes += crashed ? 1 : 0;
    Engine engine(open(), runner, clock, engine_options("second"));
    for (int i = 0; i < 200 && !all_final(*store); ++i) {
      if (!engine.step()) clock.advance(10s);
    }
    const Record record = store->find(id).value();
    CHECK(name_of(record.state) == StateName::completed);
    CHECK(runner.submissions(id) == 1);
    const std::string calls = " of " + id.str();
    const std::vector<std::string> all = runner.calls();
    CHECK(std::count(all.begin(), all.end(), "submit:1" + calls) <= 1);
    // A second attempt only after the provider said twice that there is none.
    const auto seconds = std::count(all.begin(), all.end(), "submit:2" + calls);
    if (seconds > 0) {
      CHECK(seconds == 1);
      CHECK(std::count(all.begin(), all.end(), "submit:1" + calls) == 0);
      CHECK(std::count(all.begin(), all.end(), "look_up:1" + calls) >= 2);
    }
  }
  CHECK(crashes >= 14);
}
