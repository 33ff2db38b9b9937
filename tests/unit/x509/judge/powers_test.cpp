#include "unit/x509/check_bench.h"
#include "x509/asn1/der.h"
#include "x509/content/extensions.h"

#include <catch2/catch.hpp>

using namespace hsmbridge;
using namespace hsmbridge::x509;
using hsmbridge::test::at;
using hsmbridge::test::Bench;
using hsmbridge::test::Names;

namespace {

std::vector<Oid> purposes(std::initializer_list<const char*> names) {
  std::vector<Oid> list;
  for (const char* name : names) list.push_back(parse_extended_key_usage(name));
  return list;
}

// The TBSCertificate with other parts: version 1 or 2 instead of 3, without extensions, with a unique identifier.
Bytes of_old_version(const Bytes& tbs, unsigned version, ByteView unique_identifier) {
  der::Reader outer(tbs);
  der::Reader fields = outer.enter(der::kSequence, "TBSCertificate");
  fields.expect(der::context_constructed(0), "version");
  Bytes content;
  if (version == 2) content = der::constructed(der::context_constructed(0), der::integer(1));
  while (!fields.at_end() && fields.peek() != der::context_constructed(3)) der::append(content, fields.any("").whole);
  der::append(content, unique_identifier);
  return der::element(der::kSequence, content);
}

}  // namespace

TEST_CASE("A power that nobody asked for is fatal under its own name until it is accepted") {
  const struct {
    const char* finding;
    void (*change)(Content&);
  } rows[] = {
      {"ocsp-signing-added",
       [](Content& c) {
         c.extended_key_usage = purposes({"serverAuth", "OCSPSigning"});
       }},
      {"any-extended-key-usage-added",
       [](Content& c) {
         c.extended_key_usage = purposes({"serverAuth", "any"});
       }},
      {"any-extended-key-usage-added",
       [](Content& c) {
         c.extended_key_usage = purposes({"serverAuth", "1.3.6.1.4.1.311.10.12.1"});
       }},
      {"code-signing-added",
       [](Content& c) {
         c.extended_key_usage = purposes({"serverAuth", "codeSigning"});
       }},
      {"time-stamping-added",
       [](Content& c) {
         c.extended_key_usage = purposes({"serverAuth", "timeStamping"});
       }},
      // A smart card's logon at Windows, and an agent that enrols for others.
      {"special-usage-added",
       [](Content& c) {
         c.extended_key_usage = purposes({"serverAuth", "1.3.6.1.4.1.311.20.2.2"});
       }},
      {"special-usage-added",
       [](Content& c) {
         c.extended_key_usage = purposes({"serverAuth", "1.3.6.1.4.1.311.20.2.1"});
       }},
      {"crl-sign-added", [](Content& c) { c.key_usage->add(KeyUsage::crl_sign); }},
      {"tls-features-added", [](Content& c) { c.tls_features = {5}; }},
      {"critical-extension-added", [](Content& c) { c.other_extensions = {parse_extension("1.2.3.4:critical:0500")}; }},
  };
  for (const auto& row : rows) {
    CAPTURE(row.finding);
    for (const bool usages_asked : {true, false}) {
      Bench bench;
      Content changed = bench.expected.content;
      row.change(changed);
      const Certificate certificate = bench.issue(changed);
      if (!usages_asked) {
        bench.expected.content.key_usage.reset();
        bench.expected.content.extended_key_usage.clear();
      }
      const auto has = [&](const std::string& name) {
        const auto names = bench.findings(certificate);
        return std::count(names.begin(), names.end(), name) == 1;
      };
      CHECK(has(std::string(row.finding) + "!"));
      bench.expected.accept = {row.finding};
      CHECK(has(row.finding));
      CHECK_FALSE(check_answer(certificate, bench.expected, bench.now).fatal());
    }
  }
}

TEST_CASE("An extension that gives a power is fatal though it is not critical") {
  Bench bench;
  Content changed = bench.expected.content;
  changed.other_extensions = {parse_extension("1.3.6.1.5.5.7.48.1.5:0500")};
  CHECK(bench.findings(bench.issue(changed)) == Names{"ocsp-nocheck-added!"});
  changed.other_extensions = {parse_extension("1.3.6.1.4.1.44363.44:0500")};
  CHECK(bench.findings(bench.issue(changed)) == Names{"delegated-credentials-added!"});
  // The account that Windows takes its holder for.
  changed.other_extensions = {parse_extension("1.3.6.1.4.1.311.25.2:0500")};
  CHECK(bench.findings(bench.issue(changed)) == Names{"account-sid-added!"});
  bench.expected.accept = {"account-sid-added"};
  CHECK(bench.findings(bench.issue(changed)) == Names{"account-sid-added"});
  bench.expected.accept = {};
  // Microsoft's application policies: the same purposes again, and one that signs programs.
  changed.other_extensions = {parse_extension("1.3.6.1.4.1.311.21.10:300c300a06082b06010505070301")};
  CHECK(bench.findings(bench.issue(changed)) == Names{"extension-added"});
  changed.other_extensions = {parse_extension("1.3.6.1.4.1.311.21.10:300c300a06082b06010505070303")};
  CHECK(bench.findings(bench.issue(changed)) == Names{"code-signing-added!", "extension-added"});
  bench.expected.content.other_extensions = changed.other_extensions;
  CHECK(bench.findings(bench.issue(changed)) == Names{});
}

TEST_CASE("What the templates of commercial authorities add is reported and nothing more") {
  Bench bench;
  Content changed = bench.expected.content;
  changed.key_usage->add(KeyUsage::key_encipherment);
  changed.key_usage->add(KeyUsage::key_agreement);
  changed.extended_key_usage = purposes({"serverAuth", "clientAuth", "emailProtection", "1.3.6.1.5.5.7.3.17"});
  changed.policies = {parse_policy("2.23.140.1.2.2;cps:https://ca.example.com/cps")};
  changed.other_extensions = {crl_distribution_points({"http://crl.example.com/"}),
                              authority_info_access({"http://ocsp.example.com/"}, {"http://ca.example.com/ca.cer"}),
                              parse_extension("1.3.6.1.4.1.11129.2.4.2:0400")};
  changed.subject = Name::parse("C=CH, CN=www.example.com, O=EXAMPLE");
  CHECK(bench.findings(bench.issue(changed)) ==
        Names{"subject-order-changed", "key-usage-added", "extended-key-usage-added", "policies-added"});
}

TEST_CASE("An authority that was asked for may sign revocation lists") {
  Bench bench;
  bench.expected.content.basic_constraints = BasicConstraints{true, {}};
  bench.expected.content.key_usage = KeyUsages{KeyUsage::key_cert_sign};
  bench.expected.content.extended_key_usage.clear();
  Content changed = bench.expected.content;
  changed.key_usage->add(KeyUsage::crl_sign);
  CHECK(bench.findings(bench.issue(changed)) == Names{"key-usage-added"});
}

TEST_CASE("A constraint of an authority that is not critical any more is fatal until it is accepted") {
  const struct {
    void (*change)(Content::Critical&);
  } rows[] = {
      {[](Content::Critical& c) { c.basic_constraints = false; }},
      {[](Content::Critical& c) { c.key_usage = false; }},
      {[](Content::Critical& c) { c.name_constraints = false; }},
  };
  for (const auto& row : rows) {
    Bench bench;
    Content& asked = bench.expected.content;
    asked.basic_constraints = BasicConstraints{true, {}};
    asked.key_usage = KeyUsages{KeyUsage::key_cert_sign};
    asked.name_constraints = NameConstraints{};
    add_name_constraint(*asked.name_constraints, "permitted;dns:example.com");
    Content changed = asked;
    row.change(changed.critical);
    const Certificate certificate = bench.issue(changed);
    CHECK(bench.findings(certificate) == Names{"criticality-lost!"});
    bench.expected.accept = {"criticality-lost"};
    CHECK(bench.findings(certificate) == Names{"criticality-lost"});
    // Nobody asked for it to be critical.
    row.change(asked.critical);
    bench.expected.accept.clear();
    CHECK(bench.findings(certificate).empty());
  }
}

TEST_CASE("A certificate of version 1 or 2 and unique identifiers are fatal until they are accepted") {
  Bench bench;
  bench.expected.content = Content{};
  bench.expected.content.subject = Name::parse("CN=www.example.com");
  const Bytes tbs = bench.issue(bench.expected.content).parts.to_be_signed;
  const Certificate first = parse_certificate(bench.intermediate.sign(of_old_version(tbs, 1, {})));
  CHECK(bench.findings(first) == Names{"version-not-3!"});
  const Bytes identifier = der::element(der::context(2), from_hex("00ff"));
  const Certificate second = parse_certificate(bench.intermediate.sign(of_old_version(tbs, 2, identifier)));
  CHECK(bench.findings(second) == Names{"version-not-3!", "unique-identifiers-added!"});
  bench.expected.accept = {"version-not-3", "unique-identifiers-added"};
  CHECK(bench.findings(second) == Names{"version-not-3", "unique-identifiers-added"});
}

TEST_CASE("A validity that nobody asked for has a ceiling") {
  const auto years = [](int number) { return std::chrono::hours(24 * 365 * number); };
  const struct {
    bool authority;
    int years;
    Names findings;
  } rows[] = {
      {false, 1, {}},
      {false, 3, {}},
      {false, 4, {"validity-beyond-ceiling!"}},
      {false, 100, {"validity-beyond-ceiling!"}},
      {true, 15, {}},
      {true, 20, {"validity-beyond-ceiling!"}},
  };
  for (const auto& row : rows) {
    CAPTURE(row.authority, row.years);
    Bench bench;
    if (row.authority) {
      bench.expected.content.basic_constraints = BasicConstraints{true, {}};
      bench.expected.content.key_usage = KeyUsages{KeyUsage::key_cert_sign};
    }
    CertificateFields fields = bench.intermediate.fields_for(bench.expected.content);
    fields.spki = bench.expected.spki;
    fields.validity.not_after = fields.validity.not_before + years(row.years);
    const Certificate certificate = parse_certificate(bench.intermediate.sign(build_tbs_certificate(fields)));
    CHECK(bench.findings(certificate) == row.findings);
    // Where a lifetime was asked for, or dates were fixed, those count.
    bench.expected.lifetime = years(row.years);
    CHECK(bench.findings(certificate).empty());
    bench.expected.lifetime.reset();
    bench.expected.validity = fields.validity;
    CHECK(bench.findings(certificate).empty());
  }
}

TEST_CASE("An issuer that may not certify for the purpose that was asked for is a finding") {
  const struct {
    std::vector<Oid> issuer;
    std::vector<Oid> asked;
    std::vector<Oid> found;
    Names findings;
  } rows[] = {
      {purposes({"emailProtection"}), purposes({"serverAuth"}), purposes({"serverAuth"}), {"issuer-purpose!"}},
      {purposes({"emailProtection"}), {}, purposes({"serverAuth"}), {"issuer-purpose!", "extended-key-usage-added"}},
      {purposes({"serverAuth"}), purposes({"serverAuth"}), purposes({"serverAuth"}), {}},
      {purposes({"emailProtection", "any"}), purposes({"serverAuth"}), purposes({"serverAuth"}), {}},
      {{}, purposes({"serverAuth"}), purposes({"serverAuth"}), {}},
      // What a template added is of no use below this issuer, which harms nobody.
      {purposes({"serverAuth"}),
       purposes({"serverAuth"}),
       purposes({"serverAuth", "clientAuth"}),
       {"extended-key-usage-added"}},
      {purposes({"serverAuth"}), purposes({"OCSPSigning"}), purposes({"OCSPSigning"}), {}},
      // One without usages, or for any purpose, is used for what was asked.
      {purposes({"emailProtection"}), purposes({"serverAuth"}), {}, {"issuer-purpose!", "extended-key-usage-missing!"}},
      {purposes({"emailProtection", "clientAuth"}), purposes({"clientAuth"}), {}, {"extended-key-usage-missing!"}},
      {purposes({"emailProtection"}),
       purposes({"serverAuth"}),
       purposes({"any"}),
       {"issuer-purpose!", "extended-key-usage-changed!", "any-extended-key-usage-added!"}},
      // What it lacks is a deviation of its own.
      {purposes({"serverAuth"}),
       purposes({"serverAuth", "clientAuth"}),
       purposes({"serverAuth"}),
       {"extended-key-usage-changed!"}},
  };
  for (const auto& row : rows) {
    Bench bench;
    Content content = test::TestAuthority::authority_content("CN=Narrow");
    content.extended_key_usage = row.issuer;
    test::TestAuthority narrow(content, bench.root);
    bench.expected.intermediates = {narrow.certificate()};
    bench.expected.content.extended_key_usage = row.asked;
    Content given = bench.expected.content;
    given.extended_key_usage = row.found;
    const Certificate certificate = narrow.issue(bench.expected.spki, given);
    CHECK(bench.findings(certificate) == row.findings);
    if (row.findings != Names{"issuer-purpose!"}) continue;
    CHECK(check_answer(certificate, bench.expected, bench.now).findings[0].explanation ==
          "\"CN=Narrow\" may not certify for serverAuth");
    bench.expected.accept = {"issuer-purpose"};
    CHECK(bench.findings(certificate) == Names{"issuer-purpose"});
  }
}
