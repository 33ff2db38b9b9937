// What becomes of a certificate that came back, and of one that cannot be checked.
#include "base/error.h"
#include "service/effects/effects.h"
#include "service/requests/resolve.h"
#include "support/memory/memory_store.h"
#include "support/orders.h"
#include "support/software_signer.h"
#include "unit/x509/test_authority.h"
#include "workflow/ports/serial_numbers.h"
#include "x509/content/requested_content.h"
#include "x509/judge/weak_key_list.h"
#include "x509/objects/csr.h"
#include "x509/objects/pem.h"
#include "x509/objects/pkcs7.h"
#include "x509/objects/spki.h"

#include <catch2/catch.hpp>
#include <string>

using namespace hsmbridge;
using namespace hsmbridge::test;
using namespace hsmbridge::workflow;

namespace {

// Gives out what the test put there.
class GivenBy final : public Provider {
 public:
  Issued issued;
  std::optional<ErrorKind> trouble;
  bool once = false;  // a result is handed out once only
  std::vector<Bytes> own_chain;
  std::vector<Bytes> fetched;  // what issuers_for brings
  std::optional<ErrorKind> no_issuers;
  std::optional<Duration> ahead;  // its clock

  std::string_view type() const override { return "test"; }
  Capabilities capabilities() const override {
    Capabilities can;
    can.result_once = once;
    return can;
  }
  std::vector<Bytes> issuers() const override { return own_chain; }
  ProviderDraft draft(const Order&, ByteView, Instant) override { return {}; }
  std::vector<std::string> check(const ProviderCall&) override { return {}; }
  SubmitAnswer submit(const ProviderCall&) override { return OutcomeUnknown{""}; }
  // Found unless our store has the certificate as another request's.
  LookUpAnswer look_up(const ProviderCall& call) override {
    if (call.answers_another(issued.certificate)) return Absent{};
    return Found{};
  }
  Report poll(const ProviderCall&) override { return {}; }
  Report retrieve(const ProviderCall&) override {
    Report report;
    report.status = RequestStatus::handed_out;
    report.result = IssuedResult{IssuedCertificate{Bytes{1}}, Bytes{1}};
    return report;
  }
  std::optional<Duration> server_ahead() const override { return ahead; }
  CancelAnswer cancel(const ProviderCall&) override { return CancelNotPossible{""}; }
  Issued certificate_in(const ProviderCall&, const IssuedResult&) const override {
    if (trouble) throw Error{*trouble, "its issuer cannot be asked"};
    return issued;
  }
  std::vector<Bytes> issuers_for(const ProviderCall&, const Issued&) override {
    if (no_issuers) throw Error{*no_issuers, "the issuers cannot be asked for"};
    return fetched;
  }
  void confirm(const ProviderCall&, const Issued&) override {}
  std::vector<std::string> test() override { return {}; }
};

class TestToken final : public Token {
 public:
  unsigned keys_made = 0;

  Key ensure_key(const KeyWish&) override {
    ++keys_made;
    return {};
  }
  std::unique_ptr<x509::Signer> signer(const Key&, Purpose) override {
    return std::make_unique<SoftwareSigner>("ec:P-256");
  }
  void put_certificate(const Key&, ByteView, const std::vector<Bytes>&) override {}
};

// A request that was answered: root, intermediate, key, and what was asked.
class Answered final : public service::Dependencies {
 public:
  TestAuthority root{"CN=Root"};
  TestAuthority intermediate{"CN=Intermediate", root};
  SoftwareSigner key{"ec:P-256"};
  std::shared_ptr<GivenBy> provider_ = std::make_shared<GivenBy>();
  std::shared_ptr<TestToken> token_ = std::make_shared<TestToken>();
  std::vector<Bytes> trusted{root.certificate().der};
  std::optional<ErrorKind> no_anchors;
  Instant now = at("2026-02-01T00:00:00Z");
  Claim claim;

  Answered() {
    x509::RequestedContent ask;
    ask.content.subject = x509::Name::parse("CN=www.example.com");
    test::wanted(claim.record.order).content = ask;
    Verifying state;
    state.prepared.draft.csr = x509::create_csr(key, ask.content, x509::default_algorithm(key.spec()));
    claim.record.state = state;
    claim.effect = {EffectName::verify, {}, 0, ""};
    provider_->issued.certificate = intermediate.issue(key.subject_public_key_info(), ask.content).der;
    provider_->issued.chain = {intermediate.certificate().der};
  }

  EffectOutcome run() { return service::Effects(*this).run(claim, now, std::chrono::seconds{1}); }
  Verifying& state() { return std::get<Verifying>(claim.record.state); }

  std::shared_ptr<Provider> provider(const std::string&) override { return provider_; }
  std::shared_ptr<Token> token(const std::string&) override { return token_; }
  std::vector<Bytes> anchors(const Order&) override {
    if (no_anchors) throw Error{*no_anchors, "no such profile"};
    return trusted;
  }
  Records& records() override { return store_; }
  Revocations& revocations() override { return store_; }
  const x509::WeakKeyList& weak_keys() override { return weak_keys_; }
  // What the provider issues is in the store already, as the answer to that request.
  void store_as_answer_to(const std::string& request) {
    CertificateRecord record;
    record.fingerprint = hex(sha256(provider_->issued.certificate));
    record.request = RequestId(request);
    store_.put(record);
  }
  void put(const KeyRecord& record) { store_.record_key(record, "test", "{}", "uid:alice", now); }
  void put(const CertificateRecord& record) { store_.put(record); }
  std::vector<std::string> hook_of(const std::string&) override { return {}; }
  service::ReleaseTerms release_terms(const Order&) override { return {}; }
  const Clock& clock() const override { return clock_; }

 private:
  SystemClock clock_;
  MemoryStore store_{clock_};
  x509::WeakKeyList weak_keys_;
};

std::string why_unreadable(const EffectOutcome& outcome) {
  REQUIRE(outcome.event);
  const auto* unreadable = std::get_if<ResultUnreadable>(&*outcome.event);
  REQUIRE(unreadable != nullptr);
  return unreadable->why;
}

}  // namespace

TEST_CASE("a renewal that is answered with the certificate that was to be renewed is for a person") {
  Answered answered;
  test::make_renewal(answered.claim.record.order,
                     {hex(sha256(answered.provider_->issued.certificate)), {}, SpkiHash{}, "current", {}, ""});
  const EffectOutcome outcome = answered.run();
  CHECK(why_unreadable(outcome).find("the very certificate that was to be renewed") != std::string::npos);
  CHECK_FALSE(outcome.certificate);
  test::predecessor_in(answered.claim.record.order).certificate = std::string(64, '0');
  CHECK(std::holds_alternative<Verified>(answered.run().event.value()));
}

TEST_CASE("a certificate as asked is verified") {
  Answered answered;
  const EffectOutcome outcome = answered.run();
  REQUIRE(outcome.event);
  CHECK(std::holds_alternative<Verified>(*outcome.event));
}

TEST_CASE("a certificate that answered another request answers no other") {
  Answered answered;
  answered.claim.record.order.id = RequestId("MINE");
  answered.store_as_answer_to("ANOTHER");
  const EffectOutcome outcome = answered.run();
  CHECK(why_unreadable(outcome).find("the certificate of request ANOTHER") != std::string::npos);
  CHECK_FALSE(outcome.certificate);
  answered.store_as_answer_to("MINE");
  CHECK(std::holds_alternative<Verified>(answered.run().event.value()));
}

TEST_CASE("a chain certificate that cannot be read is reported and does not spoil the certificate") {
  Answered answered;
  const auto& good = answered.provider_->issued.chain.front();
  answered.provider_->issued.chain = {to_bytes("no certificate"), good};
  const EffectOutcome outcome = answered.run();
  REQUIRE(outcome.event);
  const auto* verified = std::get_if<Verified>(&*outcome.event);
  REQUIRE(verified != nullptr);
  REQUIRE(verified->findings.size() == 1);
  CHECK(verified->findings[0].name == "chain-certificate-unreadable");
  CHECK_FALSE(verified->findings[0].fatal);
  CHECK(verified->findings[0].explanation.find("certificate 1 of the chain") != std::string::npos);
}

TEST_CASE("of an endless chain the first hundred certificates are kept") {
  Answered answered;
  const auto good = answered.provider_->issued.chain.front();
  answered.provider_->issued.chain.assign(5000, good);
  const EffectOutcome outcome = answered.run();
  REQUIRE(outcome.certificate);
  CHECK(outcome.certificate->chain.size() <= 100);
  const auto* verified = std::get_if<Verified>(&*outcome.event);
  REQUIRE(verified != nullptr);
  REQUIRE(verified->findings.size() == 1);
  CHECK(verified->findings[0].explanation == "4900 certificates of the chain were left out, beyond the first 100");
}

TEST_CASE("a certificate that cannot be read goes to a person") {
  Answered answered;
  answered.provider_->issued.certificate = to_bytes("no certificate");
  why_unreadable(answered.run());
}

TEST_CASE("trust anchors that are none let no request wait for ever") {
  Answered answered;
  answered.trusted.push_back(from_hex("3003020100"));
  CHECK(why_unreadable(answered.run()).find("it could not be checked") != std::string::npos);
}

TEST_CASE("trouble of this process or this hour spoils no result") {
  for (const ErrorKind kind : {ErrorKind::not_found, ErrorKind::denied, ErrorKind::invalid_input, ErrorKind::corrupt}) {
    Answered answered;
    answered.no_anchors = kind;
    try {
      answered.run();
      FAIL("it became an event");
    } catch (const Error& error) {
      CHECK(error.kind() == ErrorKind::unavailable);
      CHECK(error.message().find("no such profile") != std::string::npos);
    }
  }
  for (const ErrorKind kind : {ErrorKind::denied, ErrorKind::not_found, ErrorKind::refused, ErrorKind::unavailable}) {
    Answered answered;
    answered.provider_->trouble = kind;
    CHECK_THROWS_AS(answered.run(), Error);
    answered.provider_->trouble.reset();
    answered.provider_->no_issuers = kind;
    CHECK_THROWS_AS(answered.run(), Error);
  }
}

TEST_CASE("issuers that did not come with the certificate are asked for") {
  Answered answered;
  answered.provider_->fetched = std::exchange(answered.provider_->issued.chain, {});
  CHECK(std::holds_alternative<Verified>(*answered.run().event));
  answered.provider_->fetched.clear();
  CHECK(std::holds_alternative<VerificationFailed>(*answered.run().event));
}

TEST_CASE("the certificate of a key that was compromised while it was waited for is not installed") {
  Answered answered;
  REQUIRE(std::holds_alternative<Verified>(answered.run().event.value()));
  KeyRecord key;
  key.token = "other";  // whichever token it is called
  key.spki = x509::spki_hash(answered.key.subject_public_key_info());
  key.status = status::kCompromised;
  answered.put(key);
  const EffectOutcome outcome = answered.run();
  const auto* failed = std::get_if<VerificationFailed>(&outcome.event.value());
  REQUIRE(failed != nullptr);
  REQUIRE(failed->findings.size() == 1);
  CHECK(failed->findings.front().name == "key-compromised");
  CHECK(failed->findings.front().fatal);
  CHECK(outcome.certificate.value().status == status::kQuarantined);
}

TEST_CASE("what was in flight when its CA was revoked, or that one's key compromised, is not installed") {
  Answered answered;
  answered.state().prepared.draft.issuer = answered.intermediate.certificate().der;
  REQUIRE(std::holds_alternative<Verified>(answered.run().event.value()));
  const auto& authority = answered.intermediate.certificate();
  const std::string serial = x509::serial_text(authority.serial());
  const std::string is_revoked = "the certificate of \"CN=Intermediate\" (serial number " + serial + ") is revoked";
  const auto is_quarantined = [&](const std::string& why) {
    const EffectOutcome outcome = answered.run();
    const auto* failed = std::get_if<VerificationFailed>(&outcome.event.value());
    REQUIRE(failed != nullptr);
    CHECK(failed->findings.front() == Finding{"issuer-unfit", true, why});
    CHECK(outcome.certificate.value().status == status::kQuarantined);
    // Nobody who looks at revocations accepts it, whatever is accepted here.
    answered.claim.record.state = Quarantined{failed->certificate, failed->findings};
    CHECK_THROWS_WITH(service::proved_acceptance(answered, answered.claim.record, {"issuer-unfit"}, "it is needed"),
                      "issuer-unfit can never be accepted: nothing was changed");
  };
  const auto compromise = [&](const x509::Certificate& of) {
    KeyRecord key;
    key.token = "ca";
    key.spki = x509::spki_hash(of.spki());
    key.status = status::kCompromised;
    answered.put(key);
  };
  SECTION("revoked by a CA of this bridge") {
    answered.revocations().revoke(
        {issuer_id(authority.issuer()), serial, 4, answered.now, authority.tbs.validity.not_after, "REVOCATION"});
    is_quarantined(is_revoked);
  }
  SECTION("in the book of an issuer whose own certificate spells its name otherwise") {
    const TestAuthority other{"CN=ROOT"};
    REQUIRE(issuer_id(other.certificate().subject()) != issuer_id(authority.issuer()));
    answered.provider_->issued.chain.push_back(other.certificate().der);
    answered.revocations().revoke({issuer_id(other.certificate().subject()), serial, 4, answered.now,
                                   authority.tbs.validity.not_after, "REVOCATION"});
    is_quarantined(is_revoked);
  }
  SECTION("revoked by another provider") {
    CertificateRecord record;
    record.fingerprint = hex(sha256(authority.der));
    record.request = RequestId("ANOTHER");
    record.status = status::kRevoked;
    answered.put(record);
    is_quarantined(is_revoked);
  }
  SECTION("its key is compromised") {
    compromise(authority);
    is_quarantined("the key of \"CN=Intermediate\" is recorded as compromised");
  }
  SECTION("the key of its root is compromised") {
    compromise(answered.root.certificate());
    is_quarantined("the key of \"CN=Root\" is recorded as compromised");
  }
}

TEST_CASE("a path leads around a certificate of the CA that was revoked") {
  Answered answered;
  const auto& before = answered.intermediate.certificate();
  const Bytes now = answered.root
                        .issue(answered.intermediate.signer().subject_public_key_info(),
                               TestAuthority::authority_content("CN=Intermediate"))
                        .der;
  answered.revocations().revoke({issuer_id(before.issuer()), x509::serial_text(before.serial()), 4, answered.now,
                                 before.tbs.validity.not_after, "REVOCATION"});
  CHECK(std::holds_alternative<VerificationFailed>(answered.run().event.value()));
  answered.provider_->issued.chain.push_back(now);
  const EffectOutcome outcome = answered.run();
  CHECK(std::holds_alternative<Verified>(outcome.event.value()));
  CHECK(outcome.certificate.value().chain.front() == now);
}

TEST_CASE("a CA that is renewed keeps its name to the byte") {
  Answered answered;
  const auto called = [&](const char* name) {
    const x509::Content content = TestAuthority::authority_content(name);
    test::wanted(answered.claim.record.order).content.content = content;
    return answered.root.issue(answered.key.subject_public_key_info(), content).der;
  };
  const Bytes before = called("CN=Issuing CA");
  const Bytes another_spelling = called("CN=issuing ca");
  answered.provider_->issued.certificate = called("CN=Issuing CA");
  test::make_renewal(answered.claim.record.order, {hex(sha256(before)), before, SpkiHash{}, "current", {}, ""});
  CHECK(std::holds_alternative<Verified>(answered.run().event.value()));
  test::predecessor_in(answered.claim.record.order).der = another_spelling;
  const auto event = answered.run().event.value();
  const auto* failed = std::get_if<VerificationFailed>(&event);
  REQUIRE(failed != nullptr);
  CHECK(failed->findings.front().name == "ca-name-changed");
  CHECK(failed->findings.front().explanation.find("have it certified under the old name") != std::string::npos);
  // Its own CRLs and what it issued would not be its any more.
  answered.claim.record.state = Quarantined{failed->certificate, failed->findings};
  CHECK_THROWS_WITH(service::proved_acceptance(answered, answered.claim.record, {"ca-name-changed"}, "it is the same"),
                    "ca-name-changed can never be accepted: nothing was changed");
}

TEST_CASE("a provider that looks up is told what our store has as another request's answer") {
  Answered answered;
  answered.claim.record.order.id = RequestId("MINE");
  answered.claim.effect = {EffectName::look_up, {}, 1, ""};
  const auto is_found = [&] { return std::holds_alternative<FoundAtProvider>(*answered.run().event); };
  CHECK(is_found());
  answered.store_as_answer_to("MINE");
  CHECK(is_found());
  answered.store_as_answer_to("ANOTHER");
  CHECK_FALSE(is_found());
}

TEST_CASE("a revocation needs no CSR for its draft") {
  Answered answered;
  Predecessor old;
  old.certificate = "c0ffee";
  old.der = answered.provider_->issued.certificate;
  test::make_revocation(answered.claim.record.order, old, "superseded");
  answered.claim.record.state = Preparing{};
  answered.claim.effect = {EffectName::build_draft, {}, 0, ""};
  const EffectOutcome outcome = answered.run();
  REQUIRE(outcome.event);
  const auto* frozen = std::get_if<DraftFrozen>(&*outcome.event);
  REQUIRE(frozen != nullptr);
  CHECK(frozen->draft.csr.empty());
  CHECK(frozen->draft.summary.find("c0ffee") != std::string::npos);
  CHECK(frozen->draft.summary.find("reason superseded") != std::string::npos);
}

TEST_CASE("a CSR is not signed with an algorithm that its key cannot do") {
  Answered answered;
  x509::RequestedContent ask;
  ask.algorithm = "rsa-sha256";
  test::wanted(answered.claim.record.order).content = ask;
  answered.claim.record.state = Preparing{Key{}, {}, 0, ""};
  answered.claim.effect = {EffectName::sign_csr, {}, 0, ""};
  const EffectOutcome outcome = answered.run();
  REQUIRE(outcome.event);
  const auto* failed = std::get_if<PreparationFailed>(&*outcome.event);
  REQUIRE(failed != nullptr);
  CHECK(failed->problem.message.find("is not for a key of type") != std::string::npos);
}

TEST_CASE("a key is not made for an algorithm that it cannot do") {
  Answered answered;
  x509::RequestedContent ask;
  ask.algorithm = "rsa-sha256";
  Order& order = answered.claim.record.order;
  test::wanted(order).content = ask;
  test::wanted(order).key = {KeyWish::Source::make, "web", "ec:P-256", "00"};
  answered.claim.effect = {EffectName::ensure_key, {}, 0, ""};
  const EffectOutcome outcome = answered.run();
  REQUIRE(outcome.event);
  CHECK(std::holds_alternative<PreparationFailed>(*outcome.event));
  CHECK(answered.token_->keys_made == 0);
}

TEST_CASE("the issuer that a draft was made for is looked at, however many certificates come from outside") {
  Answered answered;
  answered.state().prepared.draft.issuer = answered.intermediate.certificate().der;
  x509::Content other;
  other.subject = x509::Name::parse("CN=Another CA");
  auto& chain = answered.provider_->issued.chain;
  chain.clear();
  while (chain.size() < 100) {
    chain.push_back(answered.intermediate.issue(answered.key.subject_public_key_info(), other).der);
  }
  CHECK(std::holds_alternative<Verified>(answered.run().event.value()));
}

TEST_CASE("a deviation that a person accepted stops a certificate no more, and no other one is accepted with it") {
  Answered answered;
  x509::Content other;
  other.subject = x509::Name::parse("CN=other.example.com");
  answered.provider_->issued.certificate =
      answered.intermediate.issue(answered.key.subject_public_key_info(), other).der;
  CHECK(std::holds_alternative<VerificationFailed>(answered.run().event.value()));
  answered.state().accepted = {"serial-not-positive"};
  CHECK(std::holds_alternative<VerificationFailed>(answered.run().event.value()));
  answered.state().accepted = {"subject-changed"};
  CHECK(std::holds_alternative<VerificationFailed>(answered.run().event.value()));
  answered.state().accepted = {"subject-changed", "common-name-changed"};
  const EffectOutcome taken = answered.run();
  const auto* verified = std::get_if<Verified>(&taken.event.value());
  REQUIRE(verified != nullptr);
  REQUIRE(verified->findings.size() == 2);
  CHECK(verified->findings[0].name == "subject-changed");
  CHECK(verified->findings[1].name == "common-name-changed");
  for (const auto& finding : verified->findings) CHECK_FALSE(finding.fatal);
  CHECK(taken.certificate.value().status == "current");
  // Not even a journal that somebody changed makes acceptable what never is.
  SoftwareSigner another("ec:P-256");
  answered.provider_->issued.certificate = answered.intermediate.issue(another.subject_public_key_info(), other).der;
  answered.state().accepted = {"subject-changed", "common-name-changed", "key-differs"};
  CHECK(std::holds_alternative<VerificationFailed>(answered.run().event.value()));
}

TEST_CASE("a certificate whose first day has not come waits for it, unless something else is wrong with it") {
  Answered answered;
  answered.now = at("2025-12-30T00:00:00Z");
  answered.state().result.clock_ahead = std::chrono::hours{48};
  const EffectOutcome early = answered.run();
  const auto* waits = std::get_if<NotValidYet>(&early.event.value());
  REQUIRE(waits != nullptr);
  CHECK(waits->not_yet == NotYet{hex(sha256(answered.provider_->issued.certificate)), at("2026-01-01T00:00:00Z"),
                                 std::chrono::hours{48}});
  CHECK_FALSE(early.certificate);
  answered.now = at("2026-01-01T00:00:00Z");
  CHECK(std::holds_alternative<Verified>(answered.run().event.value()));

  answered.now = at("2025-12-30T00:00:00Z");
  answered.trusted.clear();
  CHECK(std::holds_alternative<VerificationFailed>(answered.run().event.value()));
}

TEST_CASE("a first day more than three days away is for a person, who may have it waited for") {
  Answered answered;  // it begins on 2026-01-01
  const auto outcome = [&](const char* now) {
    answered.now = at(now);
    return answered.run();
  };
  CHECK(std::holds_alternative<NotValidYet>(outcome("2025-12-29T00:00:00Z").event.value()));
  const EffectOutcome late = outcome("2025-12-28T00:00:00Z");
  const auto* wrong = std::get_if<VerificationFailed>(&late.event.value());
  REQUIRE(wrong != nullptr);
  CHECK(wrong->findings == std::vector<Finding>{{"begins-late", true,
                                                 "it is not valid before 2026-01-01T00:00:00Z (in 4 days); accepted, "
                                                 "it waits for that day"}});
  // It can be revoked meanwhile.
  CHECK(late.certificate.value().status == "quarantined");
  answered.state().accepted = {"begins-late"};
  CHECK(std::holds_alternative<NotValidYet>(outcome("2025-12-28T00:00:00Z").event.value()));
  CHECK(std::holds_alternative<Verified>(outcome("2026-01-01T00:00:00Z").event.value()));
}

TEST_CASE("a renewal that begins before what it renews has ended is waited for, and one that leaves a gap is not") {
  Answered answered;  // it begins on 2026-01-01
  auto& order = answered.claim.record.order;
  test::make_renewal(order, {});
  const auto renews_until = [&](const char* end) {
    auto fields = answered.intermediate.fields_for({});
    fields.content.subject = x509::Name::parse("CN=www.example.com");
    fields.spki = answered.key.subject_public_key_info();
    fields.validity = {at("2025-01-01T00:00:00Z"), at(end)};
    const Bytes der = answered.intermediate.sign(x509::build_tbs_certificate(fields));
    test::predecessor_in(order) = {hex(sha256(der)), der, SpkiHash{}, "current", {}, ""};
    return answered.run();
  };
  answered.now = at("2025-12-20T00:00:00Z");
  CHECK(std::holds_alternative<NotValidYet>(renews_until("2026-01-05T00:00:00Z").event.value()));
  CHECK(std::holds_alternative<NotValidYet>(renews_until("2025-12-31T23:59:59Z").event.value()));
  const EffectOutcome gap = renews_until("2025-12-31T23:59:58Z");
  const auto* wrong = std::get_if<VerificationFailed>(&gap.event.value());
  REQUIRE(wrong != nullptr);
  CHECK(wrong->findings ==
        std::vector<Finding>{{"begins-late", true,
                              "it is not valid before 2026-01-01T00:00:00Z (in 12 days), and the certificate that it "
                              "renews ends on 2025-12-31T23:59:58Z; accepted, it waits for that day"}});
  // Close by, waiting ends the gap sooner than a person.
  answered.now = at("2025-12-30T00:00:00Z");
  CHECK(std::holds_alternative<NotValidYet>(renews_until("2025-12-31T23:59:58Z").event.value()));
}

TEST_CASE("a certificate that a person brought is read without its provider, with the chain of the file") {
  Answered answered;
  const Bytes leaf = answered.provider_->issued.certificate;
  const std::string pem = x509::certificate_to_pem(leaf);
  const std::string issuer = x509::certificate_to_pem(answered.intermediate.certificate().der);
  // The provider's own reader would say that this is nothing of its.
  answered.provider_->trouble = ErrorKind::corrupt;
  const auto bring = [&](const Bytes& file) {
    answered.state().result = {BroughtCertificate{leaf}, file};
    return answered.run().event.value();
  };
  CHECK(std::holds_alternative<Verified>(bring(to_bytes(pem + issuer))));
  CHECK(std::holds_alternative<Verified>(bring(to_bytes(issuer + pem))));
  CHECK(std::holds_alternative<Verified>(bring(x509::pkcs7_bundle({leaf, answered.intermediate.certificate().der}))));
  CHECK(std::holds_alternative<VerificationFailed>(bring(leaf)));
  answered.provider_->own_chain = {answered.intermediate.certificate().der};
  CHECK(std::holds_alternative<Verified>(bring(leaf)));
}

TEST_CASE("a result that cannot be read is asked for again where the provider keeps it") {
  Answered answered;
  answered.provider_->trouble = ErrorKind::corrupt;
  const auto still_there = [&] { return std::get<ResultUnreadable>(answered.run().event.value()).still_there; };
  CHECK(still_there());
  answered.provider_->once = true;
  CHECK_FALSE(still_there());
  answered.provider_->once = false;
  // A signature that came whole and does not fit is the same one when it is asked for again.
  answered.state().result = {IssuedSignature{Bytes{1}}, Bytes{1}};
  CHECK_FALSE(still_there());
}
