#include "workflow/machine/local_approval.h"

#include "deciding.h"
#include "support/voter.h"
#include "workflow/machine/codec.h"

#include <functional>

using namespace hsmbridge;
using namespace hsmbridge::workflow;
using namespace hsmbridge::workflow::samples;
using hsmbridge::approval::SignedVote;
using hsmbridge::approval::Vote;
using hsmbridge::test::approved_by;
using hsmbridge::test::group_of;
using hsmbridge::test::rejected_by;
using hsmbridge::test::terms;
using hsmbridge::test::vote_about;
using hsmbridge::test::voter;

namespace {

using Step = hsmbridge::workflow::Decision;

PreparedRequest frozen() {
  PreparedRequest request = prepared();
  request.draft.issuer.clear();
  return request;
}

// Two of alice, bob and carol; the first round is open.
struct Round {
  Order order = samples::order();
  State state;

  explicit Round(ApprovalTerms wanted = terms(2)) {
    order.approval = std::move(wanted);
    state = go(order, Prepared{frozen()}, DraftAccepted{}).next;
  }
  const PreparedRequest& prepared() const { return *prepared_of(state); }
  LocallyApproved yes(const std::string& person, Instant at = kStart, unsigned number = 0) const {
    return approved_by(person, order, prepared(), at, number);
  }
  LocallyRejected no(const std::string& person, Instant at = kStart) const {
    return rejected_by(person, order, prepared(), at);
  }
  Step take(EventBody body, Instant at = kStart) {
    Step made = go(order, state, std::move(body), at);
    state = made.next;
    return made;
  }
};

approval::Policy policy_of(std::vector<approval::Alternative> alternatives) {
  return {std::move(alternatives)};
}

}  // namespace

TEST_CASE("a vote that is no word of that person on this question is refused with one sentence") {
  struct Case {
    const char* name;
    std::string why;  // part of the sentence
    std::function<void(Vote&)> before;
    std::function<void(SignedVote&)> after = {};
  };
  const Case cases[] = {
      {"for other bytes", "other bytes", [](Vote& v) { v.question.draft = std::string(64, 'a'); }},
      {"for another request", "for request OTHER", [](Vote& v) { v.question.request = "OTHER"; }},
      {"for a request of another store", "another store", [](Vote& v) { v.question.store = "0000"; }},
      {"of a rehearsal", "for a rehearsal request", [](Vote& v) { v.question.environment = "rehearsal"; }},
      {"for another kind of request", "another kind", [](Vote& v) { v.question.kind = "renew"; }},
      {"for another issuing key", "another issuing key", [](Vote& v) { v.question.issuer = std::string(64, 'b'); }},
      {"under another policy", "another approval policy", [](Vote& v) { v.question.policy = std::string(64, 'c'); }},
      {"of another round", "of round 2", [](Vote& v) { v.question.round = 2; }},
      {"of somebody who is not asked", "mallory is not among those", [](Vote& v) { v.person = "mallory"; }},
      {"of somebody else's key", "not the one of bob", [](Vote& v) { v.person = "bob"; }},
      {"from the future", "yet to come", [](Vote& v) { v.approved_at += 6min; }},
      {"from before it was asked", "could know", [](Vote& v) { v.approved_at -= 6min; }},
      {"that has run out", "was good until", [](Vote& v) { v.valid_until = kStart; }},
      {"changed after it was signed", "does not verify", [](Vote&) {},
       [](SignedVote& v) { v.vote.reason = "it is fine"; }},
      {"prolonged after it was signed", "does not verify", [](Vote&) {},
       [](SignedVote& v) { v.vote.valid_until += 1h; }},
      {"without a signature", "does not verify", [](Vote&) {}, [](SignedVote& v) { v.signature.clear(); }},
      {"by an algorithm that there is not", "does not verify", [](Vote&) {},
       [](SignedVote& v) { v.algorithm = "md5"; }},
      {"with the key of another", "not the one of alice", [](Vote&) {},
       [](SignedVote& v) { v.key = voter("bob").signer.subject_public_key_info(); }},
  };
  const Round round;
  for (const Case& one : cases) {
    INFO(one.name);
    Vote vote = vote_about(round.order, round.prepared(), "alice", kStart);
    one.before(vote);
    SignedVote made = voter("alice").sign(std::move(vote));
    if (one.after) one.after(made);
    const LocallyApproved event{{made.vote.person, made.vote.question.draft, kStart, approval::to_text(made)}};
    const std::string why = refused(round.order, round.state, event);
    INFO(why);
    CHECK(why.find(one.why) != std::string::npos);
    CHECK(why.find('\n') == std::string::npos);
  }
}

TEST_CASE("a vote that says something else than the event is refused, and one that cannot be read") {
  const Round round;
  LocallyApproved event = round.yes("alice");
  event.approval.person = "bob";
  CHECK_FALSE(refused(round.order, round.state, event).empty());
  LocallyRejected turned{"alice", "", round.yes("alice").approval.evidence};
  CHECK_FALSE(refused(round.order, round.state, turned).empty());
  for (const char* text : {"", "signed", "{}", "[1]"}) {
    event = round.yes("alice");
    event.approval.evidence = text;
    CHECK_FALSE(refused(round.order, round.state, event).empty());
  }
}

TEST_CASE("who asked for it cannot decide about it, and is not counted") {
  ApprovalTerms wanted = terms(2);
  wanted.requesters = {"alice"};
  Round round(wanted);
  CHECK(refused(round.order, round.state, round.yes("alice")).find("asked for it") != std::string::npos);
  CHECK(refused(round.order, round.state, round.no("alice")).find("asked for it") != std::string::npos);
  round.take(round.yes("bob"));
  CHECK(name_of(round.take(round.yes("carol")).next) == StateName::submitting);

  // Without alice, bob's no leaves too few.
  Round other(wanted);
  CHECK(other.take(other.no("bob")).next == State(Rejected{"bob", "no"}));
}

TEST_CASE("a vote is irrevocable and counts once") {
  Round round;
  const LocallyApproved alice = round.yes("alice");
  round.take(alice);
  CHECK(refused(round.order, round.state, alice).find("irrevocable") != std::string::npos);
  CHECK(refused(round.order, round.state, round.yes("alice", kStart, 1)).find("irrevocable") != std::string::npos);
  CHECK(refused(round.order, round.state, round.no("alice")).find("irrevocable") != std::string::npos);
  // Bob's own vote with alice's nonce.
  Vote copied = vote_about(round.order, round.prepared(), "bob", kStart);
  copied.nonce = vote_about(round.order, round.prepared(), "alice", kStart).nonce;
  const SignedVote bob = voter("bob").sign(copied);
  CHECK(refused(round.order, round.state, LocallyApproved{{"bob", copied.question.draft, kStart, to_text(bob)}})
            .find("nonce") != std::string::npos);
}

TEST_CASE("a rejection ends the request once there cannot be enough approvals any more") {
  Round round;
  CHECK(name_of(round.take(round.no("alice")).next) == StateName::awaiting_local_approval);
  CHECK(round.take(round.no("bob")).next == State(Rejected{"bob", "no"}));

  Round enough;
  enough.take(enough.no("alice"));
  enough.take(enough.yes("bob"));
  CHECK(identities(enough.take(enough.yes("carol"))) == Names{"submit:1"});
}

TEST_CASE("a timelock holds back what enough people have approved, and a timeout ends it") {
  ApprovalTerms wanted = terms(2);
  wanted.policy = policy_of({{"", 1h, 24h, {group_of(2, {"alice", "bob", "carol"})}}});
  Round round(wanted);
  const auto due = [](const Step& made) { return effect(made, EffectName::approvals_due).due; };
  CHECK(due(round.take(round.yes("alice"))) == kStart + 24h);
  CHECK(due(round.take(round.yes("bob"))) == kStart + 1h);
  CHECK(name_of(round.state) == StateName::awaiting_local_approval);
  CHECK(name_of(go(round.order, round.state, ApprovalsDue{}, kStart + 1h - 1ms).next) ==
        StateName::awaiting_local_approval);
  CHECK(identities(go(round.order, round.state, ApprovalsDue{}, kStart + 1h)) == Names{"submit:1"});

  Round late(wanted);
  late.take(late.yes("alice"));
  CHECK(name_of(go(late.order, late.state, ApprovalsDue{}, kStart + 24h).next) == StateName::expired);
  const LocallyApproved bob = late.yes("bob", kStart + 24h);
  CHECK(name_of(go(late.order, late.state, bob, kStart + 24h).next) == StateName::expired);
}

TEST_CASE("a way that is over is not waited for, and a word after the timelock counts as it did before") {
  ApprovalTerms wanted = terms(2);
  wanted.policy = policy_of(
      {{"quick", {}, 24h, {group_of(2, {"alice", "bob"})}}, {"slow", 72h, {}, {group_of(1, {"alice", "bob"})}}});
  Round round(wanted);
  round.take(round.yes("alice", kStart + 36h), kStart + 36h);
  const Step made = round.take(round.yes("bob", kStart + 37h), kStart + 37h);
  CHECK(effect(made, EffectName::approvals_due).due > kStart + 37h);
  CHECK(identities(go(round.order, round.state, ApprovalsDue{}, kStart + 72h)) == Names{"submit:1"});

  ApprovalTerms locked = terms(1);
  locked.policy = policy_of({{"", 4h, {}, {group_of(1, {"alice", "bob", "carol"})}}});
  Round late(locked);
  late.take(late.yes("alice"));
  CHECK(name_of(late.take(late.no("bob"), kStart + 5h).next) == StateName::submitting);
}

TEST_CASE("any of the alternatives is enough, and all groups of one are needed") {
  ApprovalTerms wanted = terms(1);
  wanted.policy = policy_of({{"usual", {}, {}, {group_of(1, {"alice", "bob"}), group_of(1, {"carol"})}},
                             {"emergency", 2h, {}, {group_of(1, {"dora"})}}});
  Round usual(wanted);
  usual.take(usual.yes("alice"));
  CHECK(name_of(usual.take(usual.yes("bob")).next) == StateName::awaiting_local_approval);
  CHECK(name_of(usual.take(usual.yes("carol")).next) == StateName::submitting);

  Round emergency(wanted);
  emergency.take(emergency.no("carol"));
  CHECK(name_of(emergency.take(emergency.yes("dora")).next) == StateName::awaiting_local_approval);
  CHECK(name_of(go(emergency.order, emergency.state, ApprovalsDue{}, kStart + 2h).next) == StateName::submitting);
}

TEST_CASE("an approval that has run out does not count, and may be given again") {
  Round round;
  round.take(round.yes("alice"));  // good for a week
  const Instant later = kStart + 8 * 24h;
  CHECK(name_of(round.take(round.yes("bob", later), later).next) == StateName::awaiting_local_approval);
  CHECK(round.prepared().approval.votes.size() == 2);
  CHECK(name_of(round.take(round.yes("alice", later, 1), later).next) == StateName::submitting);
  CHECK(round.prepared().approval.votes.size() == 2);
}

TEST_CASE("approvals are judged from what is stored, whenever somebody asks") {
  Round round;
  round.take(round.yes("alice"));
  round.take(round.yes("bob"));
  REQUIRE(name_of(round.state) == StateName::submitting);
  PreparedRequest there = round.prepared();
  const auto standing = [&](Instant at = kStart) { return approval_standing(round.order, there, at); };
  CHECK(standing().outcome == approval::Outcome::met);
  CHECK(standing(kStart + 8 * 24h).outcome == approval::Outcome::open);

  there.draft.to_be_signed.push_back(0);
  CHECK(standing().outcome != approval::Outcome::met);
  CHECK(standing().faults.size() == 2);
  there = round.prepared();
  there.approval.votes[1] = there.approval.votes[0];
  CHECK(standing().faults == std::vector<std::string>{"a person has two votes"});
  CHECK(standing().outcome != approval::Outcome::met);
  there = round.prepared();
  there.approval.votes.pop_back();
  CHECK(standing().outcome == approval::Outcome::open);
  there = round.prepared();
  there.approval.number = 2;
  CHECK(standing().outcome != approval::Outcome::met);
  there = round.prepared();
  Order other = round.order;
  other.approval->policy.alternatives[0].groups[0].quorum = 1;
  CHECK(approval_standing(other, there, kStart).outcome != approval::Outcome::met);
}

TEST_CASE("what was approved is not submitted by a clock that is far behind") {
  Round round;
  round.take(round.yes("alice"), kStart);
  round.take(round.yes("bob", kStart + 1h), kStart + 1h);
  const AttemptStarted begun{1, "w", kStart + 2h};
  CHECK(refused(round.order, round.state, begun, kStart + 50min - 1s).find("10 minutes 1 second behind") !=
        std::string::npos);
  CHECK(name_of(go(round.order, round.state, begun, kStart + 50min).next) == StateName::submitting);
}

TEST_CASE("a timelock that was begun by a clock that was behind is not shorter for that") {
  ApprovalTerms wanted = terms(1);
  wanted.policy.alternatives[0].timelock = 4h;
  wanted.policy.alternatives[0].timeout = 24h;
  Round round(wanted);
  const auto open = [&](Instant at, Instant known) {
    round.state = go(round.order, Prepared{frozen()}, DraftAccepted{known}, at).next;
    round.take(round.yes("alice", at), at);
    CHECK(State(round.state) == state_from(to_json(round.state)));
  };
  const auto outcome = [&](Instant at) { return approval_standing(round.order, round.prepared(), at).outcome; };
  // Three hours behind, as the newest request shows.
  open(kStart, kStart + 3h);
  CHECK(round.prepared().approval.opened_at == kStart);
  CHECK(outcome(kStart + 3h - 1s) == approval::Outcome::timelocked);
  CHECK(outcome(kStart + 4h) == approval::Outcome::timelocked);
  CHECK(outcome(kStart + 7h - 1s) == approval::Outcome::timelocked);
  CHECK(approvals_due(round.order, round.prepared(), kStart + 3h) == kStart + 7h);
  CHECK(outcome(kStart + 7h) == approval::Outcome::met);
  CHECK(outcome(kStart + 26h) == approval::Outcome::met);
  CHECK(outcome(kStart + 27h) == approval::Outcome::impossible);
  // An earlier time says nothing, and one that is years ahead nothing before it has come.
  for (const Instant known : {kStart, kStart - 24h, kStart + 24h * 365}) {
    open(kStart, known);
    CHECK(round.prepared().approval.counted_from(kStart) == kStart);
    CHECK(outcome(kStart + 4h) == approval::Outcome::met);
  }
}

TEST_CASE("each draft and each return from the provider opens another round, in which no earlier vote counts") {
  Round round;
  round.order.max_age = 24h;
  const LocallyApproved before = round.yes("alice");
  round.take(before);
  round.take(DraftTooOld{25h}, kStart + 25h);
  CHECK(std::get<Preparing>(round.state).approval_rounds == 1);
  round.take(CsrSigned{draft().csr}, kStart + 25h);
  Draft again = frozen().draft;  // the very same bytes
  again.built_at = kStart + 25h;
  round.take(DraftFrozen{again}, kStart + 25h);
  round.take(DraftAccepted{}, kStart + 25h);
  CHECK(round.prepared().approval == ApprovalRound{2, kStart + 25h, {}});
  CHECK(refused(round.order, round.state, before, kStart + 25h).find("round 1") != std::string::npos);
  CHECK(state_from(to_json(round.state)) == round.state);

  round.take(round.yes("alice", kStart + 25h), kStart + 25h);
  round.take(round.yes("bob", kStart + 25h), kStart + 25h);
  round.take(AttemptStarted{1, "w", kStart + 26h}, kStart + 25h);
  round.take(AnswerLost{1, "cut"}, kStart + 26h);
  round.take(ResolvedAsAbsent{"looked"}, kStart + 27h);
  round.take(DraftAccepted{}, kStart + 27h);
  CHECK(round.prepared().approval == ApprovalRound{3, kStart + 27h, {}});
}

TEST_CASE("an order whose profile wants other approvals now is over, and what was approved is void") {
  Round round;
  round.take(round.yes("alice"));
  const auto made = round.take(ApprovalsVoided{"the policy changed"});
  CHECK(made.next == State(Failed{"conflict", "the policy changed", "request it again"}));
  CHECK(made.effects.empty());
}

TEST_CASE("approvals that an older program wanted of nobody in particular can be given by nobody") {
  Order old = order();
  old.local_approvals = 1;
  const State waiting = go(old, Prepared{frozen()}, DraftAccepted{}).next;
  REQUIRE(name_of(waiting) == StateName::awaiting_local_approval);
  const Round round;
  CHECK(refused(old, waiting, round.yes("alice")).find("older hsmbridge") != std::string::npos);
  CHECK(name_of(go(old, waiting, CancelAsked{"no"}).next) == StateName::cancelled);
  CHECK(approval_standing(old, *prepared_of(waiting), kStart).outcome == approval::Outcome::impossible);
}

TEST_CASE("who has decided and who has not is told in words") {
  ApprovalTerms wanted = terms(2);
  wanted.requesters = {"carol"};
  Round round(wanted);
  round.take(round.yes("alice"));
  const Progress progress = approval_progress(round.order, round.prepared(), kStart);
  REQUIRE(progress.approvers.size() == 3);
  CHECK(progress.approvers[0].decision == Approver::Decision::approved);
  CHECK(progress.approvers[1].decision == Approver::Decision::pending);
  CHECK(progress.approvers[2].name == "carol (asked for it)");
  CHECK(progress.quorum == "2 of 3");
  CHECK_FALSE(progress.about_until);
}
