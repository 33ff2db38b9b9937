#include "workflow/machine/decide.h"

#include "samples.h"
#include "workflow/machine/codec.h"
#include "workflow/machine/lifecycle.h"
#include "workflow/machine/rules.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <random>

using namespace hsmbridge;
using namespace hsmbridge::workflow;
using namespace hsmbridge::workflow::samples;

namespace {

const Timing kTiming;

std::variant<Decision, Refusal> ask(const Order& order, const State& state, EventBody body, Instant at = kStart) {
  return decide(order, state, Event{at, "uid:7", std::move(body)}, kTiming);
}

Decision go(const Order& order, const State& state, EventBody body, Instant at = kStart) {
  auto answer = ask(order, state, std::move(body), at);
  if (const auto* refusal = std::get_if<Refusal>(&answer)) FAIL(refusal->why);
  return std::get<Decision>(std::move(answer));
}

std::string refused(const Order& order, const State& state, EventBody body, Instant at = kStart) {
  auto answer = ask(order, state, std::move(body), at);
  const auto* refusal = std::get_if<Refusal>(&answer);
  if (refusal == nullptr) FAIL("not refused: " << to_string(name_of(std::get<Decision>(answer).next)));
  return refusal->why;
}

std::vector<std::string> identities(const Decision& decision) {
  std::vector<std::string> all;
  for (const Effect& effect : decision.effects) all.push_back(effect.identity());
  return all;
}

const Effect& effect(const Decision& decision, EffectName name) {
  for (const Effect& one : decision.effects) {
    if (one.name == name) return one;
  }
  FAIL("no effect " << to_string(name));
  throw 0;
}

Submitting planned(unsigned attempt = 1) {
  return {prepared(attempt - 1), attempt, Submitting::Phase::planned, {}, {}, {}};
}

using Names = std::vector<std::string>;

}  // namespace

TEST_CASE("every pair of state and event obeys the table") {
  // Variations make the legal pairs legal whatever they depend on: which attempt, how often, which standing.
  for (const Order& wanted : every_order()) {
    std::size_t legal = 0;
    for (const State& state : every_state()) {
      for (const EventBody& body : every_event()) {
        const Rule* rule = rule_for(name_of(state), name_of(body));
        INFO(to_string(wanted.kind()) << ": " << to_string(name_of(state)) << " + " << to_string(name_of(body)));
        const auto answer = ask(wanted, state, body);
        if (rule == nullptr) {
          REQUIRE(std::holds_alternative<Refusal>(answer));
          CHECK_FALSE(std::get<Refusal>(answer).why.empty());
        } else if (const auto* decision = std::get_if<Decision>(&answer)) {
          ++legal;
          CHECK((rule->to & bit(name_of(decision->next))) != 0);
          CHECK(decision->rule == rule->sentence);
          CHECK(decision->records == record_changes(wanted, decision->next));
        } else {
          CHECK(std::get<Refusal>(answer).why.find("internal") == std::string::npos);
        }
      }
    }
    CHECK(legal > 50);
  }
}

TEST_CASE("nothing final is left again") {
  for (const State& state : every_state()) {
    if (!is_final(name_of(state))) continue;
    for (const EventBody& body : every_event()) {
      CHECK(std::holds_alternative<Refusal>(ask(order(), state, body)));
    }
    for (const Rule& rule : rules()) CHECK(rule.from != name_of(state));
  }
}

TEST_CASE("a state that is not final always wants an effect or a person") {
  for (const Rule& rule : rules()) CHECK(rule.to != 0);
  for (const Order& wanted : every_order()) {
    for (const State& state : every_state()) {
      for (const EventBody& body : every_event()) {
        const auto answer = ask(wanted, state, body);
        const auto* decision = std::get_if<Decision>(&answer);
        if (decision == nullptr) continue;
        const StateName next = name_of(decision->next);
        INFO(to_string(name_of(state)) << " + " << to_string(name_of(body)) << " -> " << to_string(next));
        const bool person = next == StateName::unresolved || next == StateName::quarantined ||
                            next == StateName::awaiting_local_approval || next == StateName::awaiting_command;
        CHECK(decision->effects.empty() == (is_final(next) || person));
      }
    }
  }
}

TEST_CASE("the report of a provider is refused in no state that waits for the provider") {
  const StateName waiting[] = {StateName::awaiting_approval, StateName::awaiting_issuance, StateName::withdrawing,
                               StateName::retrieving};
  for (const State& state : every_state()) {
    if (std::find(std::begin(waiting), std::end(waiting), name_of(state)) == std::end(waiting)) continue;
    for (int i = 0; i <= static_cast<int>(RequestStatus::unrecognised); ++i) {
      const StatusReport one = report(static_cast<RequestStatus>(i));
      INFO(to_string(name_of(state)) << " + " << to_string(one.status));
      CHECK(std::holds_alternative<Decision>(ask(order(), state, Reported{one})));
      CHECK(std::holds_alternative<Decision>(ask(order(), state, ResultReceived{0, one, issued()})));
    }
  }
}

TEST_CASE("the plain way leads from a new request to a completed one") {
  const Order one = order();
  Decision step = begin(one, kTiming);
  CHECK(identities(step) == Names{"ensure_key"});
  step = go(one, step.next, KeyPlanned{"web", "web-2026", "0001", "ec:P-256"});
  step = go(one, step.next, KeyReady{key()});
  CHECK(identities(step) == Names{"sign_csr"});
  step = go(one, step.next, CsrSigned{draft().csr});
  CHECK(identities(step) == Names{"build_draft"});
  step = go(one, step.next, DraftFrozen{draft()});
  CHECK(identities(step) == Names{"check_draft"});
  step = go(one, step.next, DraftAccepted{});
  CHECK(identities(step) == Names{"submit:1"});
  step = go(one, step.next, AttemptStarted{1, "host/1", kStart + 60s});
  CHECK(identities(step) == Names{"answer_overdue:1"});
  step = go(one, step.next, SubmissionAnswered{1, report(RequestStatus::awaiting_approval)});
  CHECK(name_of(step.next) == StateName::awaiting_approval);
  CHECK(identities(step) == Names{"poll"});
  step = go(one, step.next, received());
  CHECK(identities(step) == Names{"verify"});
  step = go(one, step.next, Verified{"c0ffee", {}});
  CHECK(identities(step) == Names{"install:token", "install:file:chain"});
  step = go(one, step.next, TargetInstalled{"token"});
  CHECK(identities(step) == Names{"install:file:chain"});
  step = go(one, step.next, TargetInstalled{"file:chain"});
  CHECK(step.next == State(Completed{key(), "c0ffee", false, {}}));
  CHECK(step.effects.empty());
}

TEST_CASE("a begun attempt leaves no submit effect behind and is never begun again") {
  const Decision begun = go(order(), planned(), AttemptStarted{1, "host/1", kStart + 60s});
  CHECK(identities(begun) == Names{"answer_overdue:1"});
  CHECK(effect(begun, EffectName::answer_overdue).due == kStart + 60s + kTiming.settle);
  CHECK_FALSE(refused(order(), begun.next, AttemptStarted{1, "host/2", kStart + 90s}).empty());
  CHECK_FALSE(refused(order(), planned(2), AttemptStarted{1, "host/2", kStart + 90s}).empty());
}

TEST_CASE("a lost answer is looked up no sooner than its deadline and the settle time") {
  const Decision begun = go(order(), planned(), AttemptStarted{1, "host/1", kStart + 60s});
  const Decision lost = go(order(), begun.next, AnswerLost{1, "cut"}, kStart + 2s);
  CHECK(identities(lost) == Names{"look_up:1"});
  CHECK(effect(lost, EffectName::look_up).due == kStart + 60s + kTiming.settle);
  CHECK(effect(go(order(), begun.next, AnswerLost{1, "cut"}, kStart + 1h), EffectName::look_up).due == kStart + 1h);
}

TEST_CASE("a cancel while a lost answer is looked up does not hasten the look-up") {
  const Decision begun = go(order(), planned(), AttemptStarted{1, "host/1", kStart + 60s});
  const Decision lost = go(order(), begun.next, AnswerLost{1, "cut"}, kStart + 2s);
  const Decision wished = go(order(), lost.next, CancelAsked{"no"}, kStart + 3s);
  CHECK(effect(wished, EffectName::look_up).due == kStart + 60s + kTiming.settle);
}

TEST_CASE("only an absence said twice across the settle time allows another attempt") {
  const State looking = sample<LookingUp>();
  const Decision once = go(order(), looking, AbsentAtProvider{1}, kStart);
  CHECK(name_of(once.next) == StateName::looking_up);
  CHECK(effect(once, EffectName::look_up).due == kStart + kTiming.settle);
  const Decision soon = go(order(), once.next, AbsentAtProvider{1}, kStart + 1s);
  CHECK(name_of(soon.next) == StateName::looking_up);
  const Decision twice = go(order(), soon.next, AbsentAtProvider{1}, kStart + kTiming.settle);
  CHECK(name_of(twice.next) == StateName::submitting);
  CHECK(identities(twice) == Names{"submit:2"});
  // Not at once: what loses answers is not asked again and again.
  CHECK(effect(twice, EffectName::submit).due > kStart + kTiming.settle);
  CHECK(name_of(go(order(), once.next, LookUpInconclusive{1, "no search"}).next) == StateName::unresolved);
}

TEST_CASE("where a search lags only an absence across the lag allows another attempt, and it is looked for meanwhile") {
  Timing timing = kTiming;
  timing.search_lag = 1h;
  const auto step = [&](const State& state, Instant at) {
    return std::get<Decision>(decide(order(), state, Event{at, "provider:tsb", AbsentAtProvider{1}}, timing));
  };
  Decision decision = step(sample<LookingUp>(), kStart);
  Instant last = kStart;
  std::vector<Duration> pauses;
  while (name_of(decision.next) == StateName::looking_up) {
    const Instant due = effect(decision, EffectName::look_up).due;
    REQUIRE(due > last);
    pauses.push_back(due - last);
    REQUIRE(pauses.size() < 20);
    last = due;
    decision = step(decision.next, due);
  }
  CHECK(name_of(decision.next) == StateName::submitting);
  CHECK(last == kStart + 1h);
  // What appears early is found early, and a search costs something.
  CHECK(pauses.front() == kTiming.settle);
  CHECK(pauses.size() < 12);
  CHECK(*std::max_element(pauses.begin(), pauses.end()) <= kTiming.poll_longest);
}

TEST_CASE("a clock that jumps forward does not make the second absence one across the lag") {
  Timing timing = kTiming;
  timing.search_lag = 1h;
  const auto step = [&](const State& state, Instant at) {
    return std::get<Decision>(decide(order(), state, Event{at, "provider:tsb", AbsentAtProvider{1}}, timing));
  };
  const Decision once = step(sample<LookingUp>(), kStart);
  Instant now = kStart + 24h;
  Decision decision = step(once.next, now);
  Duration waited = kTiming.settle;
  while (name_of(decision.next) == StateName::looking_up) {
    const Instant due = effect(decision, EffectName::look_up).due;
    waited += due - now;
    REQUIRE(waited <= 1h);
    now = due;
    decision = step(decision.next, now);
  }
  CHECK(name_of(decision.next) == StateName::submitting);
  CHECK(waited == 1h);
}

TEST_CASE("a search that lags ten minutes is no reason for a second order") {
  Timing timing = kTiming;
  timing.search_lag = 1h;
  const auto step = [&](const State& state, EventBody body, Instant at) {
    return std::get<Decision>(decide(order(), state, Event{at, "provider:tsb", std::move(body)}, timing));
  };
  Decision decision = step(sample<LookingUp>(), AbsentAtProvider{1}, kStart);
  while (effect(decision, EffectName::look_up).due < kStart + 10min) {
    decision = step(decision.next, AbsentAtProvider{1}, effect(decision, EffectName::look_up).due);
    REQUIRE(name_of(decision.next) == StateName::looking_up);
  }
  const Instant found = effect(decision, EffectName::look_up).due;
  CHECK(found <= kStart + 20min);
  decision = step(decision.next, received(1), found);
  CHECK(name_of(decision.next) == StateName::verifying);
}

TEST_CASE("a revocation that did not take effect is not held up by a search that lags") {
  Timing timing = kTiming;
  timing.search_lag = 1h;
  const Order revoke = revocation();
  const auto step = [&](const State& state, Instant at) {
    return std::get<Decision>(decide(revoke, state, Event{at, "provider:tsb", AbsentAtProvider{1}}, timing));
  };
  const Decision once = step(sample<LookingUp>(), kStart);
  CHECK(name_of(step(once.next, kStart + kTiming.settle).next) == StateName::submitting);
}

TEST_CASE("what a refused attempt told about the next one stays until something newer is told") {
  const Decision begun = go(order(), planned(), AttemptStarted{1, "host/1", kStart + 60s});
  const Decision told = go(order(), begun.next, SubmissionNotAccepted{1, problem(), {}, "other form"});
  CHECK(std::get<Submitting>(told.next).prepared.remembered == "other form");
  const Decision second = go(order(), told.next, AttemptStarted{2, "host/1", kStart + 60s});
  const Decision busy = go(order(), second.next, SubmissionNotAccepted{2, problem(), {}});
  CHECK(std::get<Submitting>(busy.next).prepared.remembered == "other form");
  const Decision third = go(order(), busy.next, AttemptStarted{3, "host/1", kStart + 60s});
  const Decision lost = go(order(), third.next, AnswerLost{3, "cut"});
  REQUIRE(prepared_of(lost.next) != nullptr);
  CHECK(prepared_of(lost.next)->remembered == "other form");
}

TEST_CASE("attempts that leave no trace are not followed by others for ever") {
  LookingUp lost = sample<LookingUp>();
  lost.submission.attempt = kTiming.most_lost;
  lost.prepared.attempts_made = kTiming.most_lost;
  const Decision once = go(order(), lost, AbsentAtProvider{kTiming.most_lost}, kStart);
  const Decision twice = go(order(), once.next, AbsentAtProvider{kTiming.most_lost}, kStart + kTiming.settle);
  REQUIRE(name_of(twice.next) == StateName::unresolved);
  CHECK(std::get<Unresolved>(twice.next).why.find("the provider shows none of them") != std::string::npos);
  CHECK(twice.effects.empty());
}

TEST_CASE("an attempt that was not accepted is followed by the next number") {
  const Decision begun = go(order(), planned(), AttemptStarted{1, "host/1", kStart + 60s});
  const Decision again = go(order(), begun.next, SubmissionNotAccepted{1, problem(), 10min});
  CHECK(identities(again) == Names{"submit:2"});
  CHECK(effect(again, EffectName::submit).due >= kStart + 10min);
  Submitting last = planned(kTiming.most_attempts);
  last.phase = Submitting::Phase::started;
  // Attempts that reached nobody are none that were refused.
  CHECK(name_of(go(order(), last, SubmissionNotAccepted{last.attempt, problem("conflict"), {}}).next) ==
        StateName::submitting);
  last.prepared.refusals = kTiming.most_attempts - 1;
  CHECK(name_of(go(order(), last, SubmissionNotAccepted{last.attempt, problem("conflict"), {}}).next) ==
        StateName::failed);
  CHECK(name_of(go(order(), last, SubmissionNotAccepted{last.attempt, problem("unavailable"), {}}).next) ==
        StateName::submitting);
}

TEST_CASE("a refused submission fails and a no of the provider is a rejection") {
  const State started = sample<Submitting>();
  CHECK(name_of(go(order(), started, SubmissionRefused{1, problem("invalid_input")}).next) == StateName::failed);
  CHECK(name_of(go(order(), started, SubmissionRefused{1, problem("refused")}).next) == StateName::rejected);
}

TEST_CASE("a second key made under the same plan does not replace the first") {
  Preparing ready = sample<Preparing>();
  Key second = key();
  second.spki = SpkiHash("cd34");
  CHECK(refused(order(), ready, KeyReady{second}).find("cd34") != std::string::npos);
  CHECK(std::get<Preparing>(go(order(), ready, KeyReady{key()}).next).key == key());
  ready.key.reset();
  CHECK(std::get<Preparing>(go(order(), ready, KeyReady{second}).next).key == second);
}

TEST_CASE("a draft is frozen over the CSR that was signed and over no other") {
  Preparing unsigned_yet = sample<Preparing>();
  unsigned_yet.csr.clear();
  CHECK_FALSE(refused(order(), unsigned_yet, DraftFrozen{draft()}).empty());
  Preparing other = sample<Preparing>();
  other.csr = {9};
  CHECK_FALSE(refused(order(), other, DraftFrozen{draft()}).empty());
  unsigned_yet.key.reset();
  CHECK_FALSE(refused(order(), unsigned_yet, CsrSigned{draft().csr}).empty());
  // Nor does a second signature over it take the place of the first.
  CHECK_FALSE(refused(order(), sample<Preparing>(), CsrSigned{{9}}).empty());
}

TEST_CASE("cancel before anything was sent is cancelled at once") {
  for (const State& state : {State(sample<Preparing>()), State(sample<Prepared>()), State(sample<AwaitingCommand>()),
                             State(sample<AwaitingLocalApproval>()), State(planned())}) {
    CHECK(go(order(), state, CancelAsked{"no"}).next == State(Cancelled{"uid:7", "no"}));
    CHECK(name_of(go(order(), state, DeadlinePassed{}).next) == StateName::expired);
  }
}

TEST_CASE("cancel while a submission is under way waits for the answer and then withdraws") {
  const Decision begun = go(order(), planned(), AttemptStarted{1, "host/1", kStart + 60s});
  const Decision wished = go(order(), begun.next, CancelAsked{"no"});
  CHECK(name_of(wished.next) == StateName::submitting);
  CHECK(identities(wished) == Names{"answer_overdue:1"});
  CHECK_FALSE(refused(order(), wished.next, CancelAsked{"again"}).empty());

  const Decision taken = go(order(), wished.next, SubmissionAnswered{1, report(RequestStatus::awaiting_approval)});
  CHECK(name_of(taken.next) == StateName::withdrawing);
  CHECK(identities(taken) == Names{"withdraw", "poll"});
  const Decision issued = go(order(), wished.next, received(1));
  CHECK(std::get<Verifying>(issued.next).late);
  CHECK(go(order(), wished.next, SubmissionNotAccepted{1, problem(), {}}).next == State(Cancelled{"uid:7", "no"}));

  const Decision lost = go(order(), wished.next, AnswerLost{1, "cut"});
  const Decision once = go(order(), lost.next, AbsentAtProvider{1});
  CHECK(go(order(), once.next, AbsentAtProvider{1}, kStart + kTiming.settle).next == State(Cancelled{"uid:7", "no"}));
  CHECK(name_of(go(order(), lost.next, FoundAtProvider{1, report(RequestStatus::awaiting_issuance)}).next) ==
        StateName::withdrawing);
}

TEST_CASE("a certificate that comes after the cancel is recorded and not installed") {
  const Decision asked = go(order(), sample<AwaitingApproval>(), CancelAsked{"no"});
  CHECK(identities(asked) == Names{"withdraw", "poll"});
  const Decision raced = go(order(), asked.next, received());
  CHECK(std::get<Verifying>(raced.next).late);
  const Decision done = go(order(), raced.next, Verified{"c0ffee", {}});
  CHECK(std::get<Completed>(done.next).late);
  CHECK(done.effects.empty());
}

TEST_CASE("a cancel that the provider took ends as cancelled and one that it cannot do is polled slowly") {
  const Decision asked = go(order(), sample<AwaitingApproval>(), CancelAsked{"no"});
  CHECK(go(order(), asked.next, CancelAnswered{report(RequestStatus::cancelled)}).next ==
        State(Cancelled{"uid:7", "no"}));
  const Decision slow = go(order(), asked.next, CancelImpossible{"no such call"});
  CHECK(identities(slow) == Names{"poll"});
  CHECK(effect(slow, EffectName::poll).due == kStart + kTiming.withdraw_poll);
  CHECK(name_of(go(order(), slow.next, Reported{report(RequestStatus::expired)}).next) == StateName::expired);
  const Decision late = go(order(), sample<AwaitingApproval>(), DeadlinePassed{});
  CHECK(go(order(), late.next, CancelAnswered{report(RequestStatus::cancelled)}).next ==
        State(Expired{"the request's own deadline"}));
}

TEST_CASE("a reference that is gone twice an hour apart is unresolved and once is not") {
  const Decision once = go(order(), sample<AwaitingApproval>(), Reported{report(RequestStatus::gone)});
  CHECK(name_of(once.next) == StateName::awaiting_approval);
  CHECK(effect(once, EffectName::poll).due == kStart + kTiming.gone_confirm);
  CHECK(name_of(go(order(), once.next, Reported{report(RequestStatus::gone)}, kStart + 1min).next) ==
        StateName::awaiting_approval);
  CHECK(name_of(go(order(), once.next, Reported{report(RequestStatus::gone)}, kStart + 1h).next) ==
        StateName::unresolved);
  const Decision back = go(order(), once.next, Reported{report(RequestStatus::awaiting_approval)}, kStart + 1h);
  CHECK_FALSE(std::get<AwaitingApproval>(back.next).gone_since.has_value());
}

TEST_CASE("a lost one-time result is unresolved and never another submission") {
  const StatusReport done = report(RequestStatus::handed_out);
  const Decision lost = go(order(), sample<AwaitingApproval>(), Reported{done});
  CHECK(name_of(lost.next) == StateName::unresolved);
  CHECK(lost.effects.empty());
  CHECK(name_of(go(order(), sample<Retrieving>(), NothingHandedOut{"gone"}).next) == StateName::unresolved);
}

TEST_CASE("an unknown status is recorded and waiting goes on") {
  StatusReport odd = report(RequestStatus::unrecognised);
  odd.provider_status = "SNOOZED";
  const Decision kept = go(order(), sample<AwaitingApproval>(), Reported{odd});
  const auto& state = std::get<AwaitingApproval>(kept.next);
  CHECK(state.provider_status == "SNOOZED");
  CHECK(state.progress.note.find("SNOOZED") != std::string::npos);
  CHECK(identities(kept) == Names{"poll"});
}

TEST_CASE("a draft grown too old is built again and approvals are void") {
  Order aged = order();
  aged.max_age = 24h;
  aged.local_approvals = 2;
  const Decision waiting = go(aged, sample<Prepared>(), DraftAccepted{});
  CHECK(identities(waiting) == Names{"draft_age"});
  CHECK(effect(waiting, EffectName::draft_age).due == kStart + 24h);
  const Decision one = go(aged, waiting.next, LocallyApproved{approval("alice")});
  CHECK(name_of(one.next) == StateName::awaiting_local_approval);
  const Decision anew = go(aged, one.next, DraftTooOld{25h});
  CHECK(identities(anew) == Names{"sign_csr"});
  CHECK(std::get<Preparing>(anew.next).key == key());

  CHECK_FALSE(refused(aged, planned(), AttemptStarted{1, "host/1", kStart + 26h}, kStart + 25h).empty());
  CHECK_FALSE(refused(aged, sample<Submitting>(), DraftTooOld{25h}).empty());
}

TEST_CASE("a draft that its provider would not make like this any more is built again after a pause") {
  const Decision again = go(order(), sample<Prepared>(), DraftTooOld{1s, "the issuer has another key now"});
  CHECK(identities(again) == Names{"sign_csr"});
  CHECK(std::get<Preparing>(again.next).again == "the issuer has another key now");
  CHECK(effect(again, EffectName::sign_csr).due > kStart);
}

TEST_CASE("an attempt that sent nothing because the draft was outdated is followed by another draft after a pause") {
  Order approved = order();
  approved.local_approvals = 1;
  Submitting begun = planned(2);
  begun.phase = Submitting::Phase::started;
  begun.prepared.attempts_made = 2;
  const SubmissionNotAccepted outdated{2, {"conflict", "the certificate in the draft ended", ""}, {}, {}, true};
  const Decision again = go(approved, begun, outdated);
  REQUIRE(name_of(again.next) == StateName::preparing);
  const auto& preparing = std::get<Preparing>(again.next);
  CHECK(preparing.again == "the certificate in the draft ended");
  CHECK(preparing.attempts_made == 2);
  CHECK(identities(again) == Names{"sign_csr"});
  CHECK(effect(again, EffectName::sign_csr).due > kStart);
  // Approvals are for the bytes that were approved.
  const Decision signed_csr = go(approved, again.next, CsrSigned{draft().csr});
  const Decision frozen = go(approved, signed_csr.next, DraftFrozen{draft()});
  CHECK(name_of(go(approved, frozen.next, DraftAccepted{}).next) == StateName::awaiting_local_approval);

  CHECK_FALSE(refused(approved, planned(3), outdated).empty());
  begun.wish = WithdrawWish{WithdrawWish::Cause::cancel, "uid:ann", "not needed"};
  CHECK(name_of(go(approved, begun, outdated).next) == StateName::cancelled);
  const EventBody back = event_body_from(Json::parse(to_json(EventBody{outdated}).dump()));
  CHECK(std::get<SubmissionNotAccepted>(back).outdated);
}

TEST_CASE("an attempt that failed for our credentials does not count as a refusal of the request") {
  Submitting begun = planned();
  begun.phase = Submitting::Phase::started;
  State state = begun;
  for (unsigned attempt = 1; attempt <= 20; ++attempt) {
    std::get<Submitting>(state).phase = Submitting::Phase::started;
    state = go(order(), state, SubmissionNotAccepted{attempt, {"denied", "the API key is refused", ""}, {}}).next;
    REQUIRE(name_of(state) == StateName::submitting);
  }
  CHECK(std::get<Submitting>(state).prepared.refusals == 0);
}

TEST_CASE("a draft that nobody signed in time is withdrawn and what comes later is late") {
  Order aged = order();
  aged.max_age = 24h;
  Submitting begun = planned();
  begun.phase = Submitting::Phase::started;
  const Decision taken = go(aged, begun, SubmissionAnswered{1, report(RequestStatus::awaiting_approval)}, kStart + 1h);
  CHECK(effect(taken, EffectName::draft_age).due == kStart + 24h);
  const Decision approved = go(aged, taken.next, Reported{report(RequestStatus::awaiting_issuance)}, kStart + 2h);
  CHECK(effect(approved, EffectName::draft_age).due == kStart + 24h);
  for (const State& waiting : {taken.next, approved.next}) {
    const Decision old = go(aged, waiting, DraftTooOld{24h}, kStart + 24h);
    CHECK(identities(old) == Names{"withdraw", "poll"});
    CHECK(std::get<Withdrawing>(old.next).wish.cause == WithdrawWish::Cause::draft_age);
    CHECK(name_of(go(aged, old.next, CancelAnswered{report(RequestStatus::cancelled)}).next) == StateName::expired);
    CHECK(std::get<Verifying>(go(aged, old.next, received()).next).late);
    // Signed in time after all, and the provider says so when it is asked to cancel: judged, as late.
    CHECK(std::get<Verifying>(go(aged, old.next, received()).next).late);
  }
  CHECK(identities(go(order(), sample<AwaitingApproval>(), Reported{report(RequestStatus::awaiting_issuance)})) ==
        Names{"poll"});
}

TEST_CASE("a sent CSR never grows too old") {
  Order aged = order();
  aged.max_age = 24h;
  Submitting begun = planned();
  begun.phase = Submitting::Phase::started;
  begun.prepared.draft.to_be_signed.clear();
  const Decision taken = go(aged, begun, SubmissionAnswered{1, report(RequestStatus::awaiting_approval)}, kStart + 1h);
  CHECK(identities(taken) == Names{"poll"});
  const Decision approved = go(aged, taken.next, Reported{report(RequestStatus::awaiting_issuance)}, kStart + 2h);
  CHECK(identities(approved) == Names{"poll"});
  CHECK_FALSE(refused(aged, taken.next, DraftTooOld{25h}, kStart + 25h).empty());
}

TEST_CASE("an approval for other bytes and a second one by the same person are refused") {
  Order two = order();
  two.local_approvals = 2;
  const State waiting = AwaitingLocalApproval{prepared(), 2, {}};
  LocalApproval wrong = approval("alice");
  wrong.draft_digest = "00";
  CHECK_FALSE(refused(two, waiting, LocallyApproved{wrong}).empty());
  const Decision one = go(two, waiting, LocallyApproved{approval("alice")});
  CHECK_FALSE(refused(two, one.next, LocallyApproved{approval("alice")}).empty());
  const Decision enough = go(two, one.next, LocallyApproved{approval("bob")});
  CHECK(identities(enough) == Names{"submit:1"});
  two.wants_command = true;
  CHECK(name_of(go(two, one.next, LocallyApproved{approval("bob")}).next) == StateName::awaiting_command);
  CHECK(name_of(go(two, AwaitingCommand{prepared()}, Commanded{}).next) == StateName::submitting);
  CHECK(go(two, one.next, LocallyRejected{"bob", "no"}).next == State(Rejected{"bob", "no"}));
}

TEST_CASE("the answer to an attempt that was given up is never lost") {
  SubmissionAnswered late{1, report(RequestStatus::awaiting_approval)};
  CHECK(name_of(go(order(), sample<LookingUp>(), late).next) == StateName::awaiting_approval);
  CHECK(name_of(go(order(), planned(2), late).next) == StateName::awaiting_approval);
  Submitting second = planned(2);
  second.phase = Submitting::Phase::started;
  const Decision both = go(order(), second, late);
  REQUIRE(name_of(both.next) == StateName::unresolved);
  CHECK(std::get<Unresolved>(both.next).submission.reference == ProviderReference("ref-1"));
  CHECK(name_of(go(order(), sample<Preparing>(), late).next) == StateName::unresolved);
  SubmissionAnswered other{2, report(RequestStatus::awaiting_approval)};
  other.report.reference = ProviderReference("ref-2");
  const Decision third = go(order(), both.next, other);
  CHECK(name_of(third.next) == StateName::unresolved);
  CHECK(std::get<Unresolved>(third.next).why.find("ref-2") != std::string::npos);
  CHECK(name_of(go(order(), sample<AwaitingApproval>(), other).next) == StateName::unresolved);
}

TEST_CASE("a late answer is judged by the draft that its attempt sent") {
  Order aged = order();
  aged.max_age = 24h;
  const auto draft_when_brought = [&aged](const Decision& stuck) {
    return std::get<Verifying>(go(aged, stuck.next, ResolvedAsCertificate{issued()}).next).prepared.draft;
  };
  Submitting second = planned(2);
  const Decision anew = go(aged, second, DraftTooOld{25h});
  const auto& preparing = std::get<Preparing>(anew.next);
  REQUIRE(preparing.sent == SentDraft{draft(), 1});
  const ResultReceived late = received(1);
  CHECK(draft_when_brought(go(aged, anew.next, late)) == draft());

  Draft fresh = draft();
  fresh.to_be_signed = {7, 7};
  const Decision resigned = go(aged, anew.next, CsrSigned{fresh.csr});
  const Decision frozen = go(aged, resigned.next, DraftFrozen{fresh});
  CHECK(draft_when_brought(go(aged, frozen.next, late)) == draft());
  const Decision released = go(aged, frozen.next, DraftAccepted{});
  REQUIRE(identities(released) == Names{"submit:2", "draft_age"});
  CHECK(std::get<Verifying>(go(aged, released.next, late).next).prepared.draft == draft());
  const Decision begun = go(aged, released.next, AttemptStarted{2, "host/1", kStart + 60s});
  const Decision both = go(aged, begun.next, late);
  CHECK(draft_when_brought(both) == draft());
  // A person who names a reference says by it which of the two orders, and so which draft, counts.
  const Decision first_one = go(aged, both.next, ResolvedAsThere{ProviderReference("ref-1")});
  CHECK(std::get<AwaitingApproval>(first_one.next).prepared.draft == draft());
  const Decision second_one = go(aged, both.next, ResolvedAsThere{ProviderReference("ref-2")});
  CHECK(std::get<AwaitingApproval>(second_one.next).prepared.draft == fresh);
  CHECK(std::get<AwaitingApproval>(second_one.next).submission.attempt == 2);
  const ResultReceived own = received(2);
  CHECK(std::get<Verifying>(go(aged, begun.next, own).next).prepared.draft == fresh);

  // Nothing was ever sent: no certificate could be judged.
  Preparing first = sample<Preparing>();
  first.sent.reset();
  CHECK_FALSE(refused(order(), first, late).empty());
}

TEST_CASE("an unresolved request takes no other attempt's answer for its own") {
  LookingUp second = sample<LookingUp>();
  second.prepared.attempts_made = 2;
  second.submission = Submission{2, {}, {}, kStart};
  const Decision stuck = go(order(), second, LookUpInconclusive{2, "no search there"});
  for (const EventBody& body :
       {EventBody{SubmissionAnswered{1, report(RequestStatus::awaiting_approval)}}, EventBody{received(1)}}) {
    const Decision kept = go(order(), stuck.next, body);
    REQUIRE(name_of(kept.next) == StateName::unresolved);
    const auto& state = std::get<Unresolved>(kept.next);
    CHECK(state.why.find("attempt 1 (ref-1)") != std::string::npos);
    CHECK(state.why.find("attempt 2 (no reference) may exist too") != std::string::npos);
    CHECK(state.submission.attempt == 1);
    CHECK(state.submission.reference == ProviderReference("ref-1"));
  }
  // What is there is not sent again because a search misses it.
  const Decision kept = go(order(), stuck.next, SubmissionAnswered{1, report(RequestStatus::awaiting_approval)});
  const Decision look = go(order(), kept.next, LookUpAsked{});
  const Decision once = go(order(), look.next, AbsentAtProvider{1});
  CHECK(name_of(go(order(), once.next, AbsentAtProvider{1}, kStart + kTiming.settle).next) == StateName::unresolved);
}

TEST_CASE("a late word that nothing was taken ends the doubt of the same attempt") {
  const Decision stuck = go(order(), sample<LookingUp>(), LookUpInconclusive{1, "no search there"});
  CHECK(identities(go(order(), stuck.next, SubmissionNotAccepted{1, problem(), {}})) == Names{"submit:2"});
  CHECK(name_of(go(order(), stuck.next, SubmissionRefused{1, problem("denied")}).next) == StateName::failed);
  CHECK(name_of(go(order(), stuck.next, SubmissionRefused{1, problem("refused")}).next) == StateName::rejected);
  CHECK_FALSE(refused(order(), stuck.next, SubmissionNotAccepted{2, problem(), {}}).empty());
  CHECK_FALSE(refused(order(), sample<Unresolved>(), SubmissionRefused{1, problem("denied")}).empty());
  Unresolved taken = sample<Unresolved>();
  taken.result.reset();
  CHECK_FALSE(refused(order(), taken, SubmissionNotAccepted{1, problem(), {}}).empty());
  LookingUp wished = sample<LookingUp>();
  wished.wish = wish();
  const Decision given_up = go(order(), wished, LookUpInconclusive{1, "no search there"});
  CHECK(name_of(go(order(), given_up.next, SubmissionNotAccepted{1, problem(), {}}).next) == StateName::cancelled);
}

TEST_CASE("a person resolves what nobody knows") {
  const State stuck = sample<Unresolved>();
  const Decision there = go(order(), stuck, ResolvedAsThere{ProviderReference("ref-9")});
  CHECK(std::get<AwaitingApproval>(there.next).submission.reference == ProviderReference("ref-9"));
  CHECK(effect(there, EffectName::poll).due == kStart);
  CHECK(identities(go(order(), stuck, ResolvedAsCertificate{issued()})) == Names{"verify"});
  CHECK_FALSE(refused(order(), stuck, ResolvedAsAbsent{"looked"}).empty());
  const Decision checked_again = go(order(), stuck, LookUpAsked{});
  CHECK(identities(checked_again) == Names{"verify"});
  CHECK(checked_again.next == State(Verifying{prepared(1), submission(), issued(), false}));
  Unresolved given_up = sample<Unresolved>();
  given_up.wish = wish();
  CHECK(std::get<Verifying>(go(order(), given_up, LookUpAsked{}).next).late);
  Unresolved empty_handed = sample<Unresolved>();
  empty_handed.result.reset();
  const Decision look = go(order(), empty_handed, LookUpAsked{});
  CHECK(identities(look) == Names{"look_up:1"});
  CHECK(std::get<LookingUp>(look.next).why.find(empty_handed.submission.reference.str()) != std::string::npos);
  CHECK(std::get<LookingUp>(look.next).submission == empty_handed.submission);
  CHECK(identities(go(order(), empty_handed, ResolvedAsAbsent{"looked"})) == Names{"submit:2"});
  CHECK(go(order(), stuck, ResolvedAsAbandoned{"enough"}).next == State(Abandoned{"uid:7", "enough"}));
  CHECK_FALSE(refused(order(), stuck, CancelAsked{"no"}).empty());
}

TEST_CASE("a submission that the provider had taken is not sent again because its search misses it") {
  Unresolved known = sample<Unresolved>();
  known.result.reset();
  const Decision look = go(order(), known, LookUpAsked{});
  const Decision once = go(order(), look.next, AbsentAtProvider{1});
  const Decision twice = go(order(), once.next, AbsentAtProvider{1}, kStart + kTiming.settle);
  REQUIRE(name_of(twice.next) == StateName::unresolved);
  CHECK(std::get<Unresolved>(twice.next).submission == known.submission);
  // Found again without a word on its reference or state: both are known still.
  StatusReport silent = report(RequestStatus::awaiting_approval);
  silent.reference = {};
  const Decision found = go(order(), look.next, FoundAtProvider{1, silent});
  CHECK(std::get<AwaitingApproval>(found.next).submission == known.submission);
  CHECK_FALSE(refused(order(), look.next, SubmissionNotAccepted{1, problem(), {}}).empty());
  CHECK_FALSE(refused(order(), look.next, SubmissionRefused{1, problem("refused")}).empty());
}

TEST_CASE("no number of an attempt is used twice whichever attempt was looked up") {
  LookingUp older = sample<LookingUp>();
  older.prepared.attempts_made = 3;
  const Decision once = go(order(), older, AbsentAtProvider{1});
  CHECK(identities(go(order(), once.next, AbsentAtProvider{1}, kStart + kTiming.settle)) == Names{"submit:4"});
}

TEST_CASE("a stored result leaves the state of an unresolved request for nothing but another result") {
  Unresolved holding = sample<Unresolved>();
  holding.submission = Submission{1, {}, {}, kStart};
  for (const EventBody& body : {EventBody{SubmissionAnswered{1, report(RequestStatus::awaiting_approval)}},
                                EventBody{SubmissionAnswered{2, report(RequestStatus::awaiting_approval)}},
                                EventBody{FoundAtProvider{1, report(RequestStatus::rejected)}}}) {
    const Decision kept = go(order(), holding, body);
    REQUIRE(name_of(kept.next) == StateName::unresolved);
    CHECK(std::get<Unresolved>(kept.next).result == issued());
    CHECK(std::get<Unresolved>(kept.next).why.find("ref-1") != std::string::npos);
  }
  const Decision named = go(order(), holding, SubmissionAnswered{1, report(RequestStatus::awaiting_approval)});
  CHECK(std::get<Unresolved>(named.next).submission.reference == ProviderReference("ref-1"));
  const Decision another = go(order(), holding, received(1));
  CHECK(name_of(another.next) == StateName::verifying);
}

TEST_CASE("a person who knows what became of a lost call need not wait for the look-up") {
  LookingUp looking = sample<LookingUp>();
  looking.not_before = kStart + 90s;
  const Decision there = go(order(), looking, ResolvedAsThere{ProviderReference("ref-9")});
  CHECK(std::get<AwaitingApproval>(there.next).submission.reference == ProviderReference("ref-9"));
  CHECK_FALSE(refused(order(), looking, ResolvedAsThere{}).empty());
  // The call may still be under way: nobody can know that it is not there.
  CHECK_FALSE(refused(order(), looking, ResolvedAsAbsent{"looked"}, kStart + 89s).empty());
  CHECK(identities(go(order(), looking, ResolvedAsAbsent{"looked"}, kStart + 90s)) == Names{"submit:2"});
  looking.wish = wish();
  CHECK(name_of(go(order(), looking, ResolvedAsThere{ProviderReference("ref-9")}).next) == StateName::withdrawing);
  CHECK(name_of(go(order(), looking, ResolvedAsAbsent{"looked"}, kStart + 90s).next) == StateName::cancelled);
  Order approved = order();
  approved.local_approvals = 2;
  looking.wish.reset();
  CHECK(identities(go(approved, looking, ResolvedAsAbsent{"looked"}, kStart + 90s)) == Names{"check_draft"});
}

TEST_CASE("nobody vouches for what may still be under way, also where a person decides") {
  const Decision begun = go(order(), planned(2), AttemptStarted{2, "host/1", kStart + 60s});
  const Decision both =
      go(order(), begun.next, SubmissionAnswered{1, report(RequestStatus::awaiting_approval)}, kStart + 1s);
  REQUIRE(name_of(both.next) == StateName::unresolved);
  CHECK_FALSE(refused(order(), both.next, ResolvedAsAbsent{"looked"}, kStart + 89s).empty());
  CHECK(identities(go(order(), both.next, ResolvedAsAbsent{"looked"}, kStart + 90s)) == Names{"submit:3"});
  CHECK(effect(go(order(), both.next, LookUpAsked{}, kStart + 2s), EffectName::look_up).due == kStart + 90s);
  LookingUp looking = sample<LookingUp>();
  looking.not_before = kStart + 90s;
  const Decision unclear = go(order(), looking, LookUpInconclusive{1, "no search"});
  CHECK_FALSE(refused(order(), unclear.next, ResolvedAsAbsent{"looked"}, kStart + 89s).empty());
}

TEST_CASE("a wish to cancel outlives the time when nobody knows what happened") {
  LookingUp looking = sample<LookingUp>();
  looking.wish = WithdrawWish{WithdrawWish::Cause::cancel, "uid:7", "no"};
  const Decision lost = go(order(), looking, LookUpInconclusive{looking.submission.attempt, "no search there"});
  REQUIRE(std::get<Unresolved>(lost.next).wish == looking.wish);
  CHECK(go(order(), lost.next, ResolvedAsAbsent{"looked"}).next == State(Cancelled{"uid:7", "no"}));
  const Decision there = go(order(), lost.next, ResolvedAsThere{ProviderReference("ref-9")});
  CHECK(identities(there) == Names{"withdraw", "poll"});
  const SubmissionAnswered late{looking.submission.attempt, report(RequestStatus::awaiting_approval)};
  CHECK(name_of(go(order(), lost.next, late).next) == StateName::withdrawing);
  CHECK(std::get<LookingUp>(go(order(), lost.next, LookUpAsked{}).next).wish == looking.wish);
}

TEST_CASE("what a slow look-up finds stops the next attempt") {
  const FoundAtProvider found{1, report(RequestStatus::awaiting_approval)};
  const Decision instead = go(order(), planned(2), found);
  CHECK(std::get<AwaitingApproval>(instead.next).submission.reference == ProviderReference("ref-1"));
  Submitting second = planned(2);
  second.phase = Submitting::Phase::started;
  CHECK(name_of(go(order(), second, found).next) == StateName::unresolved);
  LookingUp looking = sample<LookingUp>();
  looking.submission.attempt = 2;
  CHECK(name_of(go(order(), looking, found).next) == StateName::unresolved);
  for (const State& unsent : {State(sample<Preparing>()), State(sample<Prepared>()),
                              State(sample<AwaitingLocalApproval>()), State(sample<AwaitingCommand>())}) {
    CHECK(name_of(go(order(), unsent, found).next) == StateName::unresolved);
  }
}

TEST_CASE("no word of a person takes a draft past the approvals that it needs") {
  Order approved = order();
  approved.local_approvals = 2;
  const SubmissionAnswered late{1, report(RequestStatus::awaiting_approval)};
  const Decision both = go(approved, AwaitingLocalApproval{prepared(1), 2, {}}, late);
  REQUIRE(name_of(both.next) == StateName::unresolved);
  const Decision again = go(approved, both.next, ResolvedAsAbsent{"looked"});
  CHECK(identities(again) == Names{"check_draft"});
  const Decision checked = go(approved, again.next, DraftAccepted{});
  CHECK(std::get<AwaitingLocalApproval>(checked.next).approvals.empty());
  CHECK(std::get<AwaitingLocalApproval>(checked.next).prepared.attempts_made == 1);
}

TEST_CASE("a request that its provider leaves hanging can be ended by a person") {
  for (const State& state : {State(sample<LookingUp>()), State(sample<Withdrawing>()), State(sample<Retrieving>()),
                             State(sample<Verifying>())}) {
    INFO(to_string(name_of(state)));
    CHECK(go(order(), state, ResolvedAsAbandoned{"enough"}).next == State(Abandoned{"uid:7", "enough"}));
    CHECK(identities(go(order(), state, ResolvedAsCertificate{issued()})) == Names{"verify"});
  }
  CHECK(std::get<Verifying>(go(order(), sample<Withdrawing>(), ResolvedAsCertificate{issued()}).next).late);
}

TEST_CASE("what was given up stays late through a person's decision") {
  Verifying late = sample<Verifying>();
  late.late = true;
  const Decision stuck = go(order(), late, ResultUnreadable{"noise"});
  const Decision brought = go(order(), stuck.next, ResolvedAsCertificate{issued()});
  CHECK(std::get<Verifying>(brought.next).late);
  Unresolved empty_handed = std::get<Unresolved>(stuck.next);
  empty_handed.result.reset();
  CHECK(name_of(go(order(), empty_handed, ResolvedAsAbsent{"looked"}).next) == StateName::cancelled);
}

TEST_CASE("a wrong certificate is quarantined with all that is needed to judge it again") {
  const Verifying before = sample<Verifying>();
  const Decision wrong = go(order(), before, VerificationFailed{"bad", findings()});
  CHECK(wrong.next == State(Quarantined{"bad", findings(), before.prepared, before.submission, before.result,
                                        before.late, before.accepted}));
  CHECK(wrong.effects.empty());
}

TEST_CASE("a quarantined certificate is judged again with what a person accepted, and nothing is ordered again") {
  Quarantined state = sample<Quarantined>();
  state.findings = {Finding{"subject-changed", true, "x"}, Finding{"san-dropped", true, "y"},
                    Finding{"policies-added", false, "z"}};
  CHECK(refused(order(), state, DeviationsAccepted{{"subject-changed"}, "fine"}).find("left: san-dropped") !=
        std::string::npos);
  CHECK(refused(order(), state, DeviationsAccepted{{"subject-changed", "san-dropped", "key-differs"}, "fine"})
            .find("key-differs") != std::string::npos);
  const Decision taken = go(order(), state, DeviationsAccepted{{"san-dropped", "subject-changed"}, "fine"});
  CHECK(identities(taken) == Names{"verify"});
  const auto& verifying = std::get<Verifying>(taken.next);
  CHECK(verifying.result == state.result);
  CHECK(verifying.prepared == state.prepared);
  CHECK(verifying.submission == state.submission);
  CHECK(verifying.late == state.late);
  CHECK(verifying.accepted == Names{"serial-not-positive", "san-dropped", "subject-changed"});
  CHECK(name_of(go(order(), verifying, Verified{"c0ffee", {}}).next) == StateName::completed);
  // Still wrong, it comes back with what was accepted so far.
  const Decision wrong = go(order(), verifying, VerificationFailed{"c0ffee", state.findings});
  CHECK(std::get<Quarantined>(wrong.next).accepted == verifying.accepted);
}

TEST_CASE("a quarantined or unreadable result is judged again when a person asks, with what its profile accepts now") {
  const Decision again = go(order(), sample<Quarantined>(), JudgementAsked{{"subject-changed", "serial-not-positive"}});
  CHECK(std::get<Verifying>(again.next).accepted == Names{"serial-not-positive", "subject-changed"});
  CHECK(identities(again) == Names{"verify"});
  const Decision unread = go(order(), sample<Unresolved>(), JudgementAsked{{"subject-changed"}});
  CHECK(std::get<Verifying>(unread.next).result == issued());
  Unresolved nothing = sample<Unresolved>();
  nothing.result.reset();
  CHECK(refused(order(), nothing, JudgementAsked{}).find("--look-up") != std::string::npos);
}

TEST_CASE("a quarantined request takes another certificate for the one that is wrong, and can be given up") {
  const IssuedResult better{BroughtCertificate{Bytes{1}}, Bytes{2}};
  const Decision brought = go(order(), sample<Quarantined>(), ResolvedAsCertificate{better});
  CHECK(std::get<Verifying>(brought.next).result == better);
  // What was accepted about one certificate is not accepted about another.
  CHECK(std::get<Verifying>(brought.next).accepted.empty());
  CHECK(name_of(go(order(), sample<Quarantined>(), ResolvedAsAbandoned{"ordered elsewhere"}).next) ==
        StateName::abandoned);
  CHECK(refused(order(), sample<Quarantined>(), CancelAsked{"x"}).find("revoked, not cancelled") != std::string::npos);
}

TEST_CASE(
    "cancelling what was issued and is not in the records yet does not send to a revocation that is not possible") {
  const std::string once = "a certificate was issued: it can be revoked once `cert list --all` shows it, not cancelled";
  CHECK(refused(order(), sample<Retrieving>(), CancelAsked{"x"}) == once);
  CHECK(refused(order(), sample<Verifying>(), CancelAsked{"x"}) == once);
  CHECK(refused(order(), sample<Installing>(), CancelAsked{"x"}) ==
        "a certificate exists: it can be revoked, not cancelled");
}

TEST_CASE("a quarantined request of which only the certificate is known can be given up and nothing else") {
  const Quarantined bare{"c0ffee", findings()};
  CHECK(refused(order(), bare, JudgementAsked{}).find("an older version") != std::string::npos);
  CHECK(name_of(go(order(), bare, ResolvedAsAbandoned{"x"}).next) == StateName::abandoned);
}

TEST_CASE("a certificate that is not valid yet waits for its first day and is judged then or when a person asks") {
  Verifying fresh = sample<Verifying>();
  fresh.not_yet.reset();
  const Decision early = go(order(), fresh, NotValidYet{not_yet()});
  CHECK(std::get<Verifying>(early.next).not_yet == not_yet());
  CHECK(std::get<Verifying>(early.next).result == issued());
  CHECK(effect(early, EffectName::verify).due == not_yet().not_before);
  const Decision asked = go(order(), early.next, JudgementAsked{});
  CHECK(effect(asked, EffectName::verify).due == kStart);
  const Decision passed = go(order(), early.next, NotValidYet{not_yet()}, kStart + 48h);
  CHECK(effect(passed, EffectName::verify).due == kStart + 48h);
}

TEST_CASE("a result that cannot be read is asked for again a few times where the provider keeps it") {
  State state = Verifying{prepared(1), submission(), issued(), true};
  Instant now = kStart;
  for (unsigned asked = 1; asked <= kTiming.most_unreadable; ++asked) {
    const Decision again = go(order(), state, ResultUnreadable{"noise", true}, now);
    const auto& retrieving = std::get<Retrieving>(again.next);
    CHECK(retrieving.unreadable == asked);
    CHECK(retrieving.late);
    CHECK(effect(again, EffectName::retrieve).due > now);
    now = effect(again, EffectName::retrieve).due;
    state = go(order(), retrieving, received(), now).next;
  }
  const Decision person = go(order(), state, ResultUnreadable{"noise", true}, now);
  const auto& unresolved = std::get<Unresolved>(person.next);
  CHECK(unresolved.result == issued());
  CHECK(unresolved.why.find("5 answers in a row") != std::string::npos);
  // Asked by a person, it begins again with what is stored.
  CHECK(std::get<Verifying>(go(order(), unresolved, LookUpAsked{}).next).unreadable == 0);
}

TEST_CASE("a result that is given once and cannot be read is kept for a person at once") {
  const Decision unreadable = go(order(), Verifying{prepared(1), submission(), issued()}, ResultUnreadable{"noise"});
  CHECK(std::get<Unresolved>(unreadable.next).result == issued());
  CHECK(std::get<Unresolved>(unreadable.next).why == "noise");
}

TEST_CASE("a certificate that a person found by its serial number is fetched, and not waited for like an approval") {
  const ResolvedAsThere issued{ProviderReference("serial:0A"), true};
  for (const State& state : {State(sample<LookingUp>()), State(sample<Unresolved>())}) {
    const Decision found = go(order(), state, issued);
    CHECK(name_of(found.next) == StateName::retrieving);
    CHECK(submission_of(found.next)->reference == issued.reference);
    CHECK(identities(found) == Names{"retrieve"});
  }
  LookingUp given_up = sample<LookingUp>();
  given_up.wish = wish();
  CHECK(std::get<Retrieving>(go(order(), given_up, issued).next).late);
}

TEST_CASE("what a person may not say now is refused in words of a person") {
  const EventBody words[] = {
      LookUpAsked{},      JudgementAsked{},      DeviationsAccepted{}, ResolvedAsThere{ProviderReference("r")},
      ResolvedAsAbsent{}, ResolvedAsAbandoned{}, CancelAsked{},        TargetSkipped{"token", "x"}};
  for (const State& state : every_state()) {
    for (const EventBody& body : words) {
      if (rule_for(name_of(state), name_of(body)) != nullptr) continue;
      INFO(to_string(name_of(state)) << " + " << to_string(name_of(body)));
      CHECK(refused(order(), state, body).find(to_string(name_of(body))) == std::string::npos);
    }
  }
}

TEST_CASE("a failing target is tried again later and burns nothing") {
  const Decision failed = go(order(), sample<Installing>(), TargetFailed{"file:chain", problem()});
  CHECK(std::get<Installing>(failed.next).targets[1].failures == 3);
  CHECK(effect(failed, EffectName::install).due > kStart);
  CHECK_FALSE(refused(order(), sample<Installing>(), TargetInstalled{"token"}).empty());
  CHECK_FALSE(refused(order(), sample<Installing>(), TargetInstalled{"nowhere"}).empty());
  CHECK(name_of(go(order(), sample<Installing>(), TargetInstalled{"file:chain"}).next) == StateName::completed);
}

TEST_CASE("a person gives up one target and the others decide when it is complete") {
  Installing two = sample<Installing>();
  two.targets[0].stage = TargetState::Stage::waiting;
  const Decision skipped = go(order(), two, TargetSkipped{"file:chain", "gone"});
  CHECK(identities(skipped) == Names{"install:token"});
  CHECK_FALSE(refused(order(), skipped.next, TargetInstalled{"file:chain"}).empty());
  CHECK_FALSE(refused(order(), skipped.next, TargetSkipped{"nowhere", "gone"}).empty());
  const Decision done = go(order(), skipped.next, TargetInstalled{"token"});
  CHECK(std::get<Completed>(done.next).skipped == Names{"file:chain"});
  CHECK(name_of(go(order(), sample<Installing>(), TargetSkipped{"file:chain", "gone"}).next) == StateName::completed);
}

TEST_CASE("the runs of a target are counted over crashes") {
  const Decision failed = go(order(), sample<Installing>(), TargetFailed{"file:chain", problem(), 7});
  CHECK(std::get<Installing>(failed.next).targets[1].failures == 7);
  const Decision again = go(order(), failed.next, TargetFailed{"file:chain", problem(), 8});
  CHECK(std::get<Installing>(again.next).targets[1].failures == 8);
}

TEST_CASE("the deadline is a timer while waiting and none once a certificate exists") {
  Order bounded = order();
  bounded.deadline = kStart + 72h;
  CHECK(effect(begin(bounded, kTiming), EffectName::deadline).due == kStart + 72h);
  CHECK(effect(go(bounded, sample<LookingUp>(), FoundAtProvider{1, report(RequestStatus::awaiting_approval)}),
               EffectName::deadline)
            .due == kStart + 72h);
  CHECK(identities(go(bounded, sample<AwaitingApproval>(), received())) == Names{"verify"});
  CHECK(identities(go(bounded, sample<AwaitingApproval>(), DeadlinePassed{})) == Names{"withdraw", "poll"});
}

TEST_CASE("a result that names no attempt is taken where a submission is known and nowhere else") {
  for (const State& state : every_state()) {
    INFO(to_string(name_of(state)));
    const auto answer = ask(order(), state, received());
    const auto* decision = std::get_if<Decision>(&answer);
    const bool expected = submission_of(state) != nullptr && rule_for(name_of(state), EventName::result_received);
    CHECK((decision != nullptr) == expected);
    if (decision != nullptr) CHECK(name_of(decision->next) == StateName::verifying);
  }
  CHECK(refused(order(), planned(), received()).find("no result was asked for") == 0);
  // Nor is one of another attempt taken for that which is fetched.
  ResultReceived other = received(2);
  other.report.reference = ProviderReference("ref-7");
  CHECK(refused(order(), sample<Retrieving>(), other) == "it answers another attempt");
}

TEST_CASE("a poll that says the same is no event") {
  AwaitingApproval state = sample<AwaitingApproval>();
  StatusReport same = report(RequestStatus::awaiting_approval);
  same.provider_status = state.provider_status;
  same.progress = state.progress;
  CHECK_FALSE(changes_something(state, same));
  StatusReport more = same;
  more.progress.approvers[1].decision = Approver::Decision::approved;
  CHECK(changes_something(state, more));
  StatusReport gone = same;
  gone.status = RequestStatus::gone;
  CHECK(changes_something(state, gone));
}

TEST_CASE("random walks stay in the table and replay from their journal to the same state") {
  std::mt19937 random(20261123);
  const std::vector<EventBody> events = every_event();
  for (int walk = 0; walk < 300; ++walk) {
    Order one = order();
    one.local_approvals = static_cast<unsigned>(walk % 3);
    one.wants_command = walk % 5 == 0;
    const State first = begin(one, kTiming).next;
    State state = first;
    std::vector<std::pair<Instant, std::string>> journal;
    Instant at = kStart;
    for (int step = 0; step < 60; ++step) {
      at += std::chrono::minutes(random() % 90);
      EventBody body = events[random() % events.size()];
      if (auto* answer = std::get_if<SubmissionAnswered>(&body)) {
        answer->report = report(static_cast<RequestStatus>(random() % 10));
        answer->attempt = 1 + static_cast<unsigned>(random() % 2);
      }
      if (auto* reported = std::get_if<Reported>(&body)) {
        reported->report = report(static_cast<RequestStatus>(random() % 10));
      }
      const auto answer = ask(one, state, body, at);
      if (const auto* decision = std::get_if<Decision>(&answer)) {
        state = decision->next;
        journal.emplace_back(at, to_json(body).dump());
      }
    }
    State replayed = first;
    for (const auto& [when, text] : journal) {
      replayed = go(one, replayed, event_body_from(Json::parse(text)), when).next;
    }
    REQUIRE(replayed == state);
  }
}

TEST_CASE("a cancel that found nothing to cancel is no cancel, and is asked again later") {
  auto state = sample<Withdrawing>();
  state.cancel = Withdrawing::Cancel::wanted;
  state.gone_since.reset();
  for (const RequestStatus standing : {RequestStatus::gone, RequestStatus::unrecognised}) {
    const Decision next = go(order(), state, CancelAnswered{report(standing)});
    REQUIRE(name_of(next.next) == StateName::withdrawing);
    CHECK(std::get<Withdrawing>(next.next).cancel == Withdrawing::Cancel::wanted);
  }
  const Decision unknown = go(order(), state, CancelAnswered{report(RequestStatus::unrecognised)});
  CHECK(effect(unknown, EffectName::withdraw).due == kStart + kTiming.withdraw_poll);
  const Decision taken = go(order(), state, CancelAnswered{report(RequestStatus::awaiting_approval)});
  CHECK(std::get<Withdrawing>(taken.next).cancel == Withdrawing::Cancel::accepted);
}
