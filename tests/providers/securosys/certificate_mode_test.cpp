#include "providers/securosys/certificate_mode.h"

#include "base/error.h"
#include "providers/securosys/signing.h"
#include "test_ca.h"
#include "x509/judge/check.h"

#include <catch2/catch.hpp>

using namespace hsmbridge;
using namespace hsmbridge::securosys;
using namespace std::chrono_literals;

namespace {

struct Case {
  x509::RequestedContent ask = test::server_ask();
  test::SoftwareSigner key{"ec:P-256"};
  Settings settings;
  std::optional<x509::Certificate> issuer = {};

  std::vector<std::string> check(Generation generation) {
    return check_certificate_request(settings, generation, ask, issuer);
  }
  CertificateSignRequest request(Generation generation) {
    return certificate_sign_request(generation, ask, x509::parse_csr(test::csr_for(key, ask)));
  }
};

bool names(const std::vector<std::string>& reasons, std::string_view text) {
  for (const std::string& reason : reasons) {
    if (reason.find(text) != std::string::npos) return true;
  }
  return false;
}

}  // namespace

TEST_CASE("an older TSB is refused everything it would drop and each by name") {
  Case one;
  const std::vector<std::string> reasons = one.check(Generation::classic);
  REQUIRE(reasons.size() == 6);
  CHECK(names(reasons, "subject-changed"));
  CHECK(names(reasons, "san-dropped"));
  CHECK(names(reasons, "key-usage-missing"));
  CHECK(names(reasons, "extended-key-usage-missing"));
  CHECK(names(reasons, "validity-longer"));
  CHECK(names(reasons, "serial-not-positive"));
  one.ask.accept = {"subject-changed",     "san-dropped",    "key-usage-missing", "extended-key-usage-missing",
                    "serial-not-positive", "validity-longer"};
  CHECK(one.check(Generation::classic).empty());
  one.ask.accept.pop_back();
  CHECK(one.check(Generation::classic).size() == 1);
}

TEST_CASE("an issuer's key that the TSB issues no certificates with is refused though no algorithm is configured") {
  Case one;
  one.ask.content.subject = x509::Name::parse("CN=www.example.com");
  const auto refused = [&](Generation generation) {
    return names(one.check(generation), "the TSB issues no certificates with ed25519");
  };
  one.issuer = test::TestCa("ed25519").certificate;
  CHECK(refused(Generation::classic));
  CHECK_FALSE(refused(Generation::modern));
  one.issuer = test::TestCa("ec:P-256").certificate;
  CHECK_FALSE(refused(Generation::classic));
  one.settings.algorithm = "rsa-sha256";
  CHECK(names(one.check(Generation::classic), "does not fit the issuer's key"));
}

TEST_CASE("every name that a profile may accept here is one of the table and acceptable") {
  for (const std::string_view name :
       {accepted::kSubject, accepted::kAlternativeNames, accepted::kUsage, accepted::kExtendedUsage,
        accepted::kOtherExtendedUsage, accepted::kConstraints, accepted::kNoConstraints, accepted::kNameConstraints,
        accepted::kPolicies, accepted::kTlsFeatures, accepted::kExtension, accepted::kSerial, accepted::kShorter,
        accepted::kLonger}) {
    CAPTURE(name);
    CHECK(x509::finding_kind(name).acceptable);
  }
}

TEST_CASE("a common name that would become other names is refused whatever is accepted") {
  for (const std::string name :
       {"a\\,O=Evil", "a\\+O=Evil", "a\\=b", "a\\\"b", "a\\\\b", "a\\<b", "a\\;b", "\\#a", "\\ a", "a\\ "}) {
    CAPTURE(name);
    Case one;
    one.ask.content.subject = x509::Name::parse("CN=" + name);
    one.ask.content.subject_alternative_names.clear();
    one.ask.content.key_usage.reset();
    one.ask.content.extended_key_usage.clear();
    one.ask.validity = {};
    one.ask.accept = {"serial-not-positive", "subject-changed"};
    CHECK(one.check(Generation::classic).size() == 1);
    CHECK(one.check(Generation::modern).size() == 1);
    CHECK_THROWS_AS(one.request(Generation::classic), Error);
  }
}

TEST_CASE("a subject without exactly one common name is refused") {
  Case one;
  one.ask.accept = {"subject-changed",     "san-dropped",    "key-usage-missing", "extended-key-usage-missing",
                    "serial-not-positive", "validity-longer"};
  one.ask.content.subject = x509::Name::parse("O=Example");
  CHECK(names(one.check(Generation::classic), "exactly one common name"));
  one.ask.content.subject = x509::Name::parse("CN=a, CN=b");
  CHECK(names(one.check(Generation::modern), "exactly one common name"));
}

TEST_CASE("a newer TSB carries the usual subject names and whole days") {
  Case one;
  CHECK(one.check(Generation::modern).empty());
  const CertificateSignRequest request = one.request(Generation::modern);
  REQUIRE(request.modern);
  CHECK(request.modern->attributes ==
        std::vector<std::pair<std::string, std::string>>{
            {"country", "CH"}, {"organizationName", "Example"}, {"commonName", "www.example.com"}});
  CHECK(request.modern->names ==
        std::vector<std::pair<std::string, std::string>>{{"DNS", "www.example.com"}, {"IP", "192.0.2.1"}});
  CHECK(request.modern->validity_days == 30);
  CHECK(request.key_usage == std::vector<std::string>{"DIGITAL_SIGNATURE"});
  CHECK(request.extended_key_usage == std::vector<std::string>{"SERVER_AUTH"});
  CHECK(request.csr_pem.starts_with("-----BEGIN CERTIFICATE REQUEST-----\n"));

  one.ask.validity = 36h;
  CHECK(one.check(Generation::modern).size() == 1);
}

TEST_CASE("a newer TSB is refused a subject in another order and what it has no field for") {
  Case one;
  one.ask.content.subject = x509::Name::parse("CN=www.example.com, O=Example");
  CHECK(names(one.check(Generation::modern), "order"));
  one.ask.content.subject = x509::Name::parse("O=Example, serialNumber=5, CN=www.example.com");
  CHECK(names(one.check(Generation::modern), "does not carry serialNumber"));
  one.ask.content.subject = x509::Name::parse("O=Example, OU=a, OU=b, CN=www.example.com");
  CHECK(names(one.check(Generation::modern), "carries one OU"));
  one.ask = test::server_ask();
  one.ask.content.subject_alternative_names.push_back(x509::GeneralName::parse("rid:1.2.3"));
  one.ask.accept = {"san-dropped"};
  // half of the names is never acceptable
  CHECK(names(one.check(Generation::modern), "rid:1.2.3"));
}

TEST_CASE("a path length and extensions that no field carries are refused") {
  Case one;
  one.ask.content.basic_constraints = x509::parse_basic_constraints("CA:TRUE,pathlen:0");
  one.ask.content.key_usage = x509::KeyUsages{x509::KeyUsage::key_cert_sign};
  one.ask.content.policies = {x509::parse_policy("1.2.3.4")};
  one.ask.content.tls_features = {5};
  one.ask.content.name_constraints.emplace();
  x509::add_name_constraint(*one.ask.content.name_constraints, "permitted;dns:example.com");
  one.ask.content.other_extensions = {x509::parse_extension("1.2.3.5:0500")};
  const std::vector<std::string> reasons = one.check(Generation::modern);
  CHECK(reasons.size() == 5);
  CHECK(one.request(Generation::modern).certificate_authority);
}

TEST_CASE("an algorithm that keytool has no name for is refused") {
  Case one;
  one.settings.algorithm = "rsa-pss-sha256";
  CHECK(one.check(Generation::modern).size() == 1);
  one.settings.algorithm = "ed25519";
  CHECK(one.check(Generation::modern).empty());
}

TEST_CASE("the TSB has a word for every algorithm of ours and issues without PSS") {
  for (const x509::SignatureAlgorithm& row : x509::signature_algorithms()) {
    CAPTURE(std::string(row.name));
    CHECK_FALSE(algorithm_word(row.name).empty());
    const bool pss = row.token_input == x509::TokenInput::pss_digest;
    CHECK(issues_certificates_with(row.name, Generation::modern) == !pss);
    CHECK(issues_certificates_with(row.name, Generation::classic) == (!pss && row.name != "ed25519"));
  }
  CHECK(algorithm_word("rsa-md5").empty());
}
