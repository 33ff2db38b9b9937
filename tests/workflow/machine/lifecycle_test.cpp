#include "workflow/machine/lifecycle.h"

#include "samples.h"
#include "workflow/machine/rules.h"

#include <algorithm>
#include <catch2/catch.hpp>

using namespace hsmbridge;
using namespace hsmbridge::workflow;
using namespace hsmbridge::workflow::samples;

namespace {

using Of = StatusChange::Of;

Decision go(const Order& order, const State& state, EventBody body) {
  auto answer = decide(order, state, Event{kStart, "uid:7", std::move(body)}, Timing{});
  if (const auto* refusal = std::get_if<Refusal>(&answer)) FAIL(refusal->why);
  return std::get<Decision>(std::move(answer));
}

std::string refused(const Order& order, const State& state, EventBody body) {
  auto answer = decide(order, state, Event{kStart, "uid:7", std::move(body)}, Timing{});
  if (!std::holds_alternative<Refusal>(answer)) FAIL("it was not refused");
  return std::get<Refusal>(answer).why;
}

std::vector<std::string> identities(const std::vector<Effect>& effects) {
  std::vector<std::string> all;
  for (const Effect& effect : effects) all.push_back(effect.identity());
  return all;
}

using Names = std::vector<std::string>;

}  // namespace

TEST_CASE("a revocation passes through without a key to its submission") {
  const Order order = revocation();
  CHECK(identities(begin(order, Timing{}).effects) == Names{"build_draft"});
  CHECK(lane_of(Effect{EffectName::build_draft, {}, 0, {}}, order) == "provider:tsb");
  Draft draft;
  draft.summary = "revocation of 5eed";
  draft.built_at = kStart;
  const Decision frozen = go(order, Preparing{}, DraftFrozen{draft});
  CHECK(name_of(frozen.next) == StateName::prepared);
  const Decision accepted = go(order, frozen.next, DraftAccepted{});
  CHECK(name_of(accepted.next) == StateName::submitting);
  CHECK(identities(accepted.effects) == Names{"submit:1"});
  const Decision started = go(order, accepted.next, AttemptStarted{1, "w", kStart + 60s});
  const Decision done = go(order, started.next, SubmissionAnswered{1, report(RequestStatus::done)});
  REQUIRE(name_of(done.next) == StateName::completed);
  CHECK(std::get<Completed>(done.next).certificate == "5eed");
  CHECK(done.records == std::vector<StatusChange>{{Of::certificate, "5eed", {}, "revoked"}});
}

TEST_CASE("the same draft of an enrolment is not frozen without its key") {
  CHECK(refused(order(), Preparing{}, DraftFrozen{draft()}).find("before its key is ready") != std::string::npos);
}

TEST_CASE("an asynchronous revocation is tracked and done when the provider says so") {
  const Order order = revocation();
  const State waiting = sample<AwaitingApproval>();
  CHECK(name_of(go(order, waiting, Reported{report(RequestStatus::awaiting_issuance)}).next) ==
        StateName::awaiting_issuance);
  const Decision done = go(order, waiting, Reported{report(RequestStatus::done)});
  CHECK(name_of(done.next) == StateName::completed);
  CHECK(done.records.size() == 1);
  // Nothing is done before: the record stays as it is.
  CHECK(go(order, waiting, Reported{report(RequestStatus::awaiting_issuance)}).records.empty());
}

TEST_CASE("a provider that speaks of a certificate has not said that it is revoked") {
  for (const RequestStatus standing : {RequestStatus::ready, RequestStatus::handed_out}) {
    const Decision decision = go(revocation(), sample<AwaitingApproval>(), Reported{report(standing)});
    CHECK(name_of(decision.next) == StateName::awaiting_approval);
    CHECK(decision.records.empty());
  }
  const Decision result = go(revocation(), sample<AwaitingApproval>(), received());
  CHECK(name_of(result.next) == StateName::awaiting_approval);
  CHECK(result.records.empty());
  // And an enrolment is not done by a word alone.
  CHECK(name_of(go(order(), sample<AwaitingApproval>(), Reported{report(RequestStatus::done)}).next) ==
        StateName::unresolved);
}

TEST_CASE("a CRL passes through without a key or a CSR, and is verified like any result") {
  const Order order = crl();
  CHECK(identities(begin(order, Timing{}).effects) == Names{"build_draft"});
  CHECK(lane_of(Effect{EffectName::build_draft, {}, 0, {}}, order) == "provider:issuing");
  Draft draft;
  draft.to_be_signed = Bytes{4, 5};
  draft.built_at = kStart;
  const Decision frozen = go(order, Preparing{}, DraftFrozen{draft});
  const Decision accepted = go(order, frozen.next, DraftAccepted{});
  CHECK(identities(accepted.effects) == Names{"submit:1"});
  const Decision started = go(order, accepted.next, AttemptStarted{1, "w", kStart + 60s});
  const Decision taken = go(order, started.next, SubmissionAnswered{1, report(RequestStatus::awaiting_approval)});
  CHECK(name_of(taken.next) == StateName::awaiting_approval);
  const Decision result = go(order, taken.next, received());
  REQUIRE(name_of(result.next) == StateName::verifying);
  CHECK(identities(result.effects) == Names{"verify"});
  const Decision done = go(order, result.next, Verified{"", {{"crl-published", false, "CRL 1"}}});
  CHECK(name_of(done.next) == StateName::completed);
  CHECK(done.records.empty());
  // A word alone is not the signature, nor can a person say that it is done.
  CHECK(name_of(go(order, sample<AwaitingApproval>(), Reported{report(RequestStatus::done)}).next) ==
        StateName::unresolved);
  CHECK(refused(order, sample<Unresolved>(), ResolvedAsDone{"seen"}).find("only a revocation") != std::string::npos);
  CHECK(refused(order, sample<Unresolved>(), ResolvedAsCertificate{issued()}).find("a CRL is no certificate") !=
        std::string::npos);
}

TEST_CASE("two CRLs of one CA are the same work, and of two CAs are not") {
  Order other = crl();
  other.id = RequestId("another");
  CHECK(work_of(other) == work_of(crl()));
  other.provider = "root";
  CHECK(work_of(other) != work_of(crl()));
  CHECK(names_of(crl()) == "CRL of issuing");
  CHECK(search_names(crl()).empty());
}

TEST_CASE("making a revocation marks the certificate and a compromised key") {
  const std::vector<StatusChange> expected{{Of::certificate, "5eed", {}, "revoking"},
                                           {Of::key, "ab12", {"active", "retired", "destroyed"}, "compromised"}};
  CHECK(begin(revocation(), Timing{}).records == expected);
  Order other = revocation();
  std::get<Revoke>(other.what).reason = "superseded";
  CHECK(begin(other, Timing{}).records.size() == 1);
  CHECK(begin(renewal(), Timing{}).records.empty());
  CHECK(begin(order(), Timing{}).records.empty());
}

TEST_CASE("every end of a request about a certificate leaves its record as the end says") {
  struct Row {
    StateName end;
    std::string revoke, renew;  // the status it leads to; "" for none
  };
  const std::vector<Row> rows{
      {StateName::completed, "revoked", "superseded"}, {StateName::rejected, "quarantined", ""},
      {StateName::expired, "quarantined", ""},         {StateName::cancelled, "quarantined", ""},
      {StateName::failed, "quarantined", ""},          {StateName::abandoned, "", ""},
  };
  Order revoke = revocation();
  test::predecessor_in(revoke).status = "quarantined";
  for (const State& state : every_state()) {
    const auto row = std::find_if(rows.begin(), rows.end(), [&](const Row& one) { return one.end == name_of(state); });
    INFO(to_string(name_of(state)));
    State next = state;
    if (auto* completed = std::get_if<Completed>(&next)) completed->late = false;
    const auto of_revoke = record_changes(revoke, next);
    const auto of_renew = record_changes(renewal(), next);
    CHECK(record_changes(order(), next).empty());
    if (row == rows.end()) {
      CHECK(of_revoke.empty());
      CHECK(of_renew.empty());
      continue;
    }
    // What was given up may have taken effect: it stays `revoking`.
    REQUIRE(of_revoke.size() == (row->revoke.empty() ? 0 : 1));
    if (!of_revoke.empty()) CHECK(of_revoke[0].to == row->revoke);
    // A revocation that ends otherwise undoes only what it did.
    if (row->end != StateName::completed && !of_revoke.empty()) CHECK(of_revoke[0].from == Names{"revoking"});
    CHECK(of_renew.size() == (row->renew.empty() ? 0 : 1));
    if (!of_renew.empty()) CHECK(of_renew[0].from == Names{"current"});
  }
}

TEST_CASE("a renewal that came late supersedes nothing") {
  Completed late;
  late.late = true;
  CHECK(record_changes(renewal(), late).empty());
}

TEST_CASE("a person's word ends a revocation and nothing else") {
  for (const State& state : {State(sample<Unresolved>()), State(sample<LookingUp>()), State(sample<Withdrawing>())}) {
    INFO(to_string(name_of(state)));
    const Decision decision = go(revocation(), state, ResolvedAsDone{"it is on the list"});
    CHECK(name_of(decision.next) == StateName::completed);
    CHECK(decision.records.at(0).to == "revoked");
    CHECK(refused(order(), state, ResolvedAsDone{"x"}).find("only a revocation") != std::string::npos);
    CHECK(refused(revocation(), state, ResolvedAsCertificate{issued()}).find("has no certificate") !=
          std::string::npos);
  }
}

TEST_CASE("a revocation that its provider leaves hanging can be given up, and nothing else that waits there") {
  for (const State& state : {State(sample<AwaitingApproval>()), State(sample<AwaitingIssuance>())}) {
    INFO(to_string(name_of(state)));
    const Decision decision = go(revocation(), state, ResolvedAsAbandoned{"enough"});
    CHECK(decision.next == State(Abandoned{"uid:7", "enough"}));
    CHECK(decision.records.empty());
    CHECK(go(revocation(), state, ResolvedAsDone{"it is on the list"}).records.at(0).to == "revoked");
    CHECK(refused(order(), state, ResolvedAsDone{"x"}).find("only a revocation") != std::string::npos);
    for (const Order& other : {order(), renewal()}) {
      CHECK(refused(other, state, ResolvedAsAbandoned{"enough"}).find("cancel it") != std::string::npos);
    }
  }
}

TEST_CASE("a certificate has one open renewal and one open revocation") {
  Order other = renewal();
  other.id = RequestId("0000000000000000");
  test::wanted(other).key.selector = "another";
  CHECK(work_of(other) == work_of(renewal()));
  CHECK(work_of(revocation()) != work_of(renewal()));
  test::predecessor_in(other).certificate = "beef";
  CHECK(work_of(other) != work_of(renewal()));
}

TEST_CASE("the reasons are those of RFC 5280 and are found in any case") {
  REQUIRE(revocation_reason("KEYcompromise") != nullptr);
  CHECK(revocation_reason("KEYcompromise")->name == "keyCompromise");
  CHECK(revocation_reason("cACompromise")->code == 2);
  CHECK(revocation_reason("removeFromCRL") == nullptr);
  CHECK(revocation_reason("") == nullptr);
  CHECK(revocation_reasons().size() == 9);
}
