// The provider has it, or is asked to withdraw it.
#include "deciding.h"
#include "workflow/machine/rules.h"

using namespace hsmbridge;
using namespace hsmbridge::workflow;
using namespace hsmbridge::workflow::samples;

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

TEST_CASE("a result that names no attempt is taken where a submission is known and nowhere else") {
  for (const State& state : every_state()) {
    INFO(to_string(name_of(state)));
    const auto answer = ask(order(), state, received());
    const auto* decision = std::get_if<Decision>(&answer);
    const bool expected = submission_of(state) != nullptr && rule_for(name_of(state), EventName::result_received);
    CHECK((decision != nullptr) == expected);
    if (decision != nullptr) CHECK(name_of(decision->next) == StateName::verifying);
  }
  CHECK(refused(order(), planned(), received()).find("no result was requested") == 0);
  // Nor is one of another attempt taken for that which is fetched.
  ResultReceived other = received(2);
  other.report.reference = ProviderReference("ref-7");
  CHECK(refused(order(), sample<Retrieving>(), other) == "it is the answer to another attempt");
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
