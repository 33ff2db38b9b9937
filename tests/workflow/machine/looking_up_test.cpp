// What became of an attempt is not known: it is looked up, and where the provider cannot tell a person decides.
#include "deciding.h"
#include "support/voter.h"

using namespace hsmbridge;
using namespace hsmbridge::workflow;
using namespace hsmbridge::workflow::samples;

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
  approved.approval = test::terms(2);
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
  approved.approval = test::terms(2);
  const SubmissionAnswered late{1, report(RequestStatus::awaiting_approval)};
  const Decision both = go(approved, AwaitingLocalApproval{prepared(1)}, late);
  REQUIRE(name_of(both.next) == StateName::unresolved);
  const Decision again = go(approved, both.next, ResolvedAsAbsent{"looked"});
  CHECK(identities(again) == Names{"check_draft"});
  const Decision checked = go(approved, again.next, DraftAccepted{});
  CHECK(std::get<AwaitingLocalApproval>(checked.next).prepared.approval.votes.empty());
  CHECK(std::get<AwaitingLocalApproval>(checked.next).prepared.attempts_made == 1);
}
