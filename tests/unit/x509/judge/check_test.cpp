#include "x509/judge/check.h"

#include "unit/x509/check_bench.h"
#include "unit/x509/error_of.h"
#include "x509/asn1/der.h"
#include "x509/content/extensions.h"
#include "x509/judge/chain.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <set>

using namespace hsmbridge;
using namespace hsmbridge::x509;
using hsmbridge::test::at;
using hsmbridge::test::Bench;
using hsmbridge::test::Names;
using hsmbridge::test::refusal;
using hsmbridge::test::SoftwareSigner;
using hsmbridge::test::TestAuthority;

TEST_CASE("A certificate as asked has no finding and its chain is given leaf first") {
  Bench bench;
  const Certificate certificate = bench.issue(bench.expected.content);
  const Answer answer = check_answer(certificate, bench.expected, bench.now);
  CHECK(answer.findings.empty());
  CHECK_FALSE(answer.fatal());
  REQUIRE(answer.chain.size() == 3);
  CHECK(answer.chain[0].der == certificate.der);
  CHECK(answer.chain[1].der == bench.intermediate.certificate().der);
  CHECK(answer.chain[2].der == bench.root.certificate().der);
}

TEST_CASE("Each way in which a certificate may not answer its request has its finding") {
  const struct {
    Names findings;
    void (*change)(Content&);
  } rows[] = {
      {{"san-missing!"}, [](Content& c) { c.subject_alternative_names.pop_back(); }},
      {{"san-dropped!"}, [](Content& c) { c.subject_alternative_names.clear(); }},
      {{"san-unrequested!"},
       [](Content& c) { c.subject_alternative_names.push_back(GeneralName::parse("dns:evil.example")); }},
      {{"ca-unrequested!"},
       [](Content& c) {
         c.basic_constraints = BasicConstraints{true, {}};
       }},
      {{"ca-unrequested!"},
       [](Content& c) {
         c.basic_constraints = BasicConstraints{true, {}};
         c.key_usage->add(KeyUsage::key_cert_sign);
       }},
      {{"subject-changed!"}, [](Content& c) { c.subject = Name::parse("CN=www.example.com"); }},
      {{"subject-changed!", "common-name-changed!"},
       [](Content& c) { c.subject = Name::parse("C=CH, O=Example, CN=evil.example"); }},
      {{"subject-order-changed"}, [](Content& c) { c.subject = Name::parse("CN=www.example.com, O=Example, C=CH"); }},
      {{"subject-case-changed"}, [](Content& c) { c.subject = Name::parse("C=CH, O=EXAMPLE, CN=WWW.example.com"); }},
      {{"key-usage-missing!"}, [](Content& c) { c.key_usage.reset(); }},
      {{"key-usage-changed!", "key-usage-added"},
       [](Content& c) { c.key_usage = KeyUsages{KeyUsage::key_encipherment}; }},
      {{"key-usage-added"}, [](Content& c) { c.key_usage->add(KeyUsage::key_encipherment); }},
      {{"extended-key-usage-missing!"}, [](Content& c) { c.extended_key_usage.clear(); }},
      {{"extended-key-usage-changed!", "extended-key-usage-added"},
       [](Content& c) { c.extended_key_usage = {parse_extended_key_usage("clientAuth")}; }},
      {{"extended-key-usage-added"},
       [](Content& c) { c.extended_key_usage.push_back(parse_extended_key_usage("clientAuth")); }},
      {{"policies-added"}, [](Content& c) { c.policies = {parse_policy("1.2.3")}; }},
      {{"tls-features-added!"}, [](Content& c) { c.tls_features = {5}; }},
      {{"extension-added"}, [](Content& c) { c.other_extensions = {parse_extension("1.2.3.4:0500")}; }},
      {{"critical-extension-added!"},
       [](Content& c) { c.other_extensions = {parse_extension("1.2.3.4:critical:0500")}; }},
      // A precertificate: what an issuer may add is no finding unless it is critical.
      {{"critical-extension-added!"},
       [](Content& c) { c.other_extensions = {parse_extension("1.3.6.1.4.1.11129.2.4.3:critical:0500")}; }},
      {{"critical-extension-added!", "policies-added"},
       [](Content& c) {
         c.policies = {parse_policy("1.2.3")};
         c.critical.policies = true;
       }},
      // netscapeCertType: SSL CA; object signing CA; what cannot be read; SSL server, which is no CA.
      {{"ca-unrequested!", "extension-added"},
       [](Content& c) { c.other_extensions = {parse_extension("2.16.840.1.113730.1.1:03020204")}; }},
      {{"ca-unrequested!", "extension-added"},
       [](Content& c) { c.other_extensions = {parse_extension("2.16.840.1.113730.1.1:03020041")}; }},
      {{"chain-unanchored!", "ca-unrequested!", "extension-added"},
       [](Content& c) {
         c.other_extensions = {{Oid("2.16.840.1.113730.1.1"), false, {0x03, 0x7f}}};
       }},
      {{"extension-added"},
       [](Content& c) { c.other_extensions = {parse_extension("2.16.840.1.113730.1.1:03020640")}; }},
      {{"criticality-changed"}, [](Content& c) { c.critical.key_usage = false; }},
      {{}, [](Content& c) { c.basic_constraints = BasicConstraints{}; }},
      {{}, [](Content& c) { c.other_extensions = {crl_distribution_points({"http://crl.example.com/"})}; }},
      {{}, [](Content& c) { std::swap(c.subject_alternative_names[0], c.subject_alternative_names[1]); }},
  };
  for (const auto& row : rows) {
    Bench bench;
    Content changed = bench.expected.content;
    row.change(changed);
    CHECK(bench.findings(bench.issue(changed)) == row.findings);
  }
}

TEST_CASE("Each thing asked for and not given has its finding") {
  const struct {
    Names findings;
    void (*ask)(Content&);
  } rows[] = {
      {{"basic-constraints-missing!"},
       [](Content& c) {
         c.basic_constraints = BasicConstraints{true, {}};
       }},
      {{"policies-missing!"}, [](Content& c) { c.policies = {parse_policy("1.2.3")}; }},
      {{"tls-features-missing!"}, [](Content& c) { c.tls_features = {5}; }},
      {{"extension-missing!"}, [](Content& c) { c.other_extensions = {parse_extension("1.2.3.4:0500")}; }},
      // Asked for by name, though as a rule only issuers give them: the Microsoft template, CRL distribution points.
      {{"extension-missing!"},
       [](Content& c) { c.other_extensions = {parse_extension("1.3.6.1.4.1.311.21.7:300506032a0304")}; }},
      {{"extension-missing!"}, [](Content& c) { c.other_extensions = {parse_extension("2.5.29.31:3000")}; }},
      {{"criticality-changed"}, [](Content& c) { c.critical.subject_alternative_names = true; }},
      {{"key-usage-added"}, [](Content& c) { c.key_usage.reset(); }},
      {{"extended-key-usage-added"}, [](Content& c) { c.extended_key_usage.clear(); }},
      {{"basic-constraints-missing!", "name-constraints-missing!"},
       [](Content& c) {
         c.basic_constraints = BasicConstraints{true, {}};
         NameConstraints constraints;
         add_name_constraint(constraints, "permitted;dns:example.com");
         c.name_constraints = constraints;
       }},
  };
  for (const auto& row : rows) {
    Bench bench;
    const Certificate certificate = bench.issue(bench.expected.content);
    row.ask(bench.expected.content);
    CHECK(bench.findings(certificate) == row.findings);
  }
}

TEST_CASE("A Netscape CA type that was asked for is no finding and a critical extension may be accepted") {
  Bench bench;
  bench.expected.content.other_extensions = {parse_extension("2.16.840.1.113730.1.1:03020204")};
  CHECK(bench.findings(bench.issue(bench.expected.content)).empty());
  Content changed = bench.expected.content;
  changed.other_extensions.push_back(parse_extension("1.2.3.4:critical:0500"));
  bench.expected.accept = {"critical-extension-added"};
  CHECK(bench.findings(bench.issue(changed)) == Names{"critical-extension-added"});
}

TEST_CASE("Name constraints and policies that read alike and differ as bytes are changed") {
  Bench bench;
  bench.expected.content.basic_constraints = BasicConstraints{true, {}};
  bench.expected.content.key_usage->add(KeyUsage::key_cert_sign);
  NameConstraints constraints;
  add_name_constraint(constraints, "permitted;dirname:O=Example");
  bench.expected.content.name_constraints = constraints;
  Policy policy = parse_policy("1.2.3");
  bench.expected.content.policies = {policy};
  CHECK(bench.findings(bench.issue(bench.expected.content)).empty());

  // O=Example as PrintableString instead of UTF8String.
  Content changed = bench.expected.content;
  Bytes& der = changed.name_constraints->permitted[0].der;
  const auto utf8 = std::find(der.begin(), der.end(), std::uint8_t{0x0c});
  REQUIRE(utf8 != der.end());
  *utf8 = 0x13;
  const Certificate other = bench.issue(changed);
  CHECK(other.content().name_constraints->permitted[0].text == constraints.permitted[0].text);
  CHECK(bench.findings(other) == Names{"name-constraints-changed!"});
  CHECK(check_answer(other, bench.expected, bench.now).findings[0].explanation ==
        "asked permitted dirname:O=Example, found permitted dirname:O=Example, which differs as bytes");

  changed = bench.expected.content;
  changed.policies[0].other_qualifiers = {from_hex("300a06032a03040c03616263")};
  CHECK(bench.findings(bench.issue(changed)) == Names{"policies-added"});
  bench.expected.content.policies = {parse_policy("1.2.3;cps:https://example.com/")};
  CHECK(bench.findings(bench.issue(changed)) == Names{"policies-changed!"});

  // The letter case of a DNS name means nothing.
  NameConstraints dns;
  add_name_constraint(dns, "permitted;dns:example.com");
  bench.expected.content.name_constraints = dns;
  changed = bench.expected.content;
  for (auto& octet : changed.name_constraints->permitted[0].der) {
    if (octet == 'x') octet = 'X';
  }
  CHECK(bench.findings(bench.issue(changed)) == Names{});
}

TEST_CASE("A certificate for another key is fatal whatever is accepted") {
  Bench bench;
  const Certificate certificate =
      bench.intermediate.issue(SoftwareSigner("ec:P-256").subject_public_key_info(), bench.expected.content);
  CHECK(bench.findings(certificate) == Names{"key-differs!"});
  for (const char* name :
       {"key-differs", "signature-bad", "chain-unanchored", "san-missing", "san-unrequested", "ca-unrequested"}) {
    bench.expected.accept = {name};
    CHECK(refusal([&] { bench.findings(certificate); }) == "\"" + std::string(name) + "\" can never be accepted");
  }
  bench.expected.accept = {"nonsense"};
  CHECK(refusal([&] { bench.findings(certificate); }) == "\"nonsense\" is not a finding of the certificate check");
}

TEST_CASE("What a profile accepts by name is reported and not fatal") {
  Bench bench;
  Content changed = bench.expected.content;
  changed.subject = Name::parse("CN=www.example.com");
  changed.subject_alternative_names.clear();
  changed.key_usage.reset();
  changed.extended_key_usage.clear();
  const Certificate certificate = bench.issue(changed);
  CHECK(bench.findings(certificate) ==
        Names{"san-dropped!", "subject-changed!", "key-usage-missing!", "extended-key-usage-missing!"});
  bench.expected.accept = {"subject-changed", "san-dropped", "key-usage-missing"};
  CHECK(bench.findings(certificate) ==
        Names{"extended-key-usage-missing!", "san-dropped", "subject-changed", "key-usage-missing"});
}

TEST_CASE("A serial number of zero is fatal unless accepted") {
  Bench bench;
  CertificateFields fields = bench.intermediate.fields_for(bench.expected.content);
  fields.spki = bench.expected.spki;
  fields.serial = {0x35, 0x35, 0x35};
  Bytes tbs = build_tbs_certificate(fields);
  const Bytes mark = from_hex("0203353535");
  const auto place = std::search(tbs.begin(), tbs.end(), mark.begin(), mark.end());
  REQUIRE(place != tbs.end());
  // 353535 becomes 00 in an INTEGER of one octet: the frame gets shorter by two.
  Bytes shorter(tbs.begin(), place);
  der::append(shorter, from_hex("020100"));
  shorter.insert(shorter.end(), place + 5, tbs.end());
  const std::size_t header = tbs.size() - der::only(tbs, "tbs").content.size();
  const Bytes zero = der::element(der::kSequence, ByteView(shorter).subspan(header));
  const Certificate certificate = parse_certificate(bench.intermediate.sign(zero));
  CHECK(bench.findings(certificate) == Names{"serial-not-positive!"});
  bench.expected.accept = {"serial-not-positive"};
  CHECK(bench.findings(certificate) == Names{"serial-not-positive"});
}

TEST_CASE("A wrong signature and a missing issuer are two findings") {
  Bench bench;
  Certificate certificate = bench.issue(bench.expected.content);
  certificate.der[certificate.der.size() - 4] ^= 1;
  certificate = parse_certificate(certificate.der);
  CHECK(bench.findings(certificate) == Names{"signature-bad!", "chain-unanchored!"});

  const Certificate good = bench.issue(bench.expected.content);
  bench.expected.intermediates.clear();
  CHECK(bench.findings(good) == Names{"chain-unanchored!"});
  bench.expected.anchors = {bench.intermediate.certificate()};  // an anchor need not be self-signed
  CHECK(bench.findings(good).empty());
  bench.expected.anchors.clear();
  CHECK(bench.findings(good) == Names{"chain-unanchored!"});
  bench.expected.anchors = {TestAuthority("CN=Root").certificate()};
  bench.expected.intermediates = {bench.intermediate.certificate()};
  CHECK(bench.findings(good) == Names{"chain-unanchored!"});
}

TEST_CASE("Dates are compared with what was fixed or asked") {
  Bench bench;
  const Certificate certificate = bench.issue(bench.expected.content);  // 90 days from 2026-01-01
  bench.expected.validity = certificate.tbs.validity;
  CHECK(bench.findings(certificate).empty());
  bench.expected.validity->not_after += std::chrono::seconds(1);
  CHECK(bench.findings(certificate) == Names{"validity-changed!"});
  bench.expected.validity.reset();
  const struct {
    int days;
    Names findings;
  } rows[] = {{90, {}}, {85, {}}, {99, {}}, {45, {"validity-longer!"}}, {365, {"validity-shorter!"}}};
  for (const auto& row : rows) {
    bench.expected.lifetime = std::chrono::hours(24 * row.days);
    CHECK(bench.findings(certificate) == row.findings);
  }
  bench.expected.lifetime.reset();
  bench.now = at("2025-12-31T23:58:00Z");  // a clock two minutes behind
  CHECK(bench.findings(certificate).empty());
  bench.now = at("2025-12-31T00:00:00Z");
  CHECK(bench.findings(certificate) == Names{"not-valid-yet!"});
  bench.now = at("2026-05-01T00:00:00Z");
  CHECK(bench.findings(certificate) == Names{"expired!"});
}

TEST_CASE("An earlier version's name for a certificate that is not valid accepts both of today's") {
  Bench bench;
  const Certificate certificate = bench.issue(bench.expected.content);
  CHECK(finding_kind("not-valid-now").acceptable);
  bench.expected.accept = {"not-valid-now"};
  bench.now = at("2025-12-01T00:00:00Z");
  CHECK(bench.findings(certificate) == Names{"not-valid-yet"});
  bench.now = at("2026-05-01T00:00:00Z");
  CHECK(bench.findings(certificate) == Names{"expired"});
  bench.expected.accept = {"not-valid-yet"};
  CHECK(bench.findings(certificate) == Names{"expired!"});
}

TEST_CASE("A DNS name in other letter case is the same name") {
  Bench bench;
  Content changed = bench.expected.content;
  changed.subject_alternative_names[0].der = from_hex("820f5757572e6578616d706c652e636f6d");
  changed.subject_alternative_names[0].text = "dns:WWW.example.com";
  CHECK(bench.findings(bench.issue(changed)).empty());
}

TEST_CASE("An extension of the issuer that was asked for and comes back changed has its finding") {
  Bench bench;
  bench.expected.content.other_extensions = {parse_extension("1.3.6.1.4.1.311.21.7:300506032a0304")};
  Content changed = bench.expected.content;
  changed.other_extensions = {parse_extension("1.3.6.1.4.1.311.21.7:300506032a0305")};
  CHECK(bench.findings(bench.issue(changed)) == Names{"extension-changed!"});
  CHECK(bench.findings(bench.issue(bench.expected.content)).empty());
  bench.expected.content.other_extensions.clear();
  CHECK(bench.findings(bench.issue(changed)).empty());
}

TEST_CASE("Names that are equal by RFC 5280 section 7 are the same name and others are not") {
  const struct {
    const char* asked;
    Bytes found;
    bool same;
  } rows[] = {
      {"email:Ops@example.com", GeneralName::parse("email:Ops@EXAMPLE.com").der, true},
      {"email:Ops@example.com", der::text(der::context(1), "Ops@EXAMPLE.Com"), true},
      {"email:Ops@example.com", der::text(der::context(1), "ops@example.com"), false},
      {"uri:https://example.com/Path", der::text(der::context(6), "HTTPS://Example.COM/Path"), true},
      {"uri:https://example.com/Path", der::text(der::context(6), "https://example.com/path"), false},
      {"uri:https://User@example.com/", der::text(der::context(6), "https://User@EXAMPLE.com/"), true},
      {"uri:https://User@example.com/", der::text(der::context(6), "https://user@example.com/"), false},
      {"uri:urn:A", der::text(der::context(6), "URN:A"), true},
      {"uri:urn:A", der::text(der::context(6), "urn:a"), false},
      // PrintableString instead of UTF8String.
      {"dirname:O=Example", from_hex("a41430123110300e060355040a13074578616d706c65"), true},
      {"dirname:O=Example", from_hex("a41430123110300e060355040a13074578616d706c45"), true},
      {"dirname:O=Example", from_hex("a41430123110300e060355040a13074578616d706c46"), false},
      {"dirname:O=Example, CN=a", GeneralName::parse("dirname:CN=a, O=Example").der, false},
  };
  for (const auto& row : rows) {
    CAPTURE(row.asked);
    Bench bench;
    bench.expected.content.subject_alternative_names = {GeneralName::parse(row.asked)};
    Content changed = bench.expected.content;
    changed.subject_alternative_names = {GeneralName::from_der(row.found)};
    const Names wanted = row.same ? Names{} : Names{"san-missing!", "san-unrequested!"};
    CHECK(bench.findings(bench.issue(changed)) == wanted);
  }
}

TEST_CASE("A critical extension that was asked for does not break the chain") {
  Bench bench;
  bench.expected.content.other_extensions = {parse_extension("1.2.3.4:critical:0500")};
  CHECK(bench.findings(bench.issue(bench.expected.content)).empty());
}

TEST_CASE("A name that an intermediate may not certify makes no chain") {
  for (const bool permitted : {true, false}) {
    Bench bench;
    SoftwareSigner signer("ec:P-256");
    Content content = TestAuthority::authority_content("CN=Constrained");
    NameConstraints constraints;
    add_name_constraint(constraints, permitted ? "permitted;dns:example.com" : "permitted;dns:example.org");
    content.name_constraints = constraints;
    const Certificate constrained = bench.root.issue(signer.subject_public_key_info(), content);
    bench.expected.content.subject_alternative_names = {GeneralName::parse("dns:www.example.com")};
    CertificateFields fields = fields_for_issuer(constrained);
    fields.serial = random_serial();
    fields.validity = constrained.tbs.validity;
    fields.spki = bench.expected.spki;
    fields.content = bench.expected.content;
    fields.algorithm = &signature_algorithm("ecdsa-sha256");
    const Bytes tbs = build_tbs_certificate(fields);
    const Certificate leaf = parse_certificate(assemble(tbs, *fields.algorithm, signer.sign(tbs, *fields.algorithm)));
    const ChainResult result = build_chain(leaf, {constrained}, {bench.root.certificate()}, bench.now);
    CHECK(result.anchored == permitted);
    if (!permitted) CHECK(result.why.find("permitted subtree violation") != std::string::npos);
  }
}

TEST_CASE("An intermediate that is no authority makes no chain") {
  Bench bench;
  SoftwareSigner key("ec:P-256");
  Content content;
  content.subject = Name::parse("CN=leaf");
  const Certificate leaf = bench.root.issue(key.subject_public_key_info(), content);
  CertificateFields fields = fields_for_issuer(leaf);
  fields.serial = random_serial();
  fields.validity = leaf.tbs.validity;
  fields.spki = bench.expected.spki;
  fields.content = bench.expected.content;
  fields.algorithm = &signature_algorithm("ecdsa-sha256");
  const Bytes tbs = build_tbs_certificate(fields);
  const Certificate forged = parse_certificate(assemble(tbs, *fields.algorithm, key.sign(tbs, *fields.algorithm)));
  const ChainResult result = build_chain(forged, {leaf}, {bench.root.certificate()}, bench.now);
  CHECK_FALSE(result.anchored);
  CHECK(result.chain.empty());
  CHECK(result.why.find("invalid CA certificate") != std::string::npos);
}

TEST_CASE("Names of findings are unique and found again") {
  std::set<std::string_view> seen;
  for (const FindingKind& kind : finding_kinds()) {
    CHECK(seen.insert(kind.name).second);
    CHECK(&finding_kind(kind.name) == &kind);
    CHECK_FALSE(kind.explanation.empty());
  }
}

TEST_CASE("A certificate that OpenSSL cannot read is a finding and no error") {
  Bench bench;
  CertificateFields fields = bench.intermediate.fields_for(bench.expected.content);
  fields.spki = bench.expected.spki;
  fields.content.subject = Name::parse("CN=a");
  Bytes tbs = build_tbs_certificate(fields);
  const Bytes text = from_hex("0c0161");  // becomes a UTF8String that is no UTF-8
  const auto at = std::search(tbs.begin(), tbs.end(), text.begin(), text.end());
  REQUIRE(at != tbs.end());
  at[2] = 0xff;
  const Certificate unreadable = parse_certificate(bench.intermediate.sign(tbs));
  const auto names = bench.findings(unreadable);
  CHECK(std::count(names.begin(), names.end(), "chain-unanchored!") == 1);
  // Beside a good one it does not matter.
  bench.expected.intermediates.push_back(unreadable);
  CHECK(bench.findings(bench.issue(bench.expected.content)) == Names{});
}

TEST_CASE("bytes that nobody signed yet are judged by the same rules but for signature and chain") {
  Bench bench;
  Content content = bench.expected.content;
  content.subject = Name::parse("CN=evil");
  content.basic_constraints = parse_basic_constraints("CA:TRUE");
  bench.expected.anchors.clear();
  const Certificate certificate = bench.issue(content);
  Names before_signing;
  for (const Finding& finding : check_to_be_signed(certificate.tbs, bench.expected, bench.now)) {
    before_signing.push_back(finding.name + (finding.severity == Severity::fatal ? "!" : ""));
  }
  CHECK(before_signing == Names{"ca-unrequested!", "subject-changed!", "common-name-changed!"});
  Names with_signature = bench.findings(certificate);
  with_signature.erase(std::remove(with_signature.begin(), with_signature.end(), "chain-unanchored!"),
                       with_signature.end());
  CHECK(with_signature == before_signing);
  CHECK(check_to_be_signed(bench.issue(bench.expected.content).tbs, bench.expected, bench.now).empty());
}

TEST_CASE("A certificate for the same key in another encoding is reported and not for another key") {
  for (const char* kind : {"rsa:2048", "ec:P-256"}) {
    Bench bench;
    test::SoftwareSigner key(kind);
    const Bytes spki = key.subject_public_key_info();
    bench.expected.spki = spki;
    Bytes other;
    if (key.spec().type == KeyType::rsa) {
      other = spki;
      const Bytes null = from_hex("0500");
      const auto at = std::search(other.begin(), other.end(), null.begin(), null.end());
      other = der::sequence(from_hex("300b06092a864886f70d010101"),
                            ByteView(&*at + 2, static_cast<std::size_t>(other.end() - at) - 2));
    } else {
      const Bytes point(spki.end() - 65, spki.end());
      Bytes compressed{static_cast<std::uint8_t>(2 + (point.back() & 1))};
      der::append(compressed, ByteView(point).subspan(1, 32));
      other = der::sequence(from_hex("301306072a8648ce3d020106082a8648ce3d030107"), der::bit_string(compressed));
    }
    const Certificate certificate = bench.intermediate.issue(other, bench.expected.content);
    CHECK(bench.findings(certificate) == Names{"key-encoding-changed"});
    // Asked in the other encoding, found in the usual one.
    bench.expected.spki = other;
    CHECK(bench.findings(bench.intermediate.issue(spki, bench.expected.content)) == Names{"key-encoding-changed"});
  }
}
