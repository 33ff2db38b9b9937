// What profiles of a CA let in and what they add.
#include "ca/profile.h"

#include "base/error.h"
#include "ca/issue.h"
#include "hierarchy.h"
#include "x509/objects/csr.h"

#include <catch2/catch.hpp>

using namespace hsmbridge;
using namespace hsmbridge::test;
using namespace std::chrono_literals;

namespace {

using Strings = std::vector<std::string>;

ca::Profile tls() {
  ca::Profile profile;
  profile.name = "tls";
  profile.key_usage = x509::KeyUsages{x509::KeyUsage::digital_signature};
  profile.extended_key_usage = {x509::parse_extended_key_usage("serverAuth")};
  profile.policies = {x509::parse_policy("2.23.140.1.2.1;cps:https://ca.example.com/cps")};
  profile.issuer_urls = {"http://ca.example.com/issuing.crt"};
  profile.crl_urls = {"http://ca.example.com/issuing.crl"};
  return profile;
}

x509::Content asked(const std::string& subject = "C=CH, O=Example, CN=www.example.com",
                    const Strings& names = {"dns:www.example.com"}) {
  x509::Content content;
  content.subject = x509::Name::parse(subject);
  for (const std::string& name : names) content.subject_alternative_names.push_back(x509::GeneralName::parse(name));
  return content;
}

const x509::Validity kIssuer{parse_rfc3339("2026-01-01T00:00:00Z"), parse_rfc3339("2036-01-01T00:00:00Z")};

}  // namespace

TEST_CASE("the longest life of a server's certificate is that of the day of signing") {
  const auto on = [](const char* day) { return ca::longest_tls_life(parse_rfc3339(day)) / 24h; };
  CHECK(on("2026-03-14T23:59:59Z") == 398);
  CHECK(on("2026-03-15T00:00:00Z") == 200);
  CHECK(on("2027-03-14T23:59:59Z") == 200);
  CHECK(on("2027-03-15T00:00:00Z") == 100);
  CHECK(on("2029-03-14T23:59:59Z") == 100);
  CHECK(on("2029-03-15T00:00:00Z") == 47);
}

TEST_CASE("a validity is what the profile gives, and ends with the issuer") {
  ca::Profile profile = tls();
  profile.lifetime = 24h * 90;
  profile.backdate = 1h;
  CHECK(ca::validity_of(profile, kIssuer, {}, kNow) == x509::Validity{kNow - 1h, kNow - 1h + 24h * 90 - 1s});
  profile.lifetime = parse_rfc3339("2026-12-31T23:59:59Z");
  CHECK(ca::validity_of(profile, kIssuer, {}, kNow).not_after == parse_rfc3339("2026-12-31T23:59:59Z"));
  profile.lifetime = ca::TlsMaximum{};
  CHECK(ca::validity_of(profile, kIssuer, {}, kNow).not_after == kNow - 1h + 24h * 200 - 1s);

  const x509::Validity short_lived{kNow - 30min, kNow + 24h * 10};
  CHECK(ca::validity_of(profile, short_lived, {}, kNow) == short_lived);
}

TEST_CASE("more time than the profile or the issuer gives is refused, and time that is over") {
  ca::Profile profile = tls();
  CHECK(ca::validity_of(profile, kIssuer, 24h * 10, kNow).not_after == kNow + 24h * 10 - 1s);
  CHECK(ca::validity_of(profile, kIssuer, 24h * 90, kNow).not_after == kNow + 24h * 90 - 1s);
  CHECK_THROWS_WITH(
      ca::validity_of(profile, kIssuer, 24h * 91, kNow),
      "profile tls gives certificates until 2026-08-30T11:59:59Z at most, and 91 days is asked for (until "
      "2026-08-31T11:59:59Z)");
  CHECK_THROWS_WITH(ca::validity_of(profile, {kNow, kNow + 24h}, 24h * 2, kNow),
                    "the issuer ends 2026-06-02T12:00:00Z, and 2 days is asked for (until 2026-06-03T11:59:59Z)");
  profile.lifetime = parse_rfc3339("2026-05-01T00:00:00Z");
  CHECK_THROWS_AS(ca::validity_of(profile, kIssuer, {}, kNow), Error);
}

TEST_CASE("a certificate gets what its profile adds, and what was requested stays") {
  const x509::Content content = ca::completed(tls(), asked());
  CHECK(content.subject == asked().subject);
  CHECK(content.subject_alternative_names == asked().subject_alternative_names);
  CHECK(content.key_usage == tls().key_usage);
  CHECK(content.extended_key_usage == tls().extended_key_usage);
  CHECK(content.policies == tls().policies);
  REQUIRE(content.other_extensions.size() == 2);
  CHECK(content.other_extensions[0].oid == x509::oids::kAuthorityInfoAccess);
  CHECK(content.other_extensions[1].oid == x509::oids::kCrlDistributionPoints);
}

TEST_CASE("what a profile does not name is not certified") {
  CHECK(ca::objections(tls(), asked()) == Strings{});
  const auto objections = [](const auto& change) {
    x509::Content content = asked();
    change(content);
    return ca::objections(tls(), content);
  };
  using Content = x509::Content;
  CHECK(objections([](Content& c) {
          c.key_usage = x509::KeyUsages{x509::KeyUsage::digital_signature, x509::KeyUsage::key_encipherment};
        }) == Strings{"profile tls does not permit the key usage keyEncipherment"});
  CHECK(objections([](Content& c) { c.extended_key_usage = {x509::parse_extended_key_usage("OCSPSigning")}; }) ==
        Strings{"profile tls does not permit the extended key usage OCSPSigning"});
  CHECK(objections([](Content& c) { c.basic_constraints = x509::parse_basic_constraints("CA:TRUE"); }) ==
        Strings{"profile tls makes no CAs"});
  CHECK(objections([](Content& c) { c.policies = {x509::parse_policy("1.2.3.4")}; }) ==
        Strings{"profile tls does not have the policy 1.2.3.4"});
  CHECK(objections([](Content& c) { c.tls_features = {5}; }) == Strings{"profile tls does not permit TLS features"});
  CHECK(objections([](Content& c) {
          c.other_extensions = {{x509::Oid("1.2.3.4"), false, from_hex("0500")}};
        }) == Strings{"profile tls does not permit the extension 1.2.3.4"});
  CHECK(objections([](Content& c) {
          c.other_extensions = {x509::crl_distribution_points({"http://elsewhere.example/"})};
        }) == Strings{"profile tls lets nobody ask for the extension crlDistributionPoints, which the CA gives"});
}

TEST_CASE("a subject keeps the rules of its attributes") {
  ca::Profile profile = tls();
  profile.subject = {{x509::Oid::parse("C"), "CH", {}},
                     {x509::Oid::parse("O"), "Example", {}},
                     {x509::Oid::parse("CN"), "", R"([a-z0-9.-]+\.example\.com)"}};
  const auto objections = [&](const char* subject) { return ca::objections(profile, asked(subject)); };
  CHECK(objections("C=CH, O=Example, CN=www.example.com") == Strings{});
  CHECK(objections("C=CH, O=Example") == Strings{});
  CHECK(objections("O=Example, CN=www.example.com") == Strings{"profile tls requires C=CH in the subject"});
  CHECK(objections("C=CH, O=Other, CN=www.example.com") ==
        Strings{"profile tls permits O to be only \"Example\", not \"Other\""});
  CHECK(objections("C=CH, O=Example, CN=www.example.com.evil.org") ==
        Strings{"profile tls permits CN to be what matches /[a-z0-9.-]+\\.example\\.com/, not "
                "\"www.example.com.evil.org\""});
  CHECK(objections("C=CH, O=Example, OU=Web, CN=www.example.com") ==
        Strings{"profile tls permits no OU in the subject"});
  CHECK_THROWS_AS(ca::matches("a", "("), Error);
}

TEST_CASE("names outside of what a profile certifies are refused, and kinds of names that it does not know") {
  ca::Profile profile = tls();
  x509::add_name_constraint(profile.names, "permitted;dns:example.com");
  x509::add_name_constraint(profile.names, "excluded;dns:secret.example.com");
  const auto objections = [&](const char* name) { return ca::objections(profile, asked("CN=x", {name})); };
  CHECK(objections("dns:www.example.com") == Strings{});
  CHECK(objections("dns:www.example.org").size() == 1);
  CHECK(objections("dns:a.secret.example.com").size() == 1);
  CHECK(objections("ip:192.0.2.1") == Strings{"profile tls permits no name of this kind: ip:192.0.2.1"});
  const auto called = [&](const std::string& name) {
    return ca::objections(profile, asked("CN=" + name, {"dns:www.example.com"}));
  };
  CHECK(called("www.example.com") == Strings{});
  CHECK(called("Web server") == Strings{});
  REQUIRE(called("www.example.org").size() == 1);
  CHECK(called("www.example.org").front().find("the common name www.example.org lies outside") == 0);
  CHECK(called("192.0.2.1") == Strings{"profile tls permits no name of this kind: the common name 192.0.2.1"});
  CHECK(ca::objections(profile, asked("CN=www.example.org", {})).size() == 1);
  for (const char* harmless : {"Example Inc.", "Web server v1.2", "www.example.com www2.example.com",
                               "Example B.V. Issuing CA", "Example S.p.A.", "Example S.A.", "J.R. Smith",
                               "www.example.com:443", "https://www.example.com/login", "Issuing CA: 2026"}) {
    CAPTURE(harmless);
    CHECK(called(harmless) == Strings{});
  }
  for (const char* read : {"www.example.org.",
                           "www.example.org:443",
                           "example.com www.example.org",
                           "ceo@example.org",
                           "www.ex\xd0\xb0mple.com",
                           "(www.example.org)",
                           "https://example.org",
                           "x:example.org",
                           "example.org:x",
                           "https://example.org:443/",
                           "https://example.org/www.example.com",
                           "https://www.example.com@example.org/",
                           "https://example.org@www.example.com/",
                           "mailto:ceo@example.org",
                           "*.example.org",
                           "example.org\\+www.example.com",
                           "example.org!www.example.com",
                           "example.org*www.example.com",
                           "example.org\xc2\xa0www.example.com",
                           "example.org\xe2\x80\x93www.example.com",
                           "www.example\xe3\x80\x82org",
                           "www.example.com/example.org",
                           "https://www.example.com/?to=example.org",
                           "2001:db8::1",
                           "x:2001:db8::1",
                           "[2001:db8::1]:443",
                           "https://192.0.2.1:443/",
                           "192.0.2.1:x"}) {
    CAPTURE(read);
    CHECK(called(read).size() == 1);
  }
  CHECK(ca::objections(profile, asked("CN=x, emailAddress=ceo@example.org", {})) ==
        Strings{"profile tls permits no name of this kind: the mail address ceo@example.org in the subject"});
}

TEST_CASE("a profile that makes CAs certifies whoever asks for one, within its path length") {
  ca::Profile profile = tls();
  profile.key_usage = x509::KeyUsages{x509::KeyUsage::key_cert_sign, x509::KeyUsage::crl_sign};
  profile.basic_constraints = x509::parse_basic_constraints("CA:TRUE,pathlen:0");
  profile.name_constraints.emplace();
  x509::add_name_constraint(*profile.name_constraints, "permitted;dns:example.com");
  const auto with = [&](const char* constraints) {
    x509::Content content = asked("CN=Issuing", {});
    content.basic_constraints = x509::parse_basic_constraints(constraints);
    return content;
  };
  CHECK(ca::objections(profile, with("CA:TRUE,pathlen:0")) == Strings{});
  CHECK(ca::objections(profile, with("CA:TRUE,pathlen:1")) ==
        Strings{"profile tls limits the path length to 0, and 1 is asked for"});
  CHECK(ca::objections(profile, with("CA:TRUE")) ==
        Strings{"profile tls limits the path length to 0, and none is asked for"});
  CHECK(ca::objections(profile, asked("CN=www", {})) ==
        Strings{"profile tls makes CAs, and none is asked for (basic_constraints: CA:TRUE, pathlen:0)"});
  const x509::Content made = ca::completed(profile, with("CA:TRUE,pathlen:0"));
  CHECK(made.name_constraints == profile.name_constraints);
  CHECK(made.critical.name_constraints);
  x509::Content other = with("CA:TRUE,pathlen:0");
  other.name_constraints.emplace();
  x509::add_name_constraint(*other.name_constraints, "permitted;dns:example.org");
  CHECK(ca::objections(profile, other) ==
        Strings{"profile tls has other name constraints than those that are asked for"});
}

TEST_CASE("a draft by a profile is outdated once the profile gives something else, and not before") {
  Entity issuer(authority("CN=Issuing"));
  SoftwareSigner key{"ec:P-256"};
  const auto& algorithm = x509::signature_algorithm("ecdsa-sha256");
  const x509::RequestedContent requested{asked(), {}, {}, {}};
  const Bytes csr = x509::create_csr(key, requested.content, algorithm);
  ca::Profile profile = tls();
  profile.lifetime = ca::TlsMaximum{};
  const Bytes serial = x509::random_serial();
  const Bytes draft =
      ca::draft_to_be_signed(ca::ProfileTerms{algorithm, profile, serial}, *issuer.certificate, requested, csr, kNow);
  const x509::TbsCertificate tbs = x509::parse_tbs_certificate(draft);
  CHECK(tbs.serial == serial);
  CHECK(tbs.content.subject_key_identifier ==
        x509::key_identifier(key.subject_public_key_info(), x509::KeyIdentifierMethod::sha256));
  const ca::Path above = ca::path_above(*issuer.certificate, {}, {*issuer.certificate});
  const auto faults = [&](Instant at) {
    return ca::check_to_be_signed(
        {draft, csr, "ecdsa-sha256", kNow, ca::Draft::Csr::is_signed, &profile, &requested.content},
        *issuer.certificate, above, at);
  };
  CHECK(faults(kNow).reasons == Strings{});
  CHECK(faults(kNow).outdated == Strings{});
  // Of a CSR only the key counts.
  const Bytes plain = x509::create_csr(key, asked("CN=other", {}), algorithm);
  CHECK(x509::parse_tbs_certificate(ca::draft_to_be_signed(ca::ProfileTerms{algorithm, profile, serial},
                                                           *issuer.certificate, requested, plain, kNow))
            .content.subject == requested.content.subject);
  profile.crl_urls = {"http://elsewhere.example/issuing.crl"};
  REQUIRE(faults(kNow).outdated.size() == 1);
  CHECK(faults(kNow).outdated.front().find("profile tls is another one than the draft was built by") == 0);
  profile = tls();
  profile.lifetime = 24h * 30;
  CHECK(faults(kNow).outdated ==
        Strings{
            "the draft ends 2026-12-18T11:59:59Z, and profile tls gives certificates until 2026-07-01T11:59:59Z now"});
  profile.extended_key_usage.clear();
  profile.policies.clear();
  CHECK(faults(kNow).reasons == Strings{});
  CHECK_FALSE(faults(kNow).outdated.empty());
}

TEST_CASE("a root says what its configuration says, and OpenSSL accepts it as an anchor") {
  SoftwareSigner key{"ec:P-384"};
  const auto& algorithm = x509::signature_algorithm("ecdsa-sha384");
  ca::Root root;
  root.subject = x509::Name::parse("C=CH, O=Example, CN=Example Root");
  root.validity = 24h * 7300;
  root.path_length = 1;
  const ca::LintedTbs linted = ca::LintedTbs::of(
      ca::root_to_be_signed(root, algorithm, key.subject_public_key_info(), x509::random_serial(), kNow), {}, kNow);
  const Bytes signature = ca::sign(linted, key, algorithm);
  const auto certificate = x509::parse_certificate(
      x509::assemble_certificate(linted.octets(), algorithm, signature, key.subject_public_key_info()));
  CHECK(certificate.subject() == certificate.issuer());
  CHECK(certificate.tbs.validity == x509::Validity{kNow, kNow + 24h * 7300 - 1s});
  CHECK(x509::to_string(*certificate.content().basic_constraints) == "CA:TRUE, pathlen:1");
  CHECK(certificate.tbs.authority_key_identifier == certificate.content().subject_key_identifier);
  CHECK(openssl_verdict(certificate, {}, certificate, "any") == "");
}
