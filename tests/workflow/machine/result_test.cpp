// A result is here: checked, quarantined or installed.
#include "deciding.h"
#include "workflow/machine/rules.h"

using namespace hsmbridge;
using namespace hsmbridge::workflow;
using namespace hsmbridge::workflow::samples;

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
  CHECK(
      refused(order(), state, DeviationsAccepted{{"subject-changed"}, "fine"}).find("not yet accepted: san-dropped") !=
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
