// The life of a request in one engine, and what an answer means there.
#include "one_engine.h"
#include "support/failing_store.h"
#include "support/orders.h"
#include "support/said.h"
#include "support/voter.h"
#include "workflow/machine/backoff.h"

#include <algorithm>

using namespace hsmbridge;
using namespace hsmbridge::test;
using namespace hsmbridge::workflow;
using namespace std::chrono_literals;

TEST_CASE_METHOD(OneEngine, "a request goes from its key to the installed certificate") {
  create(*store, order);
  auto worker = engine();
  settle(*worker);
  CHECK(state() == StateName::awaiting_approval);
  clock.advance(due("poll") - clock.now());
  settle(*worker);
  REQUIRE(state() == StateName::completed);
  CHECK(runner.calls() == std::vector<std::string>{"ensure_key of 0A1B2C3D4E5F6G7H", "sign_csr of 0A1B2C3D4E5F6G7H",
                                                   "build_draft of 0A1B2C3D4E5F6G7H", "check_draft of 0A1B2C3D4E5F6G7H",
                                                   "submit:1 of 0A1B2C3D4E5F6G7H", "poll of 0A1B2C3D4E5F6G7H",
                                                   "verify of 0A1B2C3D4E5F6G7H", "install:token of 0A1B2C3D4E5F6G7H"});
  CHECK(store->certificates().size() == 1);
  CHECK(store->effects(order.id).empty());
  const std::vector<JournalEntry> history = store->history(order.id);
  const auto started = std::find_if(history.begin(), history.end(), [](const JournalEntry& entry) {
    return name_of(entry.event.body) == EventName::attempt_started;
  });
  REQUIRE(started != history.end());
  CHECK(std::get<AttemptStarted>(started->event.body).worker == "w");
  CHECK(std::get<AttemptStarted>(started->event.body).answer_by == order.created_at + 60s);
  CHECK(name_of((started + 1)->event.body) == EventName::submission_answered);
}

TEST_CASE_METHOD(OneEngine, "the attempt is in the journal before the runner is called and the call has its deadline") {
  create_ready_to_submit(*store, order);
  runner.instead[EffectName::submit] = [&](const Claim& claim, Instant, Duration time_limit) {
    auto other = open();
    CHECK(std::get<Submitting>(other->find(order.id)->state).phase == Submitting::Phase::started);
    CHECK(claim.record.sequence == other->find(order.id)->sequence);
    CHECK(time_limit == 60s);
    CHECK(claim.call_until.value().left() == 60s);
    return runner.usual(claim, clock.now());
  };
  settle(*engine());
  CHECK(state() == StateName::awaiting_approval);
}

TEST_CASE_METHOD(OneEngine, "a lost answer is looked up and not before the deadline and the settle time are over") {
  create_ready_to_submit(*store, order);
  runner.instead[EffectName::submit] = [&](const Claim& claim, Instant, Duration) {
    runner.submit(claim);
    return FakeRunner::outcome(AnswerLost{1, "the connection died"});
  };
  auto worker = engine();
  settle(*worker);
  CHECK(state() == StateName::looking_up);
  CHECK(due("look_up:1") == order.created_at + 60s + 30s);
  clock.advance(90s - 1ms);
  settle(*worker);
  CHECK(runner.calls_of("look_up:1") == 0);
  clock.advance(1ms);
  settle(*worker);
  CHECK(runner.calls_of("look_up:1") == 1);
  CHECK(state() == StateName::awaiting_approval);
  CHECK(runner.submissions(order.id) == 1);
}

TEST_CASE_METHOD(OneEngine, "a submission that is absent twice is made once more and never sooner") {
  create_ready_to_submit(*store, order);
  int lost = 0;
  runner.instead[EffectName::submit] = [&](const Claim& claim, Instant now, Duration) {
    if (lost++ == 0) return FakeRunner::outcome(AnswerLost{1, "the connection died"});
    return runner.usual(claim, now);
  };
  auto worker = engine();
  settle(*worker);
  clock.advance(90s);
  settle(*worker);
  CHECK(state() == StateName::looking_up);
  CHECK(runner.calls_of("look_up:1") == 1);
  clock.advance(30s);
  settle(*worker);
  CHECK(runner.calls_of("look_up:1") == 2);
  CHECK(runner.calls_of("submit:1") == 1);
  CHECK(runner.calls_of("submit:2") == 0);
  clock.advance(15s);
  settle(*worker);
  CHECK(runner.calls_of("submit:2") == 1);
  CHECK(state() == StateName::awaiting_approval);
}

TEST_CASE_METHOD(OneEngine, "a look-up that fails for most of a day is a person's to decide") {
  create_ready_to_submit(*store, order);
  runner.instead[EffectName::submit] = [](const Claim&, Instant, Duration) {
    return FakeRunner::outcome(AnswerLost{1, "the connection died"});
  };
  runner.instead[EffectName::look_up] = [](const Claim&, Instant, Duration) -> EffectOutcome {
    throw Error{ErrorKind::unavailable, "no route"};
  };
  auto worker = engine();
  settle(*worker);
  const Instant lost = clock.now();
  for (int i = 0; i < 100 && state() == StateName::looking_up; ++i) {
    clock.advance(due("look_up:1") - clock.now());
    settle(*worker);
  }
  REQUIRE(state() == StateName::unresolved);
  CHECK(runner.calls_of("look_up:1") == Timing{}.most_failed_look_ups);
  CHECK(clock.now() - lost > 12h);
  CHECK(std::get<Unresolved>(record().state).why.find("no route") != std::string::npos);
}

TEST_CASE_METHOD(OneEngine, "a submit call that throws or says nothing is a lost answer") {
  create_ready_to_submit(*store, order);
  const auto how = GENERATE(0, 1, 2);
  runner.instead[EffectName::submit] = [how](const Claim&, Instant, Duration) -> EffectOutcome {
    if (how == 0) throw Error{ErrorKind::unavailable, "no route"};
    if (how == 1) throw std::runtime_error("boom");
    return EffectOutcome{};
  };
  settle(*engine());
  CHECK(state() == StateName::looking_up);
  CHECK(runner.calls_of("submit:1") == 1);
}

TEST_CASE_METHOD(OneEngine,
                 "a call whose deadline passed before it was begun is not begun and counts as not accepted") {
  create_ready_to_submit(*store, order);
  // The process is stopped for two minutes between the commit and the call.
  auto slow = std::make_unique<FailingStore>(open(), [](unsigned) { return FailingStore::Fate::works; });
  slow->after_commit = [&](const std::vector<Step>& steps) {
    if (name_of(steps[0].event.body) == EventName::attempt_started) clock.advance(2min);
  };
  Engine worker(std::move(slow), runner, clock, engine_options("w"));
  REQUIRE(worker.step());
  CHECK(runner.calls().empty());
  CHECK(state() == StateName::submitting);
  CHECK(std::get<Submitting>(record().state).attempt == 2);
  CHECK(std::get<Submitting>(record().state).phase == Submitting::Phase::planned);
}

TEST_CASE_METHOD(OneEngine, "each lane has its own deadline and its lease outlasts it") {
  create(*store, order);
  EngineOptions options = engine_options("w");
  options.limits = {{"token:web", 4min}, {"provider:tsb", 10s}};
  runner.instead[EffectName::ensure_key] = [&](const Claim& claim, Instant now, Duration time_limit) {
    CHECK(time_limit == 4min);
    CHECK(claim.lease.left() == 4min + options.lease_margin);
    // Nobody else makes the same key while this call may still be making it.
    clock.advance(4min);
    ClaimQuery other{"other", {{"token:web", 1}}, 60s, {}, {}};
    CHECK(open()->claim(other, clock.now()).empty());
    return runner.usual(claim, now);
  };
  settle(*engine(options));
  REQUIRE(state() == StateName::awaiting_approval);
  for (const JournalEntry& entry : store->history(order.id)) {
    if (const auto* started = std::get_if<AttemptStarted>(&entry.event.body)) {
      CHECK(started->answer_by == entry.event.at + 10s);
    }
  }
}

TEST_CASE_METHOD(OneEngine, "a poll that says the same is no event and asks again later") {
  runner.on_poll = RequestStatus::awaiting_approval;
  create_awaiting_approval(*store, order);
  auto worker = engine();
  clock.advance(due("poll") - clock.now());
  const std::size_t events = store->history(order.id).size();
  REQUIRE(worker->step());
  CHECK(store->history(order.id).size() == events);
  CHECK(store->tree_head().size() == events);
  CHECK(due("poll") == clock.now() + next_poll(order.id, clock.now() - order.created_at, std::nullopt, {}));
  CHECK_FALSE(worker->step());
}

TEST_CASE_METHOD(OneEngine, "a provider that asks for patience is not polled before") {
  runner.on_poll = RequestStatus::awaiting_approval;
  runner.retry_after = 1h;
  create_awaiting_approval(*store, order);
  auto worker = engine();
  clock.advance(due("poll") - clock.now());
  settle(*worker);
  CHECK(runner.calls_of("poll") == 1);
  clock.advance(1h - 1ms);
  settle(*worker);
  CHECK(runner.calls_of("poll") == 1);
  clock.advance(1ms);
  settle(*worker);
  CHECK(runner.calls_of("poll") == 2);
}

TEST_CASE_METHOD(OneEngine, "an unavailable provider that asks for patience is left alone so long") {
  create_awaiting_approval(*store, order);
  runner.instead[EffectName::poll] = [](const Claim&, Instant, Duration) -> EffectOutcome {
    throw Error{ErrorKind::unavailable, "busy"}.with("retry-after", "2h");
  };
  auto worker = engine();
  clock.advance(due("poll") - clock.now());
  settle(*worker);
  CHECK(due("poll") == clock.now() + next_retry(order.id, 1, 2h, {}));
  CHECK(due("poll") >= clock.now() + 2h);
}

TEST_CASE_METHOD(OneEngine, "an unavailable provider is tried again later and later and the reason can be read") {
  create_awaiting_approval(*store, order);
  runner.instead[EffectName::poll] = [](const Claim&, Instant, Duration) -> EffectOutcome {
    throw Error{ErrorKind::unavailable, "no route to the provider"};
  };
  auto worker = engine();
  Duration last{};
  for (unsigned failures = 1; failures <= 5; ++failures) {
    clock.advance(due("poll") - clock.now());
    settle(*worker);
    const EffectStatus status = store->effect_status(order.id).at(0);
    CHECK(status.trouble == "no route to the provider");
    CHECK(status.failures == failures);
    CHECK(status.effect.due == clock.now() + next_retry(order.id, failures, std::nullopt, {}));
    CHECK(status.effect.due - clock.now() > last);
    last = status.effect.due - clock.now();
  }
  runner.instead.clear();
  runner.on_poll = RequestStatus::awaiting_approval;
  clock.advance(last);
  settle(*worker);
  CHECK(store->effect_status(order.id).at(0).trouble.empty());
  CHECK(store->effect_status(order.id).at(0).failures == 0);
}

TEST_CASE_METHOD(OneEngine, "a deadline withdraws what was submitted") {
  order.deadline = clock.now() + 1h;
  runner.on_poll = RequestStatus::awaiting_approval;
  create_awaiting_approval(*store, order);
  auto worker = engine();
  clock.advance(1h);
  settle(*worker);
  CHECK(runner.calls_of("withdraw") == 1);
  CHECK(state() == StateName::expired);
}

TEST_CASE_METHOD(OneEngine, "a draft that grew too old is built again and never sent") {
  order.max_age = 1h;
  order.wants_command = true;
  create(*store, order);
  auto worker = engine();
  settle(*worker);
  REQUIRE(state() == StateName::awaiting_command);
  clock.advance(1h);
  settle(*worker);
  CHECK(runner.calls_of("build_draft") == 2);
  CHECK(draft_of(record().state)->built_at == clock.now());
  CHECK(runner.calls_of("submit:1") == 0);
}

TEST_CASE_METHOD(OneEngine, "a timelock on approvals ends by itself, and so does the time to give them") {
  const bool enough = GENERATE(true, false);
  order.approval = terms(2);
  order.approval->policy.alternatives[0].timelock = 1h;
  order.approval->policy.alternatives[0].timeout = 3h;
  create(*store, order);
  auto worker = engine();
  settle(*worker);
  REQUIRE(state() == StateName::awaiting_local_approval);
  const auto approve = [&](const std::string& person) {
    take(*store, order.id, approved_by(person, order, *prepared_of(record().state), clock.now()), clock.now());
  };
  approve("alice");
  if (enough) approve("bob");
  settle(*worker);
  clock.advance(1h - 1s);
  settle(*worker);
  CHECK(state() == StateName::awaiting_local_approval);
  CHECK(runner.calls_of("submit:1") == 0);
  clock.advance(1s);
  settle(*worker);
  CHECK(runner.calls_of("submit:1") == (enough ? 1 : 0));
  if (enough) return;
  CHECK(state() == StateName::awaiting_local_approval);
  clock.advance(2h);
  settle(*worker);
  CHECK(state() == StateName::expired);
  CHECK(runner.calls_of("submit:1") == 0);
}

TEST_CASE_METHOD(OneEngine, "an answer that another process overtook is decided anew") {
  create_awaiting_approval(*store, order);
  runner.instead[EffectName::poll] = [&](const Claim& claim, Instant now, Duration) {
    take(*open(), order.id, CancelAsked{"changed my mind"}, now);
    return runner.usual(claim, now);
  };
  auto worker = engine();
  clock.advance(due("poll") - clock.now());
  REQUIRE(worker->step());
  // The certificate came although the request is being withdrawn: it is late, and nothing is lost.
  CHECK(state() == StateName::verifying);
  settle(*worker);
  CHECK(std::get<Completed>(record().state).late);
}

TEST_CASE_METHOD(OneEngine, "an answer about another reference than the present one is kept and decides nothing") {
  create_awaiting_approval(*store, order);
  runner.instead[EffectName::poll] = [&](const Claim& claim, Instant now, Duration) {
    take(*open(), order.id, NothingHandedOut{"it was given once"}, now);
    take(*open(), order.id, ResolvedAsThere{ProviderReference("another")}, now);
    return runner.usual(claim, now);
  };
  auto worker = engine();
  clock.advance(due("poll") - clock.now());
  REQUIRE(worker->step());
  CHECK(state() == StateName::awaiting_approval);
  CHECK(submission_of(record().state)->reference == ProviderReference("another"));
  REQUIRE(store->late_answers(order.id).size() == 1);
  CHECK(name_of(store->late_answers(order.id)[0].event.body) == EventName::result_received);
  CHECK_FALSE(store->effects(order.id).empty());
}

TEST_CASE_METHOD(OneEngine, "a result that a person replaced is not judged by the check of the first one") {
  create_awaiting_approval(*store, order);
  const IssuedResult brought{IssuedCertificate{Bytes{4, 2}}, {}};
  unsigned checks = 0;
  runner.instead[EffectName::verify] = [&](const Claim& claim, Instant now, Duration) {
    if (++checks == 1) {
      take(*open(), order.id, ResolvedAsCertificate{brought}, now);
      return FakeRunner::outcome(VerificationFailed{"bad", {}});
    }
    CHECK(std::get<Verifying>(claim.record.state).result == brought);
    return runner.usual(claim, now);
  };
  auto worker = engine();
  clock.advance(due("poll") - clock.now());
  settle(*worker);
  CHECK(checks == 2);
  CHECK(state() == StateName::completed);
}

TEST_CASE_METHOD(OneEngine, "a key that is made for a request that was cancelled meanwhile is kept on record") {
  create(*store, order);
  runner.instead[EffectName::ensure_key] = [&](const Claim& claim, Instant now, Duration) {
    take(*open(), order.id, CancelAsked{"changed my mind"}, now);
    EffectOutcome made = runner.usual(claim, now);
    made.key = KeyRecord{"web", "web", test::wanted(order).key.cka_id, "ec:P-256", key_of_test().spki, "active", now};
    return made;
  };
  settle(*engine());
  CHECK(state() == StateName::cancelled);
  REQUIRE(store->keys().size() == 1);
  CHECK(store->keys()[0].status == "active");
  CHECK(store->keys()[0].spki == key_of_test().spki);
  REQUIRE(store->late_answers(order.id).size() == 1);
  CHECK(name_of(store->late_answers(order.id)[0].event.body) == EventName::key_ready);
}

TEST_CASE_METHOD(OneEngine, "after a restart overdue polls come one after the other") {
  constexpr int kRequests = 200;
  runner.on_poll = RequestStatus::awaiting_approval;
  for (int i = 0; i < kRequests; ++i) create_awaiting_approval(*store, order_of("R" + std::to_string(i), clock.now()));
  // A poll of one request by a process that waits for it is not held back.
  clock.advance(24h);
  EngineOptions one = engine_options("one");
  one.only = {RequestId{"R0"}};
  settle(*engine(one));
  CHECK(runner.calls_of("poll") == 1);

  EngineOptions options = engine_options("w");
  options.lanes["provider:tsb"] = 64;
  auto worker = engine(options);
  settle(*worker);
  CHECK(runner.calls_of("poll") <= 4);
  std::size_t most = 0;
  for (int minute = 0; minute < 15; ++minute) {
    const std::size_t before = runner.calls_of("poll");
    clock.advance(1min);
    settle(*worker);
    // From then on the first ones are asked again.
    if (minute < 13) most = std::max(most, runner.calls_of("poll") - before);
  }
  CHECK(runner.calls_of("poll") >= kRequests);
  CHECK(most < 30);

  // What is late by a moment waits for a moment at most.
  worker.reset();
  clock.advance(10min);
  auto next = engine(options);
  settle(*next);
  clock.advance(10min);
  settle(*next);
  CHECK(runner.calls_of("poll") >= 2 * kRequests - 1);
}

TEST_CASE_METHOD(OneEngine, "an engine that ends while its store fails says what it holds") {
  create_awaiting_approval(*store, order);
  clock.advance(due("poll") - clock.now());
  bool full = false;
  const std::string said = said_meanwhile([&] {
    auto failing = std::make_unique<FailingStore>(
        open(), [&full](unsigned) { return full ? FailingStore::Fate::fails_before : FailingStore::Fate::works; });
    EngineOptions options = engine_options("w");
    options.only = {order.id};
    Engine worker(std::move(failing), runner, clock, options);
    runner.instead[EffectName::poll] = [&](const Claim& claim, Instant now, Duration) {
      full = true;
      return runner.usual(claim, now);
    };
    worker.step();
  });
  CHECK(said.find("ref-" + order.id.str()) != std::string::npos);
  CHECK(said.find("\"handout\"") != std::string::npos);
}

TEST_CASE_METHOD(OneEngine, "a result that comes for a finished request is kept as a fact") {
  create_awaiting_approval(*store, order);
  runner.instead[EffectName::poll] = [&](const Claim& claim, Instant now, Duration) {
    StatusReport rejected;
    rejected.status = RequestStatus::rejected;
    rejected.by = "bob";
    take(*open(), order.id, Reported{rejected}, now);
    return runner.usual(claim, now);
  };
  auto worker = engine();
  clock.advance(due("poll") - clock.now());
  settle(*worker);
  CHECK(state() == StateName::rejected);
  const std::vector<std::string> kept = late_answers();
  REQUIRE(kept.size() == 1);
  CHECK(kept[0].find("\"handout\"") != std::string::npos);
}

TEST_CASE_METHOD(OneEngine,
                 "while the store fails results are kept and nothing new is claimed and then all is stored") {
  create_ready_to_submit(*store, order);
  create_ready_to_submit(*store, order_of("SECOND", clock.now()));
  bool full = false;
  auto failing = std::make_unique<FailingStore>(
      open(), [&full](unsigned) { return full ? FailingStore::Fate::fails_before : FailingStore::Fate::works; });
  EngineOptions options = engine_options("w");
  options.lanes["provider:tsb"] = 1;
  Engine worker(std::move(failing), runner, clock, options);
  runner.instead[EffectName::submit] = [&](const Claim& claim, Instant now, Duration) {
    full = true;
    return runner.usual(claim, now);
  };
  worker.step();
  CHECK(runner.calls_of("submit:1") == 1);
  for (int i = 0; i < 3; ++i) CHECK_FALSE(worker.step());
  CHECK(runner.calls_of("submit:1") == 1);
  CHECK(std::get<Submitting>(record().state).phase == Submitting::Phase::started);

  full = false;
  runner.instead.clear();
  settle(worker);
  CHECK(state() == StateName::awaiting_approval);
  CHECK(name_of(store->find(RequestId{"SECOND"})->state) == StateName::awaiting_approval);
  CHECK(runner.calls_of("submit:1") == 2);
  CHECK(runner.submissions(order.id) == 1);
}

TEST_CASE_METHOD(OneEngine, "when the intent cannot be written nothing is sent") {
  create_ready_to_submit(*store, order);
  auto failing = std::make_unique<FailingStore>(
      open(), [](unsigned n) { return n == 2 ? FailingStore::Fate::fails_before : FailingStore::Fate::works; });
  Engine worker(std::move(failing), runner, clock, engine_options("w"));
  CHECK_FALSE(worker.step());
  CHECK(runner.calls().empty());
  settle(worker);
  CHECK(runner.submissions(order.id) == 1);
  CHECK(runner.calls_of("submit:1") == 1);
}

TEST_CASE_METHOD(OneEngine, "an event whose commit only seemed to fail is not written twice") {
  test::wanted(order).targets = {{"file:a", "/a"}};
  create_awaiting_approval(*store, order);
  const StatusReport report = runner.report(order.id, RequestStatus::handed_out);
  take(*store, order.id, ResultReceived{0, report, {IssuedCertificate{{1}}, {2}}}, clock.now());
  take(*store, order.id, Verified{"ff", {}}, clock.now());
  runner.instead[EffectName::install] = [](const Claim& claim, Instant, Duration) {
    return FakeRunner::outcome(TargetFailed{claim.effect.target, {"unavailable", "no room", ""}});
  };
  auto failing = std::make_unique<FailingStore>(
      open(), [](unsigned n) { return n == 2 ? FailingStore::Fate::fails_after : FailingStore::Fate::works; });
  Engine worker(std::move(failing), runner, clock, engine_options("w"));
  worker.step();
  settle(worker);
  CHECK(std::get<Installing>(record().state).targets.at(0).failures == 1);
}
