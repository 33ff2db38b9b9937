#include "workflow/machine/decide.h"

#include "deciding.h"
#include "support/voter.h"
#include "workflow/machine/codec.h"
#include "workflow/machine/lifecycle.h"
#include "workflow/machine/rules.h"

#include <algorithm>
#include <random>

using namespace hsmbridge;
using namespace hsmbridge::workflow;
using namespace hsmbridge::workflow::samples;

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
    if (walk % 3 != 0) one.approval = test::terms(static_cast<unsigned>(walk % 3));
    one.wants_command = walk % 5 == 0;
    const State first = begin(one, kTiming).next;
    State state = first;
    std::vector<std::pair<Instant, std::string>> journal;
    Instant at = kStart;
    for (int step = 0; step < 60; ++step) {
      at += std::chrono::minutes(random() % 90);
      EventBody body = events[random() % events.size()];
      if (auto* drafted = std::get_if<DraftFrozen>(&body)) drafted->draft.issuer.clear();
      if (auto* answer = std::get_if<SubmissionAnswered>(&body)) {
        answer->report = report(static_cast<RequestStatus>(random() % 10));
        answer->attempt = 1 + static_cast<unsigned>(random() % 2);
      }
      if (auto* reported = std::get_if<Reported>(&body)) {
        reported->report = report(static_cast<RequestStatus>(random() % 10));
      }
      const auto* waiting = std::get_if<AwaitingLocalApproval>(&state);
      if (waiting != nullptr && std::holds_alternative<LocallyApproved>(body)) {
        const char* const people[] = {"alice", "bob", "carol"};
        body = test::approved_by(people[random() % 3], one, waiting->prepared, at);
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
