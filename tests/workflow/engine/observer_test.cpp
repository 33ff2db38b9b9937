// What an observer of the engine is told, and when.
#include "support/engine_fixture.h"
#include "support/failing_store.h"

#include <string>
#include <vector>

using namespace hsmbridge;
using namespace hsmbridge::test;
using namespace hsmbridge::workflow;

namespace {

struct Heard final : EngineObserver {
  std::vector<std::string> all;

  void claimed(const Claim& claim) override { all.push_back("claimed " + claim.effect.identity()); }
  void started(const Claim& claim) override { all.push_back("started " + claim.effect.identity()); }
  void finished(const Claim& claim, const Error* trouble) override {
    all.push_back("finished " + claim.effect.identity() + (trouble == nullptr ? "" : ": " + trouble->message()));
  }
  void committed(const RequestId&, const Event& event, StateName now) override {
    all.push_back("committed " + std::string(to_string(name_of(event.body))) + ", now " + std::string(to_string(now)));
  }
  void failed(const Claim& claim, const Error& why) override {
    all.push_back("failed " + claim.effect.identity() + ": " + why.message());
  }
  void not_taken(const RequestId&, EventName event, const std::string&) override {
    all.push_back("not taken " + std::string(to_string(event)));
  }
  void lane_down(const std::string& lane, const Error& why) override {
    all.push_back(lane + " down: " + why.message());
  }
  void lane_works(const std::string& lane) override { all.push_back(lane + " works"); }
  void store_failed(const Error& why) override { all.push_back("store failed: " + why.message()); }
  void store_works() override { all.emplace_back("store works"); }

  std::vector<std::string> since() { return std::exchange(all, {}); }
};

using Words = std::vector<std::string>;

struct Fixture : EngineFixture {
  Heard heard;
  EngineOptions options() {
    EngineOptions options = engine_options("w");
    options.observers = {&heard};
    return options;
  }
};

}  // namespace

TEST_CASE_METHOD(Fixture, "an observer is told of a claim, the start and end of its run and of each event on disk") {
  create_ready_to_submit(*store, order);
  Engine worker(open(), runner, clock, options());
  worker.step();
  CHECK(heard.since() == Words{"claimed submit:1", "committed AttemptStarted, now Submitting", "started submit:1",
                               "finished submit:1", "committed SubmissionAnswered, now AwaitingApproval"});
}

TEST_CASE_METHOD(Fixture, "an observer is told what a run failed with, and of its lane once when it goes and comes") {
  create_awaiting_approval(*store, order);
  std::optional<Error> trouble = Error{ErrorKind::unavailable, "no route"};
  runner.instead[EffectName::poll] = [&](const Claim& claim, Instant now, Duration) {
    if (trouble) throw Error{*trouble};
    return runner.usual(claim, now);
  };
  runner.on_poll = RequestStatus::awaiting_approval;
  Engine worker(open(), runner, clock, options());
  const auto round = [&] {
    clock.advance(std::chrono::hours{24});
    worker.step();
    return heard.since();
  };
  CHECK(round() == Words{"claimed poll", "started poll", "finished poll: no route", "failed poll: no route"});
  trouble->with("lane", "down");
  const Words down = {"claimed poll", "started poll", "finished poll: no route"};
  Words first = down;
  first.emplace_back("provider:tsb down: no route");
  CHECK(round() == first);
  CHECK(round() == down);
  trouble.reset();
  CHECK(round() == Words{"claimed poll", "started poll", "finished poll", "provider:tsb works"});
}

TEST_CASE_METHOD(Fixture, "an observer is told once that the store fails and once that it works again") {
  create_ready_to_submit(*store, order);
  bool full = true;
  Engine worker(
      std::make_unique<FailingStore>(
          open(), [&](unsigned) { return full ? FailingStore::Fate::fails_before : FailingStore::Fate::works; }),
      runner, clock, options());
  worker.step();
  worker.step();
  CHECK(heard.since() == Words{"store failed: the disk is full (played)"});
  full = false;
  worker.step();
  const Words after = heard.since();
  REQUIRE_FALSE(after.empty());
  CHECK(after.front() == "claimed submit:1");
  CHECK(after.back() == "store works");
}
