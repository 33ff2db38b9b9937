#include "workflow/machine/explain.h"

#include "samples.h"

#include <catch2/catch.hpp>

using namespace hsmbridge;
using namespace hsmbridge::workflow;
using namespace hsmbridge::workflow::samples;

namespace {

Explanation of(const State& state, std::vector<Effect> effects = {}, const Order& wanted = order()) {
  const Record record{wanted, state, 5, kStart};
  const std::vector<JournalEntry> history{
      {1, Event{kStart - 1h, "uid:0", Created{wanted}},
       name_of(state) == StateName::preparing ? StateName::prepared : StateName::preparing},
      {2, Event{kStart - 30min, "worker:x", sample<AttemptStarted>()}, name_of(state)},
      {3, Event{kStart - 10min, "provider:tsb", sample<Reported>()}, name_of(state)}};
  return explain(record, history, effects, kStart);
}

}  // namespace

TEST_CASE("no state is left unexplained") {
  for (const State& state : every_state()) {
    INFO(to_string(name_of(state)));
    const Explanation text = of(state);
    CHECK_FALSE(text.what_happened.empty());
    CHECK_FALSE(text.awaited.empty());
    CHECK_FALSE(text.next.empty());
    if (!is_final(name_of(state))) CHECK_FALSE(text.commands.empty());
    if (!is_final(name_of(state))) CHECK(text.since == kStart - 30min);
  }
}

TEST_CASE("the certificate of a CSR that was brought and goes nowhere is to be written out") {
  Order wanted = brought();
  Completed done = sample<Completed>();
  done.late = false;
  const auto last = [&] { return of(done, {}, wanted).commands.back(); };
  CHECK(last().starts_with("hsmbridge cert show "));
  std::get<Enroll>(wanted.what).targets.clear();
  CHECK(last().starts_with("hsmbridge cert export "));
  CHECK(of(done, {}, wanted).what_happened.find("checked and stored.") != std::string::npos);
}

TEST_CASE("waiting for approvers says who has decided how and until when") {
  const Explanation text = of(sample<AwaitingApproval>(), {Effect{EffectName::poll, kStart + 5min, 0, {}}});
  CHECK(text.approvers == std::vector<std::string>{"alice (ops) has approved", "bob (ops) has not decided yet",
                                                   "key 0123456789abcdef has refused"});
  CHECK(text.awaited == "approvers at the provider (2 of 3 in group ops)");
  CHECK(text.until == kStart + 24h);
  CHECK(text.next.find("in 5 minutes, at 2026-11-23T12:05:00Z") != std::string::npos);
  CHECK(text.commands.front() == "hsmbridge request wait 0a1b2c3d4e5f6g7h");
}

TEST_CASE("waiting times are told in whole seconds") {
  const Explanation text = of(sample<AwaitingApproval>(), {Effect{EffectName::poll, kStart + 999ms, 0, {}}});
  CHECK(text.next.find("in 1 second, at") != std::string::npos);
}

TEST_CASE("who revokes is offered words that end a revocation, and no certificate to bring") {
  for (const State& state : {State(sample<LookingUp>()), State(sample<AwaitingApproval>()),
                             State(sample<AwaitingIssuance>()), State(sample<Withdrawing>())}) {
    INFO(to_string(name_of(state)));
    const Record record{revocation(), state, 3, kStart};
    std::string all;
    for (const auto& line : explain(record, {}, {}, kStart).commands) all += line + "|";
    CHECK(all.find("--done --reason TEXT") != std::string::npos);
    CHECK(all.find("--abandon --reason TEXT") != std::string::npos);
    CHECK(all.find("--certificate") == std::string::npos);
  }
  const Record given_up{revocation(), Abandoned{"uid:7", "enough"}, 3, kStart};
  const Explanation text = explain(given_up, {}, {}, kStart);
  CHECK(text.what_happened.find("may have taken effect") != std::string::npos);
  CHECK(text.what_happened.find("was not revoked") == std::string::npos);
}

TEST_CASE("who waits for a CRL is offered no certificate to bring and no word that it is done") {
  Verifying verifying = sample<Verifying>();
  verifying.not_yet.reset();
  for (const State& state :
       {State(Preparing{}), State(sample<Prepared>()), State(sample<LookingUp>()), State(sample<AwaitingApproval>()),
        State(sample<Withdrawing>()), State(sample<Retrieving>()), State(verifying), State(sample<Unresolved>()),
        State(sample<Completed>()), State(sample<Rejected>()), State(sample<Failed>())}) {
    INFO(to_string(name_of(state)));
    const Explanation text = explain({crl(), state, 3, kStart}, {}, {}, kStart);
    std::string all = text.what_happened + "|" + text.next + "|";
    for (const auto& line : text.commands) all += line + "|";
    CHECK(all.find("ertificate") == std::string::npos);
    CHECK(all.find("--done") == std::string::npos);
    CHECK_FALSE(text.commands.empty());
  }
  const Explanation rejected = explain({crl(), Rejected{"bob", "no"}, 3, kStart}, {}, {}, kStart);
  CHECK(rejected.commands == std::vector<std::string>{"hsmbridge ca crl issuing"});
}

TEST_CASE("an unresolved request names every way to resolve it and promises not to send again") {
  const Explanation text = of(sample<Unresolved>());
  CHECK(text.next.find("Nothing is sent again") != std::string::npos);
  CHECK(text.commands.size() == 4);  // not --not-there: a result is stored
  CHECK(text.what_happened.starts_with("The result cannot be used: "));
  CHECK(text.what_happened.find("checks it again") != std::string::npos);
  CHECK(text.commands.front().find("--certificate FILE") != std::string::npos);
  Unresolved empty_handed = sample<Unresolved>();
  empty_handed.result.reset();
  CHECK(of(empty_handed).commands.size() == 5);
  CHECK(of(empty_handed).what_happened.starts_with("What happened cannot be known from here: "));
  CHECK(of(empty_handed).commands.front().find("--reference REFERENCE") != std::string::npos);
}

TEST_CASE("a quarantined request names its ways out, and accepting only where that is possible") {
  Quarantined state = sample<Quarantined>();
  state.findings = {Finding{"subject-changed", true, "the subject is CN=x"},
                    Finding{"key-usage-changed", true, "found keyEncipherment"},
                    Finding{"policies-added", false, "1.2.3"}};
  const Explanation text = of(state);
  const std::string resolve = "hsmbridge request resolve 0a1b2c3d4e5f6g7h ";
  CHECK(text.commands ==
        std::vector<std::string>{resolve + "--accept subject-changed --accept key-usage-changed --reason TEXT",
                                 resolve + "--judge-again", resolve + "--certificate FILE",
                                 resolve + "--abandon --reason TEXT", "hsmbridge cert revoke c0ffee --reason REASON",
                                 "hsmbridge cert show c0ffee"});
  CHECK(text.next.find("nothing is ordered again") != std::string::npos);

  state.findings.push_back(Finding{"key-differs", true, "another key"});
  const Explanation never = of(state);
  CHECK(never.commands.front() == resolve + "--judge-again");
  CHECK(never.next.find("It can never be used with: key-differs.") != std::string::npos);
}

TEST_CASE("a certificate that is not valid yet says when it will be and what the clock has to do with it") {
  Verifying state = sample<Verifying>();
  state.not_yet = NotYet{"c0ffee", kStart + 1h, 10min};
  const Explanation slow = of(state, {Effect{EffectName::verify, kStart + 1h, 0, {}}});
  CHECK(slow.what_happened.find("not valid before 2026-11-23T13:00:00Z (in 1 hour)") != std::string::npos);
  CHECK(slow.what_happened.find("the provider's was 10 minutes ahead of it") != std::string::npos);
  CHECK(slow.commands.front() == "hsmbridge request wait 0a1b2c3d4e5f6g7h");
  CHECK(slow.commands.back() == "hsmbridge request resolve 0a1b2c3d4e5f6g7h --judge-again");
  state.not_yet->clock_ahead.reset();
  CHECK(of(state).what_happened.find("If this machine's clock is slow, set it.") != std::string::npos);
}

TEST_CASE("a result that could not be read says why and that it is asked for again") {
  Retrieving state = sample<Retrieving>();
  state.provider_status = "the body is a page of a proxy";
  const Explanation text = of(state, {Effect{EffectName::retrieve, kStart + 20s, 0, {}}});
  CHECK(text.what_happened.find("a page of a proxy") != std::string::npos);
  CHECK(text.next.find("asks for it again in 20 seconds") != std::string::npos);
}
