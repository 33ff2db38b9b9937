// Approvals at this bridge, judged again before anything is submitted.
#include "service/effects/approved.h"

#include "life.h"
#include "support/error_of.h"
#include "support/voter.h"

#include <catch2/catch.hpp>

using namespace hsmbridge;
using namespace hsmbridge::test;
using namespace hsmbridge::workflow;
using namespace std::chrono_literals;

namespace {

const Instant kStart = parse_rfc3339("2026-11-26T12:00:00Z");

class Submitted final : public ScriptedProvider {
 public:
  SubmitAnswer submit(const ProviderCall&) override {
    ++times;
    return OutcomeUnknown{"played"};
  }
  int times = 0;
};

// Released by alice and bob; the attempt is written down.
struct Released {
  FakeClock clock{kStart};
  ScriptedWorld world{clock};
  std::shared_ptr<Submitted> provider = std::make_shared<Submitted>();
  Claim claim;

  Released() {
    world.scripted = provider;
    Order& order = claim.record.order;
    order = order_of("0A1B2C3D4E5F6G7H", kStart);
    order.approval = terms(2);
    world.wanted.approval = order.approval->policy;
    State state = Prepared{{key_of_test(), draft_of_test(kStart), 0}};
    take(state, DraftAccepted{});
    for (const char* person : {"alice", "bob"}) take(state, approved_by(person, order, *prepared_of(state), kStart));
    take(state, AttemptStarted{1, "w", kStart + 1min});
    claim.record.state = state;
    claim.effect = {EffectName::submit, {}, 1, ""};
  }
  void take(State& state, EventBody body) {
    state = std::get<Decision>(decide(claim.record.order, state, {kStart, "uid:7", std::move(body)}, {})).next;
  }
  PreparedRequest& prepared() { return std::get<Submitting>(claim.record.state).prepared; }
  EventBody submit(Instant now = kStart) {
    service::Effects effects(world);
    return effects.run(claim, now, 10s).event.value();
  }
};

}  // namespace

TEST_CASE_METHOD(Released, "what enough people have approved is submitted") {
  CHECK(std::holds_alternative<AnswerLost>(submit()));
  CHECK(provider->times == 1);
}

TEST_CASE_METHOD(Released, "nothing is submitted whose stored votes or draft were changed") {
  SECTION("the draft") {
    REQUIRE(provider->times == 0);
    prepared().draft.to_be_signed.push_back(0);
  }
  SECTION("what the provider sends beside it") {
    REQUIRE(prepared().draft.provider_state != "{}");
    prepared().draft.provider_state = "{}";
  }
  SECTION("a vote") {
    REQUIRE(provider->times == 0);
    prepared().approval.votes[0].replace(prepared().approval.votes[0].find("alice"), 5, "carol");
  }
  SECTION("a vote that is there twice") {
    REQUIRE(provider->times == 0);
    prepared().approval.votes[0] = prepared().approval.votes[1];
  }
  SECTION("the round") {
    REQUIRE(provider->times == 0);
    prepared().approval.number = 3;
  }
  SECTION("whose request it is") {
    REQUIRE(provider->times == 0);
    claim.record.order.approval->store = "another";
  }
  const EventBody event = submit();
  REQUIRE(std::holds_alternative<SubmissionRefused>(event));
  CHECK(std::get<SubmissionRefused>(event).problem.kind == "corrupt");
  CHECK(provider->times == 0);
}

TEST_CASE_METHOD(Released, "approvals that are missing or have run out are asked for again, with another draft") {
  Instant now = kStart;
  SECTION("a vote is gone") {
    REQUIRE(provider->times == 0);
    prepared().approval.votes.pop_back();
  }
  SECTION("all are gone") {
    REQUIRE(provider->times == 0);
    prepared().approval = {};
  }
  SECTION("they were good for a week") {
    REQUIRE(provider->times == 0);
    now += 8 * 24h;
  }
  const EventBody event = submit(now);
  REQUIRE(std::holds_alternative<SubmissionNotAccepted>(event));
  CHECK(std::get<SubmissionNotAccepted>(event).outdated);
  CHECK(provider->times == 0);
}

TEST_CASE_METHOD(Released, "an order that pins no approvals is not submitted where its profile wants them") {
  claim.record.order.approval.reset();
  const EventBody event = submit();
  REQUIRE(std::holds_alternative<SubmissionRefused>(event));
  CHECK(std::get<SubmissionRefused>(event).problem.message.find("wants other approvals now") != std::string::npos);
  CHECK(provider->times == 0);
  world.wanted.approval.reset();
  CHECK(std::holds_alternative<AnswerLost>(submit()));
}

TEST_CASE_METHOD(Released, "a vote on one order is none on another that has the same draft") {
  SECTION("of another provider") {
    REQUIRE(claim.record.order.provider != "sandbox");
    claim.record.order.provider = "sandbox";
  }
  SECTION("of a key that is told of otherwise") {
    REQUIRE(prepared().key.label != "another");
    prepared().key.label = "another";
  }
  SECTION("of a key without its flaws") {
    REQUIRE(prepared().key.flaws.empty());
    prepared().key.flaws = {"extractable"};
  }
  SECTION("with other findings of the linter") {
    REQUIRE_FALSE(prepared().draft.summary.empty());
    prepared().draft.summary += "; 1 warning";
  }
  SECTION("for longer") {
    auto& content = wanted(claim.record.order).content;
    REQUIRE(content.validity != 24h * 365);
    content.validity = 24h * 365;
  }
  const EventBody event = submit();
  REQUIRE(std::holds_alternative<SubmissionRefused>(event));
  CHECK(std::get<SubmissionRefused>(event).problem.message.find("the vote is for another order") != std::string::npos);
  CHECK(provider->times == 0);
}

TEST_CASE_METHOD(Released, "a draft that was made for another type of provider of that name is made again") {
  claim.record.order.approval.reset();
  world.wanted.approval.reset();
  prepared().draft.provider_type = "orchard";
  const EventBody event = submit();
  REQUIRE(std::holds_alternative<SubmissionNotAccepted>(event));
  CHECK(std::get<SubmissionNotAccepted>(event).outdated);
  CHECK(std::get<SubmissionNotAccepted>(event).problem.message.find("of type orchard, whose type is scripted now") !=
        std::string::npos);
  CHECK(provider->times == 0);
  claim.effect = {EffectName::check_draft, {}, 0, ""};
  CHECK(std::holds_alternative<DraftTooOld>(submit()));
  claim.effect = {EffectName::submit, {}, 1, ""};
  prepared().draft.provider_type = "scripted";
  CHECK(std::holds_alternative<AnswerLost>(submit()));
  CHECK(provider->times == 1);
}

TEST_CASE_METHOD(Released, "a provider of another type is asked nothing of what was sent to the one before") {
  prepared().draft.provider_type = "orchard";
  claim.effect = {EffectName::look_up, {}, 1, ""};
  const EventBody event = submit();
  REQUIRE(std::holds_alternative<LookUpInconclusive>(event));
  CHECK(std::get<LookUpInconclusive>(event).why.find("when that was of type orchard, and its type is scripted now") !=
        std::string::npos);
  for (const EffectName name : {EffectName::poll, EffectName::retrieve, EffectName::withdraw}) {
    claim.effect = {name, {}, 1, ""};
    service::Effects effects(world);
    CHECK(error_of([&] { effects.run(claim, kStart, 10s); }).kind() == ErrorKind::unavailable);
  }
}

TEST_CASE_METHOD(Released, "an order without a command is not submitted where its profile wants one now") {
  world.wanted.command = true;
  const EventBody event = submit();
  REQUIRE(std::holds_alternative<SubmissionRefused>(event));
  CHECK(std::get<SubmissionRefused>(event).problem.message.find("an operator's command now") != std::string::npos);
  CHECK(provider->times == 0);
}

TEST_CASE_METHOD(Released, "what who asked has approved is asked for again, also where that was found out later") {
  world.wanted.requesters = {"dora"};
  CHECK(std::holds_alternative<AnswerLost>(submit()));
  REQUIRE(provider->times == 1);
  world.wanted.requesters = {"alice"};
  const EventBody event = submit();
  REQUIRE(std::holds_alternative<SubmissionNotAccepted>(event));
  CHECK(std::get<SubmissionNotAccepted>(event).problem.message.starts_with("alice asked for it ("));
  take(claim.record.state, event);
  CHECK(name_of(claim.record.state) == StateName::preparing);
  CHECK(provider->times == 1);
}

TEST_CASE_METHOD(Released, "where too few are left beside those who turn out to have asked the request is over") {
  REQUIRE(claim.record.order.approval->policy == terms(2).policy);
  world.wanted.requesters = {"alice", "bob"};
  const EventBody event = submit();
  REQUIRE(std::holds_alternative<SubmissionRefused>(event));
  CHECK(std::get<SubmissionRefused>(event).problem.message.find("could not be enough approvals") != std::string::npos);
  CHECK(provider->times == 0);
}

TEST_CASE_METHOD(Released, "what was approved in earnest is not submitted by a rehearsal") {
  world.wanted.environment = "rehearsal";
  const EventBody event = submit();
  REQUIRE(std::holds_alternative<SubmissionRefused>(event));
  CHECK(std::get<SubmissionRefused>(event).problem.message.find("and now it is rehearsal") != std::string::npos);
  CHECK(provider->times == 0);
}

TEST_CASE_METHOD(Released, "a profile that wants other approvals now voids those that were given") {
  SECTION("of other people") {
    REQUIRE(provider->times == 0);
    world.wanted.approval = terms(1).policy;
  }
  SECTION("of nobody") {
    REQUIRE(provider->times == 0);
    world.wanted.approval.reset();
  }
  const EventBody event = submit();
  REQUIRE(std::holds_alternative<SubmissionRefused>(event));
  CHECK(std::get<SubmissionRefused>(event).problem.message.find("wants other approvals now") != std::string::npos);
  take(claim.record.state, event);
  CHECK(name_of(claim.record.state) == StateName::failed);
  CHECK(provider->times == 0);
}
