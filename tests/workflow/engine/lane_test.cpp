// What is wrong with a token or a provider is no trouble of the requests that wait for it.
#include "store/sqlite_store.h"
#include "support/fake_clock.h"
#include "support/fake_runner.h"
#include "support/said.h"
#include "support/temp_folder.h"
#include "workflow/engine/engine.h"
#include "workflow/engine/lane_pauses.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <string>
#include <vector>

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
  std::unique_ptr<SqliteStore> store = open();
  std::vector<RequestId> ids;
  bool token_is_there = false;

  Fixture() {
    for (int i = 0; i < 8; ++i) {
      ids.emplace_back("R" + std::to_string(i));
      create(*store, order_of(ids.back().str(), clock.now()));
    }
    runner.instead[EffectName::ensure_key] = [this](const Claim& claim, Instant now, Duration) -> EffectOutcome {
      if (!token_is_there) throw Error{ErrorKind::denied, "its PIN was refused"}.with("lane", "down");
      return runner.usual(claim, now);
    };
  }
  std::unique_ptr<SqliteStore> open() { return SqliteStore::open(folder / "store.db", clock); }
  std::unique_ptr<Engine> engine() { return std::make_unique<Engine>(open(), runner, clock, engine_options("w")); }
  static void settle(Engine& engine) {
    for (int i = 0; i < 200; ++i) {
      if (!engine.step()) return;
    }
    FAIL("the engine does not come to rest");
  }
  std::size_t in(StateName state) {
    return static_cast<std::size_t>(std::count_if(
        ids.begin(), ids.end(), [&](const RequestId& id) { return name_of(store->find(id)->state) == state; }));
  }
};

std::size_t count_of(const std::string& text, const std::string& word) {
  std::size_t count = 0;
  for (auto at = text.find(word); at != std::string::npos; at = text.find(word, at + 1)) ++count;
  return count;
}

}  // namespace

TEST_CASE_METHOD(Fixture, "requests wait for a lane that is down and go on together when it works again") {
  auto worker = engine();
  const std::string said = said_meanwhile([&] {
    for (int minute = 0; minute < 60; ++minute) {
      settle(*worker);
      clock.advance(1min);
    }
  });
  CHECK(count_of(said, "waiting for token web: its PIN was refused") == 1);
  CHECK(in(StateName::preparing) == 8);
  // Two calls before the first word came back, then one a minute at most.
  CHECK(runner.calls_of("ensure_key") <= 2 + 60);
  for (const RequestId& id : ids) {
    const EffectStatus status = store->effect_status(id).at(0);
    CHECK(status.failures == 0);
    CHECK(status.effect.due <= clock.now());
  }
  token_is_there = true;
  CHECK(count_of(said_meanwhile([&] { settle(*worker); }), "token web works again") == 1);
  CHECK(in(StateName::awaiting_approval) == 8);
}

TEST_CASE_METHOD(Fixture, "a lane that is down leaves the other lanes alone") {
  Order elsewhere = order_of("ELSEWHERE", clock.now());
  test::wanted(elsewhere).token = "other";
  create(*store, elsewhere);
  runner.instead[EffectName::ensure_key] = [this](const Claim& claim, Instant now, Duration) -> EffectOutcome {
    if (claim.record.order.token() == "web") throw Error{ErrorKind::unavailable, "no token"}.with("lane", "down");
    return runner.usual(claim, now);
  };
  EngineOptions options = engine_options("w");
  options.lanes["token:other"] = 1;
  Engine worker(open(), runner, clock, options);
  settle(worker);
  CHECK(name_of(store->find(elsewhere.id)->state) == StateName::awaiting_approval);
  CHECK(in(StateName::preparing) == 8);
}

TEST_CASE_METHOD(Fixture, "a submission to a provider that cannot be reached waits for the lane and not for itself") {
  token_is_there = true;
  bool reachable = false;
  runner.instead[EffectName::submit] = [&](const Claim& claim, Instant now, Duration) {
    if (reachable) return runner.usual(claim, now);
    const Error why = Error{ErrorKind::unavailable, "no route"}.with("lane", "down");
    EffectOutcome none = FakeRunner::outcome(
        SubmissionNotAccepted{claim.effect.attempt, {"unavailable", why.message(), ""}, std::nullopt});
    none.lane_trouble = why;
    return none;
  };
  auto worker = engine();
  for (int minute = 0; minute < 120; ++minute) {
    settle(*worker);
    clock.advance(1min);
  }
  CHECK(in(StateName::submitting) == 8);
  // The first four, then one every five minutes.
  CHECK(runner.calls().size() < 8 * 4 + 4 + 8 + 120 / 5);
  reachable = true;
  clock.advance(5min);
  settle(*worker);
  CHECK(in(StateName::awaiting_approval) == 8);
}

TEST_CASE_METHOD(Fixture, "a request that meets the trouble of a lane alone does not hold up the others") {
  token_is_there = true;
  runner.on_poll = RequestStatus::handed_out;
  const RequestId odd = ids[3];
  runner.instead[EffectName::poll] = [&](const Claim& claim, Instant now, Duration) -> EffectOutcome {
    if (claim.record.order.id == odd) throw Error{ErrorKind::unavailable, "HTTP 503"}.with("lane", "down");
    return runner.usual(claim, now);
  };
  auto worker = engine();
  for (int minute = 0; minute < 60; ++minute) {
    settle(*worker);
    clock.advance(1min);
  }
  CHECK(in(StateName::completed) == 7);
  CHECK(name_of(store->find(odd)->state) == StateName::awaiting_approval);
  CHECK(store->effect_status(odd).at(0).trouble == "HTTP 503");
}

TEST_CASE("the pause of a lane grows and is bounded") {
  CHECK(lane_pause("token:web", 1) == 2s);
  CHECK(lane_pause("token:web", 2) == 4s);
  CHECK(lane_pause("token:web", 1000) == 1min);
  CHECK(lane_pause("provider:tsb", 1000) == 5min);
}

TEST_CASE("a lane that is down is tried with one call at a time") {
  LanePauses pauses;
  CHECK(pauses.free_places("token:web", 4, 1, 10s) == 3);
  CHECK(pauses.down("token:web", "A", std::nullopt, 10s).news);
  CHECK(pauses.free_places("token:web", 4, 0, 11s) == 0);
  CHECK(pauses.next_end(11s) == 12s);
  CHECK(pauses.free_places("token:web", 4, 1, 12s) == 0);
  CHECK(pauses.free_places("token:web", 4, 0, 12s) == 1);
  // Calls that were under way together count once, and patience that was asked for is honoured.
  CHECK_FALSE(pauses.down("token:web", "B", 1min, 11s).news);
  CHECK(pauses.next_end(11s) == 71s);
  CHECK(pauses.works("token:web") == LanePauses::Came::back);
  CHECK(pauses.works("token:web") == LanePauses::Came::as_ever);
  // B met it before, and the lane worked since.
  CHECK(pauses.down("token:web", "B", std::nullopt, 80s).blame == LanePauses::Blame::request);
  CHECK(pauses.down("token:web", "C", std::nullopt, 80s).blame == LanePauses::Blame::lane);
}
