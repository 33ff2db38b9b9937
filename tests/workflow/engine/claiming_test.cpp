// What an engine takes on: for which requests, in which lanes, how often, and at what cost.
#include "one_engine.h"
#include "support/failing_store.h"
#include "support/temp_folder.h"

#include <cstdint>
#include <filesystem>
#include <fstream>

using namespace hsmbridge;
using namespace hsmbridge::test;
using namespace hsmbridge::workflow;
using namespace std::chrono_literals;
using store::SqliteStore;

TEST_CASE_METHOD(OneEngine, "an engine for one request leaves all others alone") {
  create(*store, order);
  create(*store, order_of("OTHER", clock.now()));
  EngineOptions options = engine_options("w");
  options.only = {order.id};
  settle(*engine(options));
  CHECK(state() == StateName::awaiting_approval);
  CHECK(store->find(RequestId{"OTHER"})->sequence == 2);
}

TEST_CASE_METHOD(OneEngine, "an engine claims nothing of a token or provider that it was not given") {
  create(*store, order);
  EngineOptions options = engine_options("w");
  options.lanes.erase("provider:tsb");
  settle(*engine(options));
  // The CSR is signed; what asks the provider waits for a process that can.
  CHECK(runner.calls() == std::vector<std::string>{"ensure_key of 0A1B2C3D4E5F6G7H", "sign_csr of 0A1B2C3D4E5F6G7H"});
  CHECK(state() == StateName::preparing);
  EngineOptions other = engine_options("v");
  other.lanes.erase("token:web");
  settle(*engine(other));
  CHECK(state() == StateName::awaiting_approval);
}

TEST_CASE_METHOD(OneEngine, "the timers of a provider that cannot be used ring all the same") {
  order.deadline = clock.now() + 1h;
  create_ready_to_submit(*store, order);
  EngineOptions options = engine_options("w");
  options.lanes.erase("provider:tsb");
  options.timing["tsb"] = Timing{};
  auto worker = engine(options);
  clock.advance(1h);
  settle(*worker);
  CHECK(state() == StateName::expired);
}

TEST_CASE_METHOD(OneEngine, "a provider's rate holds back its lane without touching the effects that wait") {
  runner.on_poll = RequestStatus::awaiting_approval;
  for (int i = 0; i < 30; ++i) create_awaiting_approval(*store, order_of("R" + std::to_string(i), clock.now()));
  EngineOptions options = engine_options("w");
  options.per_minute["tsb"] = 8;
  auto worker = engine(options);
  clock.advance(1h);
  settle(*worker);
  CHECK(runner.calls_of("poll") == 2);
  clock.advance(8572ms);  // a minute / (8 - 2 + 1), rounded up
  settle(*worker);
  CHECK(runner.calls_of("poll") == 3);
  for (int i = 0; i < 4 * 60; ++i) {
    clock.advance(1s);
    settle(*worker);
  }
  const std::size_t polls = runner.calls_of("poll");
  CHECK(polls >= 28);
  CHECK(polls <= 3 + 4 * 8);
}

namespace {

thread_local unsigned long calls_of_thread = 0;

}  // namespace

TEST_CASE_METHOD(OneEngine, "a provider's rate counts the calls that are made, and not the effects") {
  unsigned each = 0;
  runner.on_poll = RequestStatus::awaiting_approval;
  runner.instead[EffectName::poll] = [&](const Claim& claim, Instant now, Duration) {
    calls_of_thread += each;
    return runner.usual(claim, now);
  };
  for (int i = 0; i < 30; ++i) create_awaiting_approval(*store, order_of("R" + std::to_string(i), clock.now()));
  EngineOptions options = engine_options("w");
  options.per_minute["tsb"] = 8;
  options.calls_of_this_thread = [] { return calls_of_thread; };
  auto worker = engine(options);
  clock.advance(1h);
  SECTION("work that asks nobody is not held back") {
    settle(*worker);
    CHECK(runner.calls_of("poll") == 30);
  }
  SECTION("work that asks three times leaves less to others") {
    each = 3;
    settle(*worker);
    REQUIRE(runner.calls_of("poll") == 2);
    clock.advance(4 * 8572ms);  // a minute / (8 - 2 + 1), rounded up, for each of the four calls beyond
    settle(*worker);
    CHECK(runner.calls_of("poll") == 2);
    clock.advance(8572ms);
    settle(*worker);
    CHECK(runner.calls_of("poll") == 3);
  }
}

TEST_CASE_METHOD(OneEngine, "ten thousand waiting requests cost no thread each and no event when nothing changes") {
  constexpr int kRequests = 10'000;
  const TempFolder memory("/dev/shm");  // making the requests is not what is looked at here
  const std::filesystem::path file = memory / "store.db";
  store = SqliteStore::open(file, clock);
  runner.on_poll = RequestStatus::awaiting_approval;
  for (int i = 0; i < kRequests; ++i) {
    Order one = order_of("R" + std::to_string(i), clock.now());
    AwaitingApproval waiting;
    waiting.prepared = {key_of_test(), draft_of_test(clock.now()), 1};
    waiting.submission = {1, ProviderReference{"ref-" + one.id.str()}, "", clock.now()};
    waiting.provider_status = "PENDING";
    store->create(one, {{clock.now(), "uid:ann", Created{one}}},
                  {waiting, {Effect{EffectName::poll, clock.now(), 0, ""}}, ""});
  }
  EngineOptions options = engine_options("w");
  options.lanes["provider:tsb"] = 64;
  auto counted = std::make_unique<FailingStore>(SqliteStore::open(file, clock),
                                                [](unsigned) { return FailingStore::Fate::works; });
  const FailingStore& writes = *counted;
  std::size_t commits = 0;
  counted->after_commit = [&commits](const std::vector<Step>&) { ++commits; };
  const std::uint64_t leaves = store->tree_head().size();
  Engine worker(std::move(counted), runner, clock, options);
  while (worker.step()) {
  }
  CHECK(runner.calls_of("poll") == kRequests);
  CHECK(commits == 0);
  CHECK(store->tree_head().size() == leaves);
  // One claim and one giving back for each 64, and the round that found nothing.
  CHECK(writes.writes() <= 2 * (kRequests / 64 + 1) + 2);
  std::size_t threads = 0;
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("Threads:")) threads = std::stoul(line.substr(8));
  }
  CHECK(threads > 1);
  CHECK(threads <= 1 + 64 + 2);  // and what a sanitizer runs beside
}
