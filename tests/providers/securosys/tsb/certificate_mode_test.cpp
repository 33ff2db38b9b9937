#include "providers/securosys/certificate_mode.h"

#include "flow.h"
#include "providers/odd_pem.h"

#include <catch2/catch.hpp>

using namespace hsmbridge;
using namespace hsmbridge::securosys;
using namespace hsmbridge::workflow;
using test::Flow;

namespace {

const std::vector<std::string> kAll{"subject-changed",     "san-dropped",
                                    "key-usage-missing",   "extended-key-usage-missing",
                                    "serial-not-positive", "validity-longer"};

Issued issue(Flow& flow) {
  flow.submit();
  Expectation ours{"ca-key", {}, flow.order.id.str(), {}};
  ours.certificate = x509::Expectation{};
  ours.certificate->spki = flow.key.subject_public_key_info();
  ours.certificate->content = flow.ask.content;
  ours.certificate->accept = flow.ask.accept;
  ours.at = flow.clock.now();
  flow.approve(flow.alice, ours);
  flow.approve(flow.bob, {});
  const Report report = flow.poll();
  REQUIRE(report.result);
  CHECK(std::holds_alternative<IssuedCertificate>(report.result->product));
  return issued_by(flow.provider(), flow.call(), *report.result);
}

}  // namespace

TEST_CASE("an older server's certificate is refused beforehand and taken where everything is accepted") {
  Flow flow;
  flow.settings.mode = Mode::certificate;
  flow.make_ca();
  flow.freeze();
  CHECK(flow.provider().check(flow.call()).size() == 6);

  flow.ask.accept = kAll;
  flow.freeze();
  CHECK(flow.provider().check(flow.call()).empty());
  const Issued issued = issue(flow);
  const x509::Certificate certificate = x509::parse_certificate(issued.certificate);
  CHECK(certificate.subject().to_string() == "CN=www.example.com");
  CHECK(certificate.spki() == flow.key.subject_public_key_info());

  x509::Expectation asked;
  asked.spki = flow.key.subject_public_key_info();
  asked.content = flow.ask.content;
  asked.lifetime = flow.ask.validity;
  asked.accept = kAll;
  asked.anchors = {*flow.ca};
  const x509::Answer answer = x509::check_answer(certificate, asked, flow.clock.now());
  CAPTURE(answer.findings.empty() ? "" : answer.findings[0].explanation);
  CHECK_FALSE(answer.fatal());
}

TEST_CASE("a newer server carries what was asked") {
  Flow flow({"--generation", "2.5"});
  flow.settings.mode = Mode::certificate;
  flow.make_ca();
  flow.freeze();
  CHECK(flow.provider().check(flow.call()).empty());
  const Issued issued = issue(flow);
  x509::Expectation asked;
  asked.spki = flow.key.subject_public_key_info();
  asked.content = flow.ask.content;
  asked.lifetime = flow.ask.validity;
  asked.anchors = {*flow.ca};
  const x509::Answer answer = x509::check_answer(x509::parse_certificate(issued.certificate), asked, flow.clock.now());
  for (const x509::Finding& finding : answer.findings) {
    INFO(finding.explanation);
    CHECK(finding.severity == x509::Severity::reported);
  }
}

TEST_CASE("the field set of the other generation is refused by the server and nothing happened") {
  Flow flow;
  flow.settings.mode = Mode::certificate;
  flow.settings.generation = Generation::modern;
  flow.make_ca();
  flow.freeze();
  const SubmitAnswer answer = flow.provider().submit(flow.call());
  CHECK(std::get<RefusedForGood>(answer).error.detail("errorCode") == "600");
}

TEST_CASE("a certificate for another key is read as it is for the check to find") {
  Flow flow;
  flow.settings.mode = Mode::certificate;
  flow.ask.accept = kAll;
  flow.make_ca();
  flow.freeze();
  flow.submit();
  flow.approve(flow.alice, {});
  flow.approve(flow.bob, {});
  flow.rig.command("fault --kind wrong-certificate --method GET --path /v1/request");
  const Report report = flow.poll();
  REQUIRE(report.result);
  const Issued issued = issued_by(flow.provider(), flow.call(), *report.result);
  CHECK(x509::parse_certificate(issued.certificate).spki() != flow.key.subject_public_key_info());
}

TEST_CASE("an import whose answer is lost is not sent again and an older certificate stays away") {
  Flow flow;
  flow.settings.import_label = "sub-key";
  // First: what is imported afterwards must not be older than the certificate that is there.
  flow.rig.command("tsb create-ca --label sub-key --no-approval");
  flow.make_ca();
  flow.rig.command("fault --kind drop-after --method POST --path /v1/certificate/import");
  const Issued issued{flow.ca->der, {}};
  CHECK_THROWS_AS(flow.provider().confirm(flow.call(), issued), Error);
  CHECK_NOTHROW(flow.provider().confirm(flow.call(), issued));
  CHECK(flow.rig.count("POST /v1/certificate/import/plain") == 1);

  const test::TestCa older;
  CHECK_THROWS_WITH(flow.provider().confirm(flow.call(), {older.certificate.der, {}}),
                    Catch::Contains("has a newer one"));
  CHECK(flow.client().certificate("sub-key", std::chrono::seconds{20}) == flow.ca->der);
}

TEST_CASE("the certificate is attached to its key at the TSB") {
  Flow flow;
  flow.settings.import_label = "sub-key";
  // First: what is imported afterwards must not be older than the certificate that is there.
  flow.rig.command("tsb create-ca --label sub-key --no-approval");
  flow.make_ca();
  // Where nothing tells whose key it is, the TSB overwrites.
  flow.provider().confirm(flow.call(), {flow.ca->der, {}});
  CHECK(flow.rig.count("POST /v1/certificate/import/plain 200") == 1);
  CHECK(flow.client().certificate("sub-key", std::chrono::seconds{20}) == flow.ca->der);

  // Where its attributes may be read, another key's certificate stays away from it.
  flow.key_for(Role::key_management, flow.rig.api_key("keyManagementToken"));
  flow.made.reset();
  flow.made_client.reset();
  CHECK_THROWS_AS(flow.provider().confirm(flow.call(), {flow.ca->der, {}}), Error);
  CHECK(flow.rig.count("POST /v1/certificate/import/plain 200") == 1);
}

TEST_CASE("a certificate is found in whatever a TSB puts around it, and in a chain file that is not clean") {
  Flow flow({"--generation", "2.5"});
  flow.settings.mode = Mode::certificate;
  flow.make_ca();
  const std::filesystem::path chain = flow.rig.folder().path() / "chain.pem";
  write_file(
      chain,
      to_bytes(x509::write_pem("CERTIFICATE", from_hex("300703050000000000")) + x509::certificate_to_pem(flow.ca->der)),
      FileMode::public_0644, Existing::refuse);
  flow.settings.chain = chain;
  flow.freeze();
  const Issued issued = issue(flow);
  x509::Expectation asked;
  asked.spki = flow.key.subject_public_key_info();
  asked.content = flow.ask.content;
  asked.accept = kAll;
  asked.anchors = {*flow.ca};
  for (const auto& [name, text] : test::odd_bundles(issued.certificate, {flow.ca->der})) {
    CAPTURE(name);
    const Issued read = issued_by(flow.provider(), flow.call(), {IssuedCertificate{to_bytes(text)}, {}});
    CHECK(read.certificate == issued.certificate);
    for (const Bytes& der : read.chain) asked.intermediates.push_back(x509::parse_certificate(der));
    CHECK_FALSE(x509::check_answer(x509::parse_certificate(read.certificate), asked, flow.clock.now()).fatal());
    asked.intermediates.clear();
  }
}
