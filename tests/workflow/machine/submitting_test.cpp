// The one submission: planned, begun, and what its answer says.
#include "deciding.h"
#include "support/voter.h"
#include "workflow/machine/codec.h"
#include "workflow/machine/local_approval.h"

using namespace hsmbridge;
using namespace hsmbridge::workflow;
using namespace hsmbridge::workflow::samples;

TEST_CASE("a begun attempt leaves no submit effect behind and is never begun again") {
  const Decision begun = go(order(), planned(), AttemptStarted{1, "host/1", kStart + 60s});
  CHECK(identities(begun) == Names{"answer_overdue:1"});
  CHECK(effect(begun, EffectName::answer_overdue).due == kStart + 60s + kTiming.settle);
  CHECK_FALSE(refused(order(), begun.next, AttemptStarted{1, "host/2", kStart + 90s}).empty());
  CHECK_FALSE(refused(order(), planned(2), AttemptStarted{1, "host/2", kStart + 90s}).empty());
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

TEST_CASE("an attempt that sent nothing because the draft was outdated is followed by another draft after a pause") {
  Order approved = order();
  approved.approval = test::terms(1);
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

TEST_CASE("an operator's command is for one attempt and for now") {
  Order root = order();
  root.wants_command = true;
  const auto commanded = go(root, AwaitingCommand{prepared()}, Commanded{});
  const auto until = std::get<Submitting>(commanded.next).begin_by.value();
  CHECK(until == kStart + kTiming.command_holds);
  CHECK(effect(commanded, EffectName::command_over).due == until);
  const unsigned attempt = std::get<Submitting>(commanded.next).attempt;

  SECTION("it is not begun later") {
    CHECK_FALSE(refused(root, commanded.next, AttemptStarted{attempt, "w", until + 1min}, until + 1ms).empty());
    CHECK_FALSE(refused(root, commanded.next, CommandOver{}, until - 1ms).empty());
    const auto over = go(root, commanded.next, CommandOver{}, until);
    CHECK(std::get<AwaitingCommand>(over.next).last_refusal.find("15 minutes") != std::string::npos);
    CHECK(identities(over) == identities(go(root, Prepared{prepared()}, DraftAccepted{})));
  }
  SECTION("nor by a clock that was set back to before it was given") {
    const Instant before = kStart - kClockTolerance - 1s;
    CHECK_FALSE(refused(root, commanded.next, AttemptStarted{attempt, "w", kStart}, before).empty());
    CHECK(name_of(go(root, commanded.next, CommandOver{}, before).next) == StateName::awaiting_command);
    CHECK_FALSE(refused(root, commanded.next, CommandOver{}, kStart - kClockTolerance).empty());
    CHECK(name_of(go(root, commanded.next, AttemptStarted{attempt, "w", kStart}, kStart - kClockTolerance).next) ==
          StateName::submitting);
  }
  SECTION("nor is it repeated") {
    auto begun = go(root, commanded.next, AttemptStarted{attempt, "w", kStart + 1min});
    const Problem away{"unavailable", "the token is not there", ""};
    const auto waits = go(root, begun.next, SubmissionNotAccepted{attempt, away, std::nullopt});
    REQUIRE(name_of(waits.next) == StateName::awaiting_command);
    CHECK(std::get<AwaitingCommand>(waits.next).last_refusal == "the token is not there");
    const auto again = go(root, waits.next, Commanded{});
    CHECK(std::get<Submitting>(again.next).attempt == attempt + 1);
  }
  SECTION("also where an attempt that was lost left nothing there") {
    LookingUp lost = sample<LookingUp>();
    lost.wish.reset();
    lost.submission.reference = {};
    lost.waited = 240h;
    CHECK(name_of(go(root, lost, AbsentAtProvider{lost.submission.attempt}).next) == StateName::awaiting_command);
    CHECK(name_of(go(order(), lost, AbsentAtProvider{lost.submission.attempt}).next) == StateName::submitting);
  }
}
