// What one request brings cannot be written: the others go on, and so does the engine.
#include "store/database.h"
#include "store/sqlite_store.h"
#include "support/failing_store.h"
#include "support/fake_clock.h"
#include "support/fake_runner.h"
#include "support/orders.h"
#include "support/temp_folder.h"
#include "workflow/engine/engine.h"

#include <catch2/catch.hpp>
#include <string>

using namespace hsmbridge;
using namespace hsmbridge::test;
using namespace hsmbridge::workflow;
using store::SqliteStore;

namespace {

struct Fixture {
  TempFolder folder;
  FakeClock clock;
  FakeRunner runner;
  std::unique_ptr<SqliteStore> store = open();
  const Order bad = order_of("0A1B2C3D4E5F6G70", clock.now());
  Order good = order_of("0A1B2C3D4E5F6G71", clock.now());

  Fixture() {
    test::wanted(good).key.cka_id = "0f0e0d0c0b0a09080706050403020100";
    create(*store, bad);
    create(*store, good);
  }
  std::unique_ptr<SqliteStore> open() { return SqliteStore::open(folder / "store.db", clock); }
  void work(std::unique_ptr<Store> with) {
    Engine worker(std::move(with), runner, clock, engine_options("w"));
    for (int i = 0; i < 20; ++i) worker.step();
  }
};

}  // namespace

TEST_CASE_METHOD(Fixture, "a label that is not UTF-8 stops no request and is shown as far as it can be") {
  runner.instead[EffectName::ensure_key] = [&](const Claim& claim, Instant, Duration) {
    Key key = key_of_test();
    if (claim.record.order.id == bad.id) key.label = "m\xfcller";  // Latin-1, as old tokens hold
    return FakeRunner::outcome(KeyReady{key});
  };
  work(open());
  CHECK(name_of(store->find(good.id)->state) == StateName::awaiting_approval);
  REQUIRE(name_of(store->find(bad.id)->state) == StateName::awaiting_approval);
  CHECK(key_of(store->find(bad.id)->state)->label == "m\xef\xbf\xbdller");
}

TEST_CASE_METHOD(Fixture, "an answer whose text is not UTF-8 is not lost") {
  runner.instead[EffectName::submit] = [&](const Claim& claim, Instant now, Duration) {
    EffectOutcome outcome = runner.usual(claim, now);
    if (claim.record.order.id == bad.id) std::get<SubmissionAnswered>(*outcome.event).report.message = "schl\xfcssel";
    return outcome;
  };
  work(open());
  CHECK(name_of(store->find(bad.id)->state) == StateName::awaiting_approval);
}

TEST_CASE_METHOD(Fixture, "what cannot be stored of one request stops no other and says why") {
  auto picky = std::make_unique<FailingStore>(open(), [](unsigned) { return FailingStore::Fate::works; });
  picky->before_commit = [&](const std::vector<Step>& steps) {
    for (const Step& step : steps) {
      if (step.request == bad.id) throw Error{ErrorKind::internal, "that row cannot be written (played)"};
    }
  };
  work(std::move(picky));
  CHECK(name_of(store->find(good.id)->state) == StateName::awaiting_approval);
  CHECK(name_of(store->find(bad.id)->state) == StateName::preparing);
  const EffectStatus waiting = store->effect_status(bad.id).at(0);
  CHECK(waiting.trouble.find("played") != std::string::npos);
  CHECK(waiting.effect.due > clock.now());
}

TEST_CASE_METHOD(Fixture, "a request whose row is damaged while it is worked on stops no other") {
  runner.instead[EffectName::ensure_key] = [&](const Claim& claim, Instant now, Duration) {
    if (claim.record.order.id == bad.id) {
      take(*open(), bad.id, CancelAsked{"no"}, now);
      store::Database damaged(folder / "store.db", std::chrono::seconds{10});
      damaged.execute("UPDATE requests SET state_json = '{}' WHERE id = '" + bad.id.str() + "'");
    }
    return runner.usual(claim, now);
  };
  work(open());
  CHECK(name_of(store->find(good.id)->state) == StateName::awaiting_approval);
}

TEST_CASE_METHOD(Fixture, "a request whose attempt cannot be written down stops no other") {
  auto picky = std::make_unique<FailingStore>(open(), [](unsigned) { return FailingStore::Fate::works; });
  picky->before_commit = [&](const std::vector<Step>& steps) {
    for (const Step& step : steps) {
      const bool begins = std::holds_alternative<AttemptStarted>(step.event.body);
      if (begins && step.request == bad.id) throw Error{ErrorKind::internal, "that row cannot be written (played)"};
    }
  };
  work(std::move(picky));
  CHECK(name_of(store->find(good.id)->state) == StateName::awaiting_approval);
  CHECK(name_of(store->find(bad.id)->state) == StateName::submitting);
  CHECK(runner.submissions(bad.id) == 0);
}
