#include "provider_bench.h"

using namespace hsmbridge;
using namespace hsmbridge::securosys;
using namespace hsmbridge::test;
using namespace hsmbridge::workflow;
using namespace std::chrono_literals;

TEST_CASE("what cannot verify up to the profile's anchors is told before anybody approves") {
  TsbBench bench;
  bench.freeze();
  test::TestCa stranger("ec:P-256", "CN=Another Root");
  std::vector<Bytes> anchors{stranger.certificate.der};
  auto client = std::make_shared<Client>(bench.transport, bench.options, bench.clock);
  bench.made = std::make_unique<SecurosysProvider>(bench.settings, client, bench.keys, bench.clock, config::Prompter{},
                                                   [&](const Order&) { return anchors; });
  bench.attached(bench.ca.certificate);
  CHECK(bench.waits_for() ==
        std::vector<std::string>{"the path from the issuer ends at \"C=CH, O=Example, CN=Test CA\", which is not among "
                                 "the trust anchors"});
  anchors = {bench.ca.certificate.der};
  CHECK(bench.check().empty());
  anchors = {};
  bench.order.profile = "server";
  CHECK(bench.waits_for() ==
        std::vector<std::string>{"profile server names no anchors: no certificate could be trusted"});
}

TEST_CASE("a CA is not given the name of another CA of this bridge") {
  TsbBench bench;
  const test::TestCa other("ec:P-256", "CN=Issuing");
  bench.ask.content.subject = x509::Name::parse("CN=Issuing");
  bench.ask.content.basic_constraints = x509::parse_basic_constraints("CA:TRUE,pathlen:0");
  bench.ask.content.key_usage = {{x509::KeyUsage::key_cert_sign, x509::KeyUsage::crl_sign}};
  std::vector<Bytes> authorities;
  bench.made = std::make_unique<SecurosysProvider>(
      bench.settings, std::make_shared<Client>(bench.transport, bench.options, bench.clock), bench.keys, bench.clock,
      config::Prompter{}, AnchorsOf{}, [&] { return authorities; });
  bench.freeze();
  bench.attached(bench.ca.certificate);
  CHECK(bench.check().empty());
  authorities = {other.certificate.der};
  const auto reasons = bench.check();
  REQUIRE(reasons.size() == 1);
  CHECK(reasons[0].find("it has the name of the CA \"CN=Issuing\" and another key") == 0);
}

TEST_CASE("an Ed25519 application key cannot sign requests at the TSB") {
  TsbBench bench;
  bench.keys.application = std::make_shared<test::SoftwareSigner>("ed25519");
  bench.settings.request_signature = true;
  bench.freeze();
  bench.attached(bench.ca.certificate);
  const std::vector<std::string> reasons = bench.waits_for();
  REQUIRE(reasons.size() == 1);
  CHECK(reasons[0].find("is an Ed25519 key, and a request signature at the TSB names one of the SHA-2 or SHA-3") !=
        std::string::npos);
}

TEST_CASE("the issuer at the TSB is the configured one whatever its string types, and not in another order") {
  TsbBench bench;
  bench.freeze();
  // The same name with a PrintableString where the configured certificate has a UTF8String.
  x509::CertificateFields fields;
  fields.serial = x509::random_serial();
  const Bytes name = [] {
    Bytes der = x509::Name::parse("C=CH, O=Example, CN=Test CA").der();
    for (std::uint8_t& octet : der) {
      if (octet == 0x0C) octet = 0x13;
    }
    return der;
  }();
  fields.issuer = x509::Name::from_der(name);
  fields.validity = bench.ca.certificate.tbs.validity;
  fields.spki = bench.ca.signer.subject_public_key_info();
  fields.content = bench.ca.certificate.content();
  fields.content.subject = fields.issuer;
  fields.algorithm = &x509::signature_algorithm("ecdsa-sha256");
  const auto issue = [&] {
    const Bytes tbs = x509::build_tbs_certificate(fields);
    return x509::parse_certificate(x509::assemble(tbs, *fields.algorithm, bench.ca.sign(tbs, "ecdsa-sha256")));
  };
  bench.attached(issue());
  CHECK(bench.check().empty());

  TsbBench other;
  other.freeze();
  fields.spki = other.ca.signer.subject_public_key_info();
  fields.content.subject = x509::Name::parse("CN=Test CA, O=Example, C=CH");
  other.attached(issue());
  const std::vector<std::string> reasons = other.waits_for();
  REQUIRE(reasons.size() == 1);
  CHECK(reasons[0].find("(the same fields in another order, which is another name)") != std::string::npos);
}

TEST_CASE("a newer server whose version may not be asked says what to configure") {
  TsbBench bench(Mode::certificate);
  bench.freeze();
  bench.attached(bench.ca.certificate);
  bench.transport->then(tsb_refusal(400, 416));
  try {
    bench.provider().check(bench.call());
    FAIL("it was checked");
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::denied);
    CHECK(error.hint().find("generation: classic") != std::string::npos);
  }
}

TEST_CASE("a wrong issuer file is found before anybody approves and asked about once in a while") {
  TsbBench bench;
  bench.freeze();
  test::TestCa other("ec:P-256", "C=CH, O=Example, CN=Test CA");
  bench.attached(other.certificate);
  const std::vector<std::string> reasons = bench.waits_for();
  REQUIRE(reasons.size() == 1);
  CHECK(reasons[0].find("is for another key than the configured issuer") != std::string::npos);

  // right
  bench.attached(bench.ca.certificate);
  CHECK(bench.check().empty());
  CHECK(bench.check().empty());
  CHECK(bench.transport->sent.size() == 2);
  bench.clock.advance(11min);
  bench.attached(other.certificate);
  CHECK(bench.waits_for().size() == 1);
}

TEST_CASE("a TSB without a certificate on its key still signs bytes") {
  for (const auto& answer : {tsb_refusal(400, 402), tsb_refusal(401, 416), tsb_refusal(403, 451)}) {
    TsbBench bench;
    bench.freeze();
    bench.transport->then(answer);
    CHECK(bench.check().empty());
  }
  TsbBench missing;
  missing.freeze();
  missing.transport->then(tsb_refusal(404, 650));
  CHECK(missing.waits_for().size() == 1);
  TsbBench away;
  away.freeze();
  away.transport->then(net::NotSent{"no connection"});
  CHECK_THROWS_AS(away.check(), Error);
  // and builds no certificates
  TsbBench builds(Mode::certificate);
  builds.settings.generation = Generation::modern;
  builds.ask.content.subject = x509::Name::parse("CN=www.example.com");
  builds.freeze();
  builds.transport->then(tsb_refusal(400, 402));
  CHECK(builds.waits_for().size() == 1);
}

TEST_CASE("a blocked signing key is told before anybody approves") {
  TsbBench bench;
  bench.options.api_keys[Role::key_management].push_back({[] { return Secret("km"); }});
  bench.freeze();
  const auto attributes = [&](bool blocked) {
    bench.transport->then(200,
                          std::string(R"({"json":{"label":"ca-key","policy":{"ruleUse":null,"keyStatus":{"blocked":)") +
                              (blocked ? "true" : "false") + "}}}}");
  };
  attributes(true);
  bench.attached(bench.ca.certificate);
  attributes(true);
  const std::vector<std::string> reasons = bench.waits_for();
  REQUIRE(reasons.size() == 1);
  CHECK(reasons[0].find("blocked at the TSB") != std::string::npos);
  // While it waits it is not built again at every look, however old it grows; then it is.
  bench.clock.advance(24h * 20);
  attributes(true);
  bench.attached(bench.ca.certificate);
  CHECK(bench.waits_for() == reasons);
  attributes(false);
  bench.attached(bench.ca.certificate);
  CHECK(bench.outdated().find("half of the time") != std::string::npos);
  bench.freeze();
  attributes(false);
  CHECK(bench.check().empty());
}

TEST_CASE("a server that wants no API key is asked for its quorum") {
  TsbBench bench;
  bench.options.api_keys.clear();
  CHECK(bench.provider().capabilities().shows_quorum);
  test::SoftwareSigner anna("ec:P-256");
  bench.freeze();
  bench.transport
      ->then(200, R"({"json":{"label":"ca-key","policy":{"ruleUse":{"tokens":[{"timelock":0,"timeout":600,"groups":[)"
                  R"({"name":"ops","quorum":1,"approvals":[{"type":"public_key","name":"anna","value":")" +
                      base64(anna.subject_public_key_info()) + R"("}]}]}]}}}})")
      .then(201, std::string(R"({"signRequestId":")") + kId + "\"}");
  CHECK(std::get<Accepted>(bench.provider().submit(bench.call())).report.progress.quorum == "1 of 1 in group ops");

  TsbBench with_another_role;
  CHECK_FALSE(with_another_role.provider().capabilities().shows_quorum);
}

TEST_CASE("the issuer and the generation are asked for again after a while") {
  TsbBench bench(Mode::certificate);
  bench.settings.issuer.reset();
  bench.ask.content.subject = x509::Name::parse("CN=www.example.com");
  bench.freeze();
  bench.attached(bench.ca.certificate);
  bench.transport->then(200, R"({"Version":"2.2.0"})");
  CHECK_FALSE(bench.check().empty());
  // The server was updated.
  bench.clock.advance(11min);
  bench.attached(bench.ca.certificate);
  bench.transport->then(200, R"({"Version":"2.5.1"})");
  CHECK(bench.check().empty());
}

TEST_CASE("a test says what was learnt") {
  TsbBench bench;
  bench.options.api_keys[Role::service].push_back({[] { return Secret("sv"); }});
  bench.transport->then(200, R"({"Version":"2.5.1","Vendor":"Securosys SA"})")
      .then(200, R"({"clientFlags":["REST_API","TSB_ENGINE"]})")
      .then(200, Json::object({{"certificate", x509::certificate_to_pem(bench.ca.certificate.der)}}).dump());
  CHECK(bench.provider().test() ==
        std::vector<std::string>{
            "TSB 2.5.1 of Securosys SA, modern generation", "licence: REST_API, TSB_ENGINE (the HSM answers)",
            "key ca-key issues as C=CH, O=Example, CN=Test CA until 2036-01-01T00:00:00Z", "signs with ecdsa-sha256",
            "approval: quorum unknown (no approval_policy and no key_management API key)"});
}

TEST_CASE("a test without a service key goes on with what it may ask") {
  TsbBench bench;
  bench.transport->then(tsb_refusal(400, 416))
      .then(tsb_refusal(400, 416))
      .then(200, Json::object({{"certificate", x509::certificate_to_pem(bench.ca.certificate.der)}}).dump());
  CHECK(bench.provider().test().size() == 5);
}
