// An engine that gets no thread, or a store that fails in the middle of a round.
#include "store/sqlite_store.h"
#include "support/failing_store.h"
#include "support/fake_clock.h"
#include "support/fake_runner.h"
#include "support/temp_folder.h"
#include "workflow/engine/engine.h"

#include <pthread.h>

#include <catch2/catch.hpp>
#include <cstddef>
#include <string>

using namespace hsmbridge;
using namespace hsmbridge::test;
using namespace hsmbridge::workflow;
using namespace std::chrono_literals;
using store::SqliteStore;

namespace {

// Within its life no thread can be made in this process: none has room for its stack.
class NoThreads {
 public:
  NoThreads() {
    REQUIRE(::pthread_getattr_default_np(&before_) == 0);
    pthread_attr_t huge;
    REQUIRE(::pthread_attr_init(&huge) == 0);
    REQUIRE(::pthread_attr_setstacksize(&huge, std::size_t{1} << 60U) == 0);
    REQUIRE(::pthread_setattr_default_np(&huge) == 0);
    ::pthread_attr_destroy(&huge);
  }
  ~NoThreads() {
    ::pthread_setattr_default_np(&before_);
    ::pthread_attr_destroy(&before_);
  }
  NoThreads(const NoThreads&) = delete;
  NoThreads& operator=(const NoThreads&) = delete;

 private:
  pthread_attr_t before_;
};

struct Fixture {
  TempFolder folder;
  FakeClock clock;
  FakeRunner runner;
  std::unique_ptr<SqliteStore> store = open();
  Order order = order_of("0A1B2C3D4E5F6G7H", clock.now());

  std::unique_ptr<SqliteStore> open() { return SqliteStore::open(folder / "store.db", clock); }
  EffectStatus status() { return store->effect_status(order.id).at(0); }
};

}  // namespace

TEST_CASE_METHOD(Fixture, "an effect for which no thread can be made says so, and waits before it is tried again") {
  create(*store, order);
  Engine worker(open(), runner, clock, engine_options("w"));
  {
    const NoThreads shortage;
    worker.step();
    CHECK(status().trouble.find("no thread could be started for it") == 0);
    CHECK(status().trouble.find("TasksMax") != std::string::npos);
    CHECK(status().failures == 1);
    CHECK(status().effect.due > clock.now());
    CHECK_FALSE(worker.step());
    clock.advance(status().effect.due - clock.now());
    worker.step();
    CHECK(status().failures == 2);
  }
  CHECK(runner.calls().empty());
  clock.advance(status().effect.due - clock.now());
  worker.step();
  CHECK(runner.calls_of("ensure_key") == 1);
}

TEST_CASE_METHOD(Fixture, "a submission for which no thread can be made is not accepted for that reason") {
  create_ready_to_submit(*store, order);
  Engine worker(open(), runner, clock, engine_options("w"));
  {
    const NoThreads shortage;
    worker.step();
  }
  const auto answer = std::get<SubmissionNotAccepted>(store->history(order.id).back().event.body);
  CHECK(answer.problem.kind == "unavailable");
  CHECK(answer.problem.message.find("no thread could be started for it") == 0);
  CHECK(status().effect.identity() == "submit:2");
  CHECK(status().effect.due > clock.now());
  CHECK(runner.calls().empty());
}

TEST_CASE_METHOD(Fixture, "look-ups for which no thread can be made are never a person's to decide") {
  create_ready_to_submit(*store, order);
  take(*store, order.id, AttemptStarted{1, "w", clock.now() + 60s}, clock.now());
  take(*store, order.id, AnswerLost{1, "cut"}, clock.now());
  EngineOptions options = engine_options("w");
  options.timing[order.provider].most_failed_look_ups = 2;
  Engine worker(open(), runner, clock, options);
  const NoThreads shortage;
  for (int i = 0; i < 4; ++i) {
    clock.advance(1h);
    worker.step();
  }
  CHECK(status().failures == 4);
  CHECK(name_of(store->find(order.id)->state) == StateName::looking_up);
}

TEST_CASE_METHOD(Fixture, "what was claimed before the store failed is given back and not left to its lease") {
  Order other = order_of("1A1B2C3D4E5F6G7H", clock.now());
  create_ready_to_submit(*store, order);
  create_ready_to_submit(*store, other);
  EngineOptions options = engine_options("w");
  options.per_minute[order.provider] = 600;
  // The first permission is given, the second is not: one claim is in hand already, and one is on its way.
  unsigned fail_at = 3;
  Engine worker(std::make_unique<FailingStore>(open(),
                                               [&](unsigned write) {
                                                 return write == fail_at ? FailingStore::Fate::fails_before
                                                                         : FailingStore::Fate::works;
                                               }),
                runner, clock, options);
  worker.step();
  REQUIRE(runner.calls().empty());
  worker.step();
  CHECK(runner.calls_of("submit:1") == 2);
}
