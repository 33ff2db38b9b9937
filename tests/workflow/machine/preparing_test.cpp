// Before anything is sent.
#include "deciding.h"
#include "support/voter.h"

using namespace hsmbridge;
using namespace hsmbridge::workflow;
using namespace hsmbridge::workflow::samples;

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

TEST_CASE("a CSR that was brought is drafted as it is and no token is asked for anything") {
  const Order wanted = brought();
  const Decision begun = begin(wanted, kTiming);
  CHECK(identities(begun) == Names{"build_draft"});
  CHECK(lane_of(begun.effects.front(), wanted) == "provider:" + wanted.provider);
  const auto& preparing = std::get<Preparing>(begun.next);
  CHECK(preparing.csr == wanted.brought_csr());
  REQUIRE(preparing.key.has_value());
  CHECK(preparing.key->spki == SpkiHash{"ab12"});
  CHECK(preparing.key->label == "csr:010203");

  // Neither another key nor another CSR takes its place.
  CHECK_FALSE(refused(wanted, begun.next, KeyReady{key()}).empty());
  CHECK_FALSE(refused(wanted, begun.next, CsrSigned{{9}}).empty());
  Draft other = draft();
  other.csr = {9};
  CHECK_FALSE(refused(wanted, begun.next, DraftFrozen{other}).empty());

  Draft frozen = draft();
  frozen.csr = wanted.brought_csr();
  const Decision prepared_now = go(wanted, begun.next, DraftFrozen{frozen});
  CHECK(identities(prepared_now) == Names{"check_draft"});
  // Built again it is for the same CSR.
  const Decision again = go(wanted, prepared_now.next, DraftTooOld{1s, "the issuer has another key now"});
  CHECK(identities(again) == Names{"build_draft"});
  CHECK(std::get<Preparing>(again.next).csr == wanted.brought_csr());
  CHECK(std::get<Preparing>(again.next).key == preparing.key);
}

TEST_CASE("the same CSR at the same provider is the same work, whatever else is asked") {
  const Order one = brought();
  Order other = brought();
  std::get<Enroll>(other.what).content.validity = 5 * 24h;
  other.profile = "another";
  CHECK(work_of(other) == work_of(one));
  other.provider = "another";
  CHECK(work_of(other) != work_of(one));
  Order newer = brought();
  std::get<Enroll>(newer.what).key.csr = {1, 2, 4};
  CHECK(work_of(newer) != work_of(one));
  CHECK(work_of(order()) != work_of(one));
}

TEST_CASE("cancel before anything was sent is cancelled at once") {
  for (const State& state : {State(sample<Preparing>()), State(sample<Prepared>()), State(sample<AwaitingCommand>()),
                             State(sample<AwaitingLocalApproval>()), State(planned())}) {
    CHECK(go(order(), state, CancelAsked{"no"}).next == State(Cancelled{"uid:7", "no"}));
    CHECK(name_of(go(order(), state, DeadlinePassed{}).next) == StateName::expired);
  }
}

TEST_CASE("a draft grown too old is built again and approvals are void") {
  Order aged = order();
  aged.max_age = 24h;
  aged.approval = test::terms(2);
  Prepared checked = sample<Prepared>();
  checked.prepared.draft.issuer.clear();
  const Decision waiting = go(aged, checked, DraftAccepted{});
  CHECK(identities(waiting) == Names{"draft_age"});
  CHECK(effect(waiting, EffectName::draft_age).due == kStart + 24h);
  const Decision one = go(aged, waiting.next, test::approved_by("alice", aged, *prepared_of(waiting.next), kStart));
  CHECK(name_of(one.next) == StateName::awaiting_local_approval);
  const Decision anew = go(aged, one.next, DraftTooOld{25h});
  CHECK(identities(anew) == Names{"sign_csr"});
  CHECK(std::get<Preparing>(anew.next).key == key());

  CHECK_FALSE(refused(aged, planned(), AttemptStarted{1, "host/1", kStart + 26h}, kStart + 25h).empty());
  CHECK_FALSE(refused(aged, sample<Submitting>(), DraftTooOld{25h}).empty());
}

TEST_CASE("nothing is begun once the deadline is over, also where its timer comes late") {
  Order ends = order();
  ends.deadline = kStart + 1h;
  const AttemptStarted begun{1, "host/1", kStart + 2h};
  CHECK(name_of(go(ends, planned(), begun, kStart + 1h - 1s).next) == StateName::submitting);
  CHECK(refused(ends, planned(), begun, kStart + 1h) == "the deadline of the request is over");
}

TEST_CASE("a draft that its provider would not make like this any more is built again after a pause") {
  const Decision again = go(order(), sample<Prepared>(), DraftTooOld{1s, "the issuer has another key now"});
  CHECK(identities(again) == Names{"sign_csr"});
  CHECK(std::get<Preparing>(again.next).again == "the issuer has another key now");
  CHECK(effect(again, EffectName::sign_csr).due > kStart);
}

TEST_CASE("an approval for other bytes and a second one by the same person are refused") {
  Order two = order();
  two.approval = test::terms(2);
  AwaitingLocalApproval waiting{prepared()};
  waiting.prepared.draft.issuer.clear();
  waiting.prepared.approval = {1, kStart, {}};
  PreparedRequest other = waiting.prepared;
  other.draft.to_be_signed.push_back(0);
  const auto by = [&](const char* person) { return test::approved_by(person, two, waiting.prepared, kStart); };
  CHECK_FALSE(refused(two, waiting, test::approved_by("alice", two, other, kStart)).empty());
  const Decision one = go(two, waiting, by("alice"));
  CHECK_FALSE(refused(two, one.next, by("alice")).empty());
  const Decision enough = go(two, one.next, by("bob"));
  CHECK(identities(enough) == Names{"submit:1"});
  two.wants_command = true;  // another order, about which nobody has said a word
  const Decision first = go(two, waiting, by("alice"));
  CHECK(name_of(go(two, first.next, by("bob")).next) == StateName::awaiting_command);
  CHECK(name_of(go(two, AwaitingCommand{prepared()}, Commanded{}).next) == StateName::submitting);
  CHECK(name_of(go(two, AwaitingCommand{prepared()}, Commanded{draft_digest(prepared().draft)}).next) ==
        StateName::submitting);
  // It was built again after the operator had seen it, with other bytes or with something else to be sent beside them.
  Draft elsewhere = prepared().draft;
  elsewhere.provider_state = R"({"seat":"another"})";
  CHECK_FALSE(refused(two, AwaitingCommand{prepared()}, Commanded{draft_digest(elsewhere)}).empty());
  CHECK_FALSE(refused(two, AwaitingCommand{prepared()}, Commanded{std::string(64, '0')}).empty());
}
