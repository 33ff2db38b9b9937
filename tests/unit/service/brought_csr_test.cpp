#include "service/content/brought_csr.h"

#include "life.h"
#include "service/certificates/certificates.h"
#include "service/certificates/renewal.h"
#include "service/certificates/sweep.h"
#include "support/software_signer.h"

#include <catch2/catch.hpp>

using namespace hsmbridge;
using namespace hsmbridge::test;
using namespace std::chrono_literals;

namespace {

constexpr Duration kDay = 24h;

// A certificate in use whose CSR was brought.
struct Brought : Life {
  config::Settings settings;
  workflow::Order order = first();

  Brought() {
    config::ProviderSettings provider;
    provider.name = "tsb";
    config::ProfileSettings profile;
    profile.name = "server";
    profile.anchors = {"/etc/ca.pem"};
    profile.renew_before = config::RenewBefore{kDay * 30, 0};
    settings.providers.push_back(provider);
    settings.profiles.push_back(profile);  // and no token
    auto& enrolment = std::get<workflow::Enroll>(order.what);
    enrolment.token.clear();
    enrolment.targets.clear();
    enrolment.key = {};
    enrolment.key.source = workflow::KeyWish::Source::brought;
    enrolment.key.selector = "csr:010203";
    enrolment.key.spki = x509::spki_hash(x509::parse_certificate(der).spki());
    enrolment.key.csr = draft_of_test(clock.now()).csr;
  }
  workflow::CertificateRecord brought_certificate(Duration life) {
    using namespace workflow;
    store->create(order, {{order.created_at, order.created_by, Created{order}}}, begin(order, {}));
    Step frozen = step_of(store->find(order.id).value(), DraftFrozen{draft_of_test(clock.now())}, clock.now());
    const SpkiHash spki = test::wanted(order).key.spki;
    frozen.key = KeyRecord{"", "csr:010203", spki.str(), "ec:P-256", spki, "active", clock.now()};
    store->commit({frozen});
    take(*store, order.id, DraftAccepted{}, clock.now());
    take(*store, order.id, AttemptStarted{1, "w", clock.now()}, clock.now());
    StatusReport report;
    report.status = RequestStatus::handed_out;
    report.reference = ProviderReference{"ref-1"};
    take(*store, order.id, ResultReceived{1, report, {IssuedCertificate{der}, der}}, clock.now());
    CertificateRecord record;
    record.fingerprint = hex(sha256(der));
    record.der = der;
    record.request = order.id;
    record.spki = spki;
    record.subject = "CN=www.example.com";
    record.not_before = clock.now();
    record.not_after = clock.now() + life;
    record.status = "current";
    record.stored_at = clock.now();
    Step verified = step_of(store->find(order.id).value(), Verified{record.fingerprint, {}}, clock.now());
    verified.certificate = record;
    store->commit({verified});
    return store->certificate(record.fingerprint).value();
  }
};

}  // namespace

TEST_CASE_METHOD(Brought, "the renewal of a CSR that was brought is not made by itself but told once a day") {
  const auto record = brought_certificate(kDay * 90);
  service::Sweep sweep(settings, service::Actor{"worker:w", "process", {}},
                       [](std::size_t count) { return Bytes(count, 1); });
  CHECK(sweep.round(*store, clock.now()).troubles.empty());
  clock.advance(kDay * 61);
  const auto due = sweep.round(*store, clock.now());
  CHECK(due.renewals.empty());
  REQUIRE(due.troubles.size() == 1);
  CHECK(due.troubles[0].find("hsmbridge cert renew " + record.fingerprint.substr(0, 12) + " --csr FILE") !=
        std::string::npos);
  CHECK(sweep.round(*store, clock.now()).troubles.empty());
  clock.advance(kDay + 1h);
  CHECK(sweep.round(*store, clock.now()).troubles.size() == 1);
  const auto left = service::to_renew(*store, settings, service::Which::due, clock.now());
  CHECK(left.certificates.empty());
  REQUIRE(left.by_hand.size() == 1);
  CHECK(left.by_hand[0].first == record.fingerprint);
  CHECK(left.by_hand[0].second.find("only the holder of the key can make a new one") != std::string::npos);
  const auto row = service::row_of(*store, record, settings, clock.now());
  CHECK(row.key == "csr:010203");
  CHECK(row.key_status == "active");
  CHECK(row.renewal.by_hand);
}

TEST_CASE_METHOD(Brought, "a key that was brought is compromised with the order to revoke for keyCompromise") {
  const auto record = brought_certificate(kDay * 90);
  CHECK_FALSE(service::compromised(store.get(), record.spki));
  service::create_revocation({"uid:ann", "process", {}}, *store, record, {"superseded"}, {}, clock.now(), Bytes(8, 7));
  CHECK_FALSE(service::compromised(store.get(), record.spki));
  for (const auto& request : store->requests_about(record.fingerprint)) {
    take(*store, request.order.id, workflow::CancelAsked{"no"}, clock.now());
  }
  service::create_revocation({"uid:ann", "process", {}}, *store, store->certificate(record.fingerprint).value(),
                             {"keyCompromise"}, {}, clock.now(), Bytes(8, 8));
  const auto fault = service::compromised(store.get(), record.spki);
  REQUIRE(fault);
  CHECK(fault->name == "key-compromised");
  CHECK_FALSE(fault->reference.empty());
}

TEST_CASE("a provider is asked nothing that neither the profile nor the command asks") {
  const test::SoftwareSigner signer("ec:P-256");
  x509::RequestedContent ask;
  ask.content.subject_alternative_names = {x509::GeneralName::parse("dns:www.example.com")};
  const auto objections = [&](const x509::Content& content, const std::vector<std::string>& accept = {}) {
    auto asked = ask;
    asked.accept = accept;
    x509::Csr csr;
    csr.spki = signer.subject_public_key_info();
    csr.content = content;
    std::string names;
    for (const auto& one : service::compare_csr(csr, asked, {}, {}).objections) names += one.name + " ";
    return names;
  };
  CHECK(objections(ask.content) == "");
  auto more = ask.content;
  more.policies.push_back({x509::Oid("2.23.140.1.1"), {}, {}, {}});
  CHECK(objections(more) == "policies-added ");
  more = ask.content;
  more.extended_key_usage = {x509::Oid("1.3.6.1.5.5.7.3.2")};
  CHECK(objections(more) == "extended-key-usage-added ");
  more = ask.content;
  more.extended_key_usage = {x509::Oid("1.3.6.1.5.5.7.3.9")};
  CHECK(objections(more, {"ocsp-signing-added"}).find("ocsp-signing-added") != std::string::npos);
  more = ask.content;
  more.other_extensions = {{x509::Oid("1.3.6.1.4.1.311.20.2"), false, {0x1e, 0x00}}};
  CHECK(objections(more) == "extension-added ");
  // A profile that lets its CA add extensions lets a CSR ask for them by that name, but not for what steers a CA.
  CHECK(objections(more, {"extension-added"}) == "");
  more.other_extensions = {{x509::Oid("1.3.6.1.4.1.311.21.7"), false, {0x30, 0x00}}};
  CHECK(objections(more, {"extension-added"}) == "extension-added ");
  more = ask.content;
  more.subject_key_identifier = x509::key_identifier(signer.subject_public_key_info());
  CHECK(objections(more) == "");
  more.subject_key_identifier = Bytes(20, 1);
  CHECK(objections(more) == "extension-added ");
}

TEST_CASE("no draft is sent for a key that anybody can break, whoever made it") {
  FakeClock clock;
  ScriptedWorld world(clock);
  service::Effects effects(world);
  const auto outcome_for = [&](ByteView csr) {
    workflow::Claim claim;
    claim.record.order = order_of("0A1B2C3D4E5F6G7H", Instant{});
    workflow::PreparedRequest prepared{key_of_test(), draft_of_test(Instant{}), 0};
    prepared.draft.csr = to_bytes(csr);
    prepared.draft.to_be_signed.clear();
    claim.record.state = workflow::Prepared{prepared};
    claim.effect = {workflow::EffectName::check_draft, {}, 0, ""};
    return effects.run(claim, clock.now(), 1s).event.value();
  };
  const auto file = [](const std::string& name) {
    return x509::read_csr(read_file(HSMBRIDGE_TEST_DATA "/x509/" + name));
  };
  for (const std::string weak : {"weak/roca.csr", "weak/close-primes.csr"}) {
    const auto event = outcome_for(file(weak));
    CAPTURE(weak);
    REQUIRE(std::holds_alternative<workflow::DraftRefused>(event));
    CHECK(std::get<workflow::DraftRefused>(event).problem.message.find("its key: ") != std::string::npos);
  }
  CHECK(std::holds_alternative<workflow::DraftAccepted>(outcome_for(file("rsa8192.csr"))));
}

TEST_CASE("what is wrong with a CSR, and with what is copied from it, is told once and with one reference") {
  x509::Csr csr = x509::parse_csr(x509::read_csr(read_file(HSMBRIDGE_TEST_DATA "/x509/gnutls.csr")));
  csr.content.subject_alternative_names = {x509::GeneralName::from_der(to_bytes("\x82\x0E_a.example.com"))};
  config::ProfileSettings profile;
  profile.name = "server";
  profile.copy = {config::CopyField::subject, config::CopyField::san};
  auto judgement = service::examine_csr(csr, x509::WeakKeyList{}, nullptr);
  x509::RequestedContent ask;
  ask.content.subject = csr.content.subject;
  ask.content.subject_alternative_names = csr.content.subject_alternative_names;
  service::add_to(judgement, service::compare_csr(csr, ask, profile, {}));
  std::vector<std::string> told;
  for (const auto& one : judgement.objections) {
    if (one.name == "content") told.push_back(service::sentence_of(one));
  }
  CHECK(told ==
        std::vector<std::string>{
            "subject alternative name: DNS name \"_a.example.com\": an underscore is not allowed in a host name "
            "(RFC 5280 section 4.2.1.6)"});
}

TEST_CASE("a CA of ours refuses a key that is encoded another way than certificates state keys") {
  const test::SoftwareSigner signer("ec:P-256");
  x509::Csr csr;
  csr.spki = signer.subject_public_key_info();
  csr.content.subject = x509::Name::parse("CN=www.example.com");
  REQUIRE(csr.spki.size() == 91);  // EC P-256, uncompressed
  // With a compressed point: 33 octets instead of 65.
  Bytes spki = from_hex("3039301306072a8648ce3d020106082a8648ce3d030107032200");
  spki.push_back((csr.spki.back() & 1U) != 0 ? 0x03 : 0x02);
  spki.insert(spki.end(), csr.spki.begin() + 27, csr.spki.begin() + 27 + 32);
  csr.spki = spki;
  config::ProfileSettings profile;
  profile.name = "server";
  profile.copy = {config::CopyField::key, config::CopyField::subject};
  x509::RequestedContent ask;
  ask.content.subject = csr.content.subject;
  workflow::Capabilities provider;
  const auto has = [&] {
    const auto judgement = service::compare_csr(csr, ask, profile, provider);
    return std::any_of(judgement.objections.begin(), judgement.objections.end(),
                       [](const auto& one) { return one.name == "key-encoding"; });
  };
  CHECK_FALSE(has());  // a service encodes it anew
  provider.full_profile = true;
  CHECK(has());
}

TEST_CASE_METHOD(Brought, "an RSA key that is compromised is found with another exponent too") {
  Bytes modulus(256, 0xC3);
  const auto with = [&](const Bytes& exponent) { return x509::spki_from_rsa(modulus, exponent); };
  service::record_compromise(*store, x509::spki_hash(with({1, 0, 1})), "test", clock.now());
  const auto is_known = [&](const Bytes& spki) {
    const auto faults = service::faults_of_key(spki, x509::WeakKeyList{}, store.get());
    return std::any_of(faults.begin(), faults.end(), [](const auto& one) { return one.name == "key-compromised"; });
  };
  CHECK(is_known(with({1, 0, 1})));
  CHECK(is_known(with({1, 0, 3})));
  modulus.back() = 0xC5;
  CHECK_FALSE(is_known(with({1, 0, 3})));
}

TEST_CASE("a CA is asked for with a CSR that does not say so where the provider is asked beside it alone") {
  const test::SoftwareSigner signer("ec:P-256");
  x509::Csr csr;
  csr.spki = signer.subject_public_key_info();
  csr.content.subject = x509::Name::parse("CN=Issuing");
  x509::RequestedContent ask;
  ask.content = csr.content;
  ask.content.basic_constraints = x509::parse_basic_constraints("CA:TRUE");
  workflow::Capabilities can;
  const auto judged = [&] { return service::compare_csr(csr, ask, {}, can); };
  REQUIRE(judged().objections.size() == 1);
  CHECK(judged().objections[0].name == "basic-constraints-missing");
  can.beside_csr = true;
  CHECK(judged().objections.empty());
  REQUIRE(judged().notes.size() == 1);
  CHECK(judged().notes[0].find("asked beside the CSR, where its provider can: basic-constraints-missing") == 0);
}
