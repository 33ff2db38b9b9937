// zlint as a second linter: the real program, and what it might write.
#include "ca/linters/zlint.h"

#include "base/error.h"
#include "ca/crl.h"
#include "ca/linters/root_twin.h"
#include "ca/linters/twin.h"
#include "unit/ca/hierarchy.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <utility>

using namespace hsmbridge;
using namespace hsmbridge::test;
using namespace std::chrono_literals;
using ca::Artefact;

namespace {

std::vector<ca::LintFinding> linted(const ca::ZlintSettings& settings, const Bytes& to_be_signed,
                                    Artefact artefact = Artefact::certificate) {
  return ca::Zlint(settings, 10s).lint(artefact, to_be_signed);
}

std::string trouble(const std::string& output) {
  try {
    ca::zlint_verdict({0, output});
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::unavailable);
    return error.message();
  }
  return "";
}

Bytes server_tbs(bool with_policy) {
  Entity root(authority("C=CH, O=Example, CN=Root"));
  Profile profile = server("CN=www.example.com", {"dns:www.example.com"});
  profile.content.other_extensions = {
      x509::authority_info_access({"http://ocsp.example.com/"}, {"http://ca.example.com/ca.crt"}),
      x509::crl_distribution_points({"http://ca.example.com/ca.crl"})};
  if (with_policy) profile.content.policies = {x509::parse_policy("2.23.140.1.2.1")};
  return Entity(profile, &root).tbs;
}

std::vector<std::string> errors_in(const std::vector<ca::LintFinding>& findings) {
  std::vector<std::string> rules;
  for (const ca::LintFinding& finding : findings) {
    if (finding.severity == ca::LintSeverity::error) rules.push_back(finding.rule);
  }
  return rules;
}

}  // namespace

TEST_CASE("zlint itself judges the very bytes that shall be signed, with a signature of every kind") {
  const ca::ZlintSettings settings;
  const std::string who = ca::Zlint(settings, 10s).said_by(Artefact::certificate);
  CHECK(who.starts_with("zlint "));
  CHECK(who.find_first_not_of("0123456789.", 6) == std::string::npos);
  CHECK(errors_in(linted(settings, server_tbs(true))) == std::vector<std::string>{});
  const auto found = errors_in(linted(settings, server_tbs(false)));
  CHECK(std::find(found.begin(), found.end(), "zlint/e_sub_cert_certificate_policies_missing") != found.end());
  ca::ZlintSettings rfc = settings;
  rfc.sources = {"RFC5280"};
  CHECK(ca::Zlint(rfc, 10s).said_by(Artefact::certificate) == who + " of RFC5280");
  CHECK(errors_in(linted(rfc, server_tbs(false))) == std::vector<std::string>{});
  ca::ZlintSettings without = settings;
  without.exclude = found;
  for (std::string& name : without.exclude) name.erase(0, name.find('/') + 1);
  CHECK(errors_in(linted(without, server_tbs(false))) == std::vector<std::string>{});
  for (const char* algorithm : {"rsa-sha256", "rsa-pss-sha256", "ed25519", "ecdsa-sha512"}) {
    CAPTURE(algorithm);
    Entity root(authority("CN=Root"));
    x509::CertificateFields fields = root.fields;
    fields.algorithm = &x509::signature_algorithm(algorithm);
    const Bytes tbs = x509::build_tbs_certificate(fields);
    CHECK(x509::parse_certificate(ca::twin_of(Artefact::certificate, tbs)).tbs.der == tbs);
    CHECK_NOTHROW(linted(rfc, tbs));
  }
}

TEST_CASE("zlint judges a root by the rules for roots, before its key has signed anything") {
  const auto root_tbs = [](const std::string& algorithm, const Bytes& spki, const x509::Content& more = {}) {
    Profile profile = authority("C=CH, O=Example, CN=Root");
    profile.content.extended_key_usage = more.extended_key_usage;
    x509::CertificateFields fields = Entity(profile).fields;
    fields.spki = spki;
    fields.algorithm = &x509::signature_algorithm(algorithm);
    fields.authority_key_identifier = x509::key_identifier(spki, fields.key_identifier);
    return x509::build_tbs_certificate(fields);
  };
  const auto rules = [&](const Bytes& tbs) {
    auto found = errors_in(linted({}, tbs));
    std::sort(found.begin(), found.end());
    return found;
  };
  for (const auto& [algorithm, kind] : {std::pair("ecdsa-sha256", "ec:P-256"), std::pair("ecdsa-sha384", "ec:P-384"),
                                        std::pair("rsa-sha256", "rsa:3072")}) {
    CAPTURE(kind);
    CHECK(rules(root_tbs(algorithm, SoftwareSigner(kind).subject_public_key_info())) == std::vector<std::string>{});
  }
  // What is wrong with a root, and what is wrong with its own key.
  SoftwareSigner key("ec:P-256");
  x509::Content serving;
  serving.extended_key_usage = {x509::parse_extended_key_usage("serverAuth")};
  CHECK(rules(root_tbs("ecdsa-sha256", key.subject_public_key_info(), serving)) ==
        std::vector<std::string>{"zlint/e_root_ca_extended_key_usage_present"});
  Bytes modulus(128, 0xC5);
  const auto short_key = rules(root_tbs("rsa-sha256", x509::spki_from_rsa(modulus, from_hex("010001"))));
  CHECK(std::find(short_key.begin(), short_key.end(), "zlint/e_rsa_mod_less_than_2048_bits") != short_key.end());
  // Of a CA below another one nothing is changed.
  Entity root(authority("CN=Root"));
  const auto below = rules(Entity(authority("CN=Issuing"), &root).tbs);
  CHECK(std::find(below.begin(), below.end(), "zlint/e_sub_ca_certificate_policies_missing") != below.end());
}

TEST_CASE("the twin of a root is signed by its own key for openssl too, and differs in that key alone") {
  x509::CertificateFields fields = Entity(authority("C=CH, O=Example, CN=Root")).fields;
  fields.authority_key_identifier = x509::key_identifier(fields.spki, fields.key_identifier);
  const Bytes tbs = x509::build_tbs_certificate(fields);
  const auto twins = ca::root_twins(tbs);
  REQUIRE(twins);
  const auto as_root = x509::parse_certificate(x509::read_certificate(as_bytes(twins->as_root)));
  const auto as_other = x509::parse_certificate(x509::read_certificate(as_bytes(twins->as_other)));
  CHECK(openssl_verdict(as_root, {}, as_root, "any").empty());
  CHECK(x509::signature_verifies(as_root, as_root.spki()));
  CHECK_FALSE(x509::signature_verifies(as_other, as_other.spki()));
  CHECK(as_other.tbs.der == as_root.tbs.der);
  const auto own = x509::parse_tbs_certificate(tbs);
  CHECK(as_root.tbs.spki != own.spki);
  CHECK(as_root.tbs.serial == own.serial);
  CHECK(as_root.tbs.validity.not_after == own.validity.not_after);
  CHECK(x509::difference(own.content, as_root.tbs.content).empty());
  // One that names another key as its issuer's is not a root.
  fields.authority_key_identifier = Bytes(20, 1);
  CHECK_FALSE(ca::root_twins(x509::build_tbs_certificate(fields)));
  CHECK_FALSE(ca::root_twins(server_tbs(true)));
}

TEST_CASE("zlint judges the very bytes of a CRL that shall be signed, with a signature of every kind") {
  Entity root(authority("CN=Root"));
  const ca::ZlintSettings settings;
  for (const char* algorithm : {"rsa-sha256", "rsa-pss-sha256", "ed25519", "ecdsa-sha512"}) {
    CAPTURE(algorithm);
    const auto built = [&](unsigned reason, const std::string& point) {
      return ca::crl_to_be_signed({7, kNow, kNow + 24h * 4, {{Bytes{0x40, 1}, kNow, reason}}, point}, *root.certificate,
                                  x509::signature_algorithm(algorithm));
    };
    const Bytes tbs = built(1, "http://ca.example.com/1.crl");
    CHECK(x509::parse_crl(ca::twin_of(Artefact::crl, tbs)).tbs.der == tbs);
    CHECK(errors_in(linted(settings, tbs, Artefact::crl)) == std::vector<std::string>{});
    // The Baseline Requirements do not let a certificate be on hold; the rules that are built in do.
    const auto found = errors_in(linted(settings, built(6, ""), Artefact::crl));
    CHECK(found == std::vector<std::string>{"zlint/e_cab_crl_has_valid_reason_code"});
    // Excluded, as a CA has to whose CRL says cACompromise.
    ca::ZlintSettings without = settings;
    without.exclude = {"e_cab_crl_has_valid_reason_code"};
    CHECK(errors_in(linted(without, built(2, ""), Artefact::crl)) == std::vector<std::string>{});
  }
}

TEST_CASE("whatever is no clear verdict of zlint is a failure") {
  ca::ZlintSettings settings;
  settings.program = "/nonexistent/zlint";
  CHECK_THROWS_WITH(linted(settings, server_tbs(true)), Catch::Contains("could not be started"));
  settings.program = "true";
  CHECK_THROWS_WITH(linted(settings, server_tbs(true)), Catch::Contains("cannot be read"));
  const Bytes crl = ca::crl_to_be_signed({7, kNow, kNow + 24h, {}}, *Entity(authority("CN=Root")).certificate,
                                         x509::signature_algorithm("ecdsa-sha256"));
  CHECK_THROWS_WITH(linted(settings, crl, Artefact::crl), Catch::Contains("cannot be read"));
  settings.program = "false";
  CHECK_THROWS_WITH(linted(settings, crl, Artefact::crl), Catch::Contains("exited with status 1"));
  CHECK_THROWS_WITH(linted(settings, server_tbs(true)), Catch::Contains("exited with status 1"));
  CHECK_THROWS_WITH(ca::Zlint(settings, 10s).said_by(Artefact::certificate),
                    Catch::Contains("does not say that it is ZLint"));
  settings.program = "zlint";
  settings.sources = {"NO_SUCH_SOURCE"};
  CHECK_THROWS_WITH(linted(settings, server_tbs(true)), Catch::Contains("exited with status 1"));

  CHECK(trouble(R"({"e_one":{"result":"pass"}})").empty());
  CHECK(trouble("").find("cannot be read") != std::string::npos);
  CHECK(trouble("{}").find("looked at nothing") != std::string::npos);
  CHECK(trouble("[]").find("cannot be read") != std::string::npos);
  CHECK(trouble(R"({"e_one":{"result":"pass"}} trailing)").find("cannot be read") != std::string::npos);
  CHECK(trouble(R"({"e_one":{"result":"PASS"}})") == "zlint gave no verdict: its result of e_one is 'PASS'");
  CHECK(trouble(R"({"e_one":{"verdict":"pass"}})").find("cannot be read") != std::string::npos);
  CHECK(trouble(R"({"e_one":"pass"})").find("cannot be read") != std::string::npos);
}

TEST_CASE("errors and warnings of zlint are findings, and what it says of them is kept") {
  const auto found = ca::zlint_verdict(
      {0,
       R"({"e_one":{"result":"error","details":"the details"},"w_two":{"result":"warn"},"n_three":{"result":"notice"},)"
       R"("e_four":{"result":"fatal"},"e_five":{"result":"NA"},"e_six":{"result":"NE"},"e_seven":{"result":"info"}})"});
  CHECK(found == std::vector<ca::LintFinding>{
                     {"zlint/e_one", "zlint", ca::LintSeverity::error, "the details"},
                     {"zlint/w_two", "zlint", ca::LintSeverity::warning, "warn"},
                     {"zlint/e_four", "zlint", ca::LintSeverity::error, "fatal"},
                 });
}
