// An answer that the store does not take while this process lives.
#include "base/file.h"
#include "store/database.h"
#include "support/engine_fixture.h"
#include "support/failing_store.h"
#include "support/orders.h"
#include "support/said.h"
#include "workflow/store/foreign.h"

#include <sys/stat.h>

#include <algorithm>
#include <atomic>
#include <catch2/catch.hpp>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <new>
#include <string>
#include <vector>

using namespace hsmbridge;
using namespace hsmbridge::test;
using namespace hsmbridge::workflow;
using namespace std::chrono_literals;
using store::SqliteStore;

namespace {

struct Fixture : EngineFixture {
  std::vector<std::filesystem::path> kept() {
    std::vector<std::filesystem::path> files;
    for (const auto& file : std::filesystem::directory_iterator(folder.path())) {
      if (file.path().filename().string().find(".answer-") != std::string::npos) files.push_back(file.path());
    }
    return files;
  }
  // Somebody holds the database from the moment a submission was taken on; the process is told to stop.
  Engine::LeftOver submit_while_the_store_is_held(Duration time_limit = 60s) {
    create_ready_to_submit(*store, order);
    std::atomic<bool> held = false;
    auto busy = std::make_unique<FailingStore>(
        open(), [&](unsigned) { return held ? FailingStore::Fate::fails_before : FailingStore::Fate::works; });
    busy->keeps_aside = true;
    EngineOptions options = engine_options("w");
    options.time_limit = time_limit;
    Engine engine(std::move(busy), runner, clock, options);
    runner.instead[EffectName::submit] = [&](const Claim& claim, Instant now, Duration) {
      held = true;
      engine.stop();
      return runner.usual(claim, now);
    };
    engine.run();
    return engine.left_over();
  }
};

}  // namespace

TEST_CASE_METHOD(Fixture, "an answer that the store does not take is kept next to it and stored by the next worker") {
  const auto begun = std::chrono::steady_clock::now();
  const Engine::LeftOver left = submit_while_the_store_is_held();
  CHECK(std::chrono::steady_clock::now() - begun < 30s);
  CHECK(left.kept == 1);
  CHECK(left.lost == 0);
  CHECK(state() == StateName::submitting);
  REQUIRE(kept().size() == 1);
  struct stat status {};
  REQUIRE(::stat(kept()[0].c_str(), &status) == 0);
  CHECK((status.st_mode & 0777) == 0600);

  struct Watcher final : EngineObserver {
    explicit Watcher(Fixture& of) : fixture(of) {}
    void committed(const RequestId&, const Event& event, StateName now) override {
      told.emplace_back(to_string(name_of(event.body)));
      CHECK(now == StateName::awaiting_approval);
      CHECK(fixture.state() == now);  // on disk when it is told
    }
    Fixture& fixture;
    std::vector<std::string> told;
  } watcher(*this);
  EngineOptions options = engine_options("next");
  options.observers.push_back(&watcher);
  Engine next(open(), runner, clock, options);
  REQUIRE(next.step());
  CHECK(state() == StateName::awaiting_approval);
  CHECK(watcher.told == std::vector<std::string>{"SubmissionAnswered"});
  CHECK(submission_of(store->find(order.id)->state)->reference == ProviderReference("ref-" + order.id.str()));
  CHECK(kept().empty());
  CHECK(runner.submissions(order.id) == 1);
}

TEST_CASE_METHOD(Fixture,
                 "an answer that meets a cut audit log is kept next to the store until the log is whole again") {
  create_ready_to_submit(*store, order);
  runner.instead[EffectName::submit] = [&](const Claim& claim, Instant now, Duration) {
    // Somebody takes the last entry away, with the program that can.
    const test::Unwatched another_program;
    store::Database(folder / "store.db", 1s)
        .execute(
            "DROP TRIGGER leaves_never_go; CREATE TABLE elsewhere AS SELECT * FROM leaves ORDER BY position DESC "
            "LIMIT 1; DELETE FROM leaves WHERE position = (SELECT MAX(position) FROM leaves)");
    return runner.usual(claim, now);
  };
  const std::string said = said_meanwhile([&] {
    Engine engine(open(), runner, clock, engine_options("w"));
    CHECK_THROWS_WITH(engine.run(), Catch::Contains("the audit log does not end as it was written"));
  });
  INFO(said);
  REQUIRE(kept().size() == 1);
  CHECK(said.find("the outcome of submit:1 of request " + order.id.str() + " could not be stored: " +
                  kept()[0].filename().string() + " next to the store keeps it") != std::string::npos);
  CHECK(state() == StateName::submitting);

  {
    const test::Unwatched another_program;
    store::Database(folder / "store.db", 1s)
        .execute("INSERT INTO leaves SELECT * FROM elsewhere; DROP TABLE elsewhere");
  }
  Engine next(open(), runner, clock, engine_options("next"));
  next.step();
  CHECK(state() == StateName::awaiting_approval);
  CHECK(kept().empty());
  CHECK(runner.submissions(order.id) == 1);
}

TEST_CASE_METHOD(Fixture, "nothing is looked up while an answer waits next to the store") {
  Engine other(open(), runner, clock, engine_options("other"));
  settle(other);  // it looks for kept answers, and not again for a minute
  submit_while_the_store_is_held(5s);
  REQUIRE(kept().size() == 1);
  clock.advance(50s);  // the look-up is due
  settle(other);
  CHECK(runner.calls_of("look_up:1") == 0);
  const auto history = store->history(order.id);
  CHECK(std::any_of(history.begin(), history.end(), [](const JournalEntry& entry) {
    return std::holds_alternative<SubmissionAnswered>(entry.event.body);
  }));
  CHECK(runner.submissions(order.id) == 1);
  CHECK(kept().empty());
}

TEST_CASE_METHOD(Fixture, "nothing is looked up while an answer that this process cannot read may be kept") {
  create_ready_to_submit(*store, order);
  runner.instead[EffectName::submit] = [](const Claim&, Instant, Duration) -> EffectOutcome {
    return {AnswerLost{1, "the connection broke"}, {}, {}, {}, {}, {}};
  };
  const auto file = folder / ("store.db.answer-" + order.id.str() + "-0123456789abcdef");
  write_file(file, as_bytes("of another user, or of a newer program"), FileMode::private_0600, Existing::refuse);
  Engine engine(open(), runner, clock, engine_options("w"));
  settle(engine);
  clock.advance(10min);
  settle(engine);
  CHECK(runner.calls_of("look_up:1") == 0);
  CHECK(state() == StateName::looking_up);
  const auto effects = store->effect_status(order.id);
  REQUIRE(effects.size() == 1);
  CHECK(effects.front().trouble.find("an answer waits next to the store") == 0);
  std::filesystem::remove(file);
  clock.advance(10s);
  settle(engine);
  CHECK(runner.calls_of("look_up:1") == 1);
}

TEST_CASE("what was lost before a reload is lost after it, and what was kept is stored by then") {
  Engine::LeftOver left{2, 1};
  left.follow_up({0, 0});
  CHECK(left.kept == 0);
  CHECK(left.lost == 1);
  left.follow_up({1, 2});
  CHECK(left.kept == 1);
  CHECK(left.lost == 3);
}

TEST_CASE_METHOD(Fixture, "a kept answer that is in the journal already is not stored twice") {
  submit_while_the_store_is_held();
  REQUIRE(kept().size() == 1);
  const auto copy = folder / "copy";
  std::filesystem::copy_file(kept()[0], copy);
  const auto name = kept()[0];
  Engine(open(), runner, clock, engine_options("next")).step();
  const std::size_t events = store->history(order.id).size();
  std::filesystem::copy_file(copy, name);
  Engine(open(), runner, clock, engine_options("third")).step();
  CHECK(store->history(order.id).size() == events);
  CHECK(store->late_answers(order.id).empty());
  CHECK(kept().empty());
}

TEST_CASE_METHOD(Fixture, "a kept answer comes in time although its call was declared lost meanwhile") {
  submit_while_the_store_is_held();
  take(*store, order.id, AnswerLost{1, "no answer came before the deadline of the call"}, clock.now() + 2min);
  Engine(open(), runner, clock, engine_options("next")).step();
  CHECK(state() == StateName::awaiting_approval);
}

TEST_CASE_METHOD(Fixture, "a running worker finds what another one kept") {
  Engine running(open(), runner, clock, engine_options("running"));
  running.step();
  submit_while_the_store_is_held();
  runner.instead.clear();
  runner.on_poll = RequestStatus::awaiting_approval;
  clock.advance(1min);
  running.step();
  CHECK(state() == StateName::awaiting_approval);
}

TEST_CASE_METHOD(Fixture, "a kept answer of a damaged request is left alone and stops no other") {
  submit_while_the_store_is_held();
  Order other = order_of("0A1B2C3D4E5F6G7J", clock.now());
  test::wanted(other).key.cka_id = "0f0e0d0c0b0a09080706050403020100";
  create_ready_to_submit(*store, other);
  store::Database damage(folder / "store.db", 9s);
  damage.execute("UPDATE requests SET state_json = '{' WHERE id = '" + order.id.str() + "'");
  runner.instead.clear();
  Engine next(open(), runner, clock, engine_options("next"));
  for (int i = 0; i < 5; ++i) next.step();
  CHECK(name_of(store->find(other.id)->state) == StateName::awaiting_approval);
  CHECK(kept().size() == 1);
}

TEST_CASE_METHOD(Fixture, "a kept answer that others could have written is left alone") {
  submit_while_the_store_is_held();
  std::filesystem::permissions(kept()[0], std::filesystem::perms::others_write, std::filesystem::perm_options::add);
  Engine(open(), runner, clock, engine_options("next")).step();
  CHECK(state() == StateName::submitting);
  CHECK(kept().size() == 1);
}

TEST_CASE_METHOD(Fixture, "what can be kept nowhere is said in the end") {
  create_ready_to_submit(*store, order);
  std::atomic<bool> full = false;
  Engine engine(
      std::make_unique<FailingStore>(
          open(), [&](unsigned) { return full ? FailingStore::Fate::fails_before : FailingStore::Fate::works; }),
      runner, clock, engine_options("w"));
  runner.instead[EffectName::submit] = [&](const Claim& claim, Instant now, Duration) {
    full = true;
    engine.stop();
    return runner.usual(claim, now);
  };
  engine.run();
  CHECK(engine.left_over().lost == 1);
  CHECK(engine.left_over().kept == 0);
}

TEST_CASE_METHOD(Fixture, "memory that one request's step needs too much of is that request's trouble") {
  Order other = order_of("OTHER", clock.now());
  create(*store, order);
  create(*store, other);
  const auto where = GENERATE(0, 1);
  auto picky = std::make_unique<FailingStore>(open(), [](unsigned) { return FailingStore::Fate::works; });
  if (where == 0) {
    runner.instead[EffectName::ensure_key] = [&](const Claim& claim, Instant now, Duration) -> EffectOutcome {
      if (claim.record.order.id == order.id) throw std::bad_alloc();
      return runner.usual(claim, now);
    };
  } else {
    picky->before_commit = [&](const std::vector<Step>& steps) {
      for (const Step& step : steps) {
        if (step.request == order.id) throw std::bad_alloc();
      }
    };
  }
  Engine worker(std::move(picky), runner, clock, engine_options("w"));
  for (int i = 0; i < 20; ++i) worker.step();
  CHECK(name_of(store->find(other.id)->state) == StateName::awaiting_approval);
  CHECK(state() == StateName::preparing);
  CHECK(store->effect_status(order.id).at(0).failures == 1);
  CHECK_FALSE(store->effect_status(order.id).at(0).trouble.empty());
}
