// What an observer of the engine is told, and when.
#include "support/engine_fixture.h"
#include "support/failing_store.h"

#include <atomic>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
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

namespace {

// Counts, for another thread to wait for. No assertion of Catch's: other threads call it.
struct Pulse final : EngineObserver {
  std::mutex mutex;
  std::condition_variable changed;
  unsigned beats = 0, beats_at_note = 0;
  std::vector<std::string> notes;

  void alive() override {
    count([this] { ++beats; });
  }
  void note(Gravity, const std::string& sentence) override {
    count([&] {
      beats_at_note = beats;
      notes.push_back(sentence);
    });
  }
  void count(const std::function<void()>& more) {
    const std::lock_guard lock(mutex);
    more();
    changed.notify_all();
  }
  bool await(const std::function<bool()>& reached) {
    std::unique_lock lock(mutex);
    return changed.wait_for(lock, std::chrono::seconds{60}, reached);
  }
  bool await_beats(unsigned more) {
    const unsigned from = [this] {
      const std::lock_guard lock(mutex);
      return beats;
    }();
    return await([&] { return beats >= from + more; });
  }
};

// The same time, and how often it was asked for.
struct AskedClock final : Clock {
  explicit AskedClock(const Clock& time) : time_(time) {}
  Instant now() const override { return time_.now(); }
  Duration since_boot() const override {
    ++asked;
    return time_.since_boot();
  }
  mutable std::atomic<unsigned> asked{0};

 private:
  const Clock& time_;
};

}  // namespace

TEST_CASE_METHOD(Fixture, "the rounds go on during a long call, and a stop that waits for one within its time limit") {
  create_ready_to_submit(*store, order);
  Pulse pulse;
  bool begun = false;
  bool released = false;
  runner.instead[EffectName::submit] = [&](const Claim& claim, Instant now, Duration) {
    pulse.count([&] { begun = true; });
    pulse.await([&] { return released; });
    return runner.usual(claim, now);
  };
  EngineOptions options = engine_options("w");
  options.observers = {&pulse};
  const AskedClock asked_clock(clock);
  Engine engine(open(), runner, asked_clock, options);
  std::thread thread([&] { engine.run(); });
  CHECK(pulse.await([&] { return begun; }));
  CHECK(pulse.await_beats(3));
  engine.stop();
  CHECK(pulse.await_beats(3));
  CHECK(pulse.notes.empty());
  // From here on nobody knows whether it ever ends.
  clock.advance(options.time_limit + std::chrono::seconds{1});
  CHECK(pulse.await([&] { return pulse.notes.size() == 1; }));
  // It looks at the time several times more, and is silent.
  for (const unsigned from = asked_clock.asked; asked_clock.asked < from + 6;) std::this_thread::yield();
  unsigned beats = 0;
  pulse.count([&] {
    beats = pulse.beats;
    released = true;
  });
  thread.join();
  CHECK(beats == pulse.beats_at_note);
  REQUIRE(pulse.notes.size() == 1);
  CHECK(pulse.notes[0].find("runs past its deadline") != std::string::npos);
  CHECK(state() == StateName::awaiting_approval);
}

TEST_CASE_METHOD(Fixture, "an observer is told when nothing is begun before some time") {
  create_awaiting_approval(*store, order);
  struct Idle final : EngineObserver {
    Engine* engine = nullptr;
    std::vector<std::optional<Instant>> all;
    void idle(std::optional<Instant> due) override {
      all.push_back(due);
      engine->stop();
    }
  } idle;
  EngineOptions options = engine_options("w");
  options.observers = {&idle};
  runner.on_poll = RequestStatus::awaiting_approval;
  Engine engine(open(), runner, clock, options);
  idle.engine = &engine;
  engine.run();
  REQUIRE(idle.all.size() == 1);
  REQUIRE(idle.all.front().has_value());
  CHECK(*idle.all.front() > clock.now());
}
