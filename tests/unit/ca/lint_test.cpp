// The built-in linter: what it finds in certificates that are wrong in one place.
#include "ca/lint.h"

#include "base/error.h"
#include "hierarchy.h"
#include "x509/asn1/der.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <functional>
#include <set>

using namespace hsmbridge;
using namespace hsmbridge::test;
using namespace std::chrono_literals;
using ca::Rules;
using x509::Extension;
namespace der = x509::der;

namespace {

using Extensions = std::vector<Extension>;
using Strings = std::vector<std::string>;

// A TBSCertificate taken apart, so that a test can write what no builder of ours writes.
struct Pieces {
  std::vector<Bytes> fields;  // version, serial, signature, issuer, validity, subject, key, extensions
  Extensions extensions;

  explicit Pieces(const Bytes& tbs) {
    der::Reader reader = der::inside(tbs, der::kSequence, "TBSCertificate");
    while (!reader.at_end()) fields.push_back(to_bytes(reader.any("field").whole));
    extensions = x509::parse_tbs_certificate(tbs).extensions;
  }
  Bytes whole() {
    fields.back() = der::constructed(der::context_constructed(3), x509::encode_extensions(extensions));
    Bytes content;
    for (const Bytes& field : fields) content.insert(content.end(), field.begin(), field.end());
    return der::element(der::kSequence, content);
  }
  Extension& extension(const x509::Oid& oid) {
    return *std::find_if(extensions.begin(), extensions.end(), [&](const Extension& one) { return one.oid == oid; });
  }
  void drop(const x509::Oid& oid) {
    std::erase_if(extensions, [&](const Extension& one) { return one.oid == oid; });
  }
  void put(const Extension& extension) {
    drop(extension.oid);
    extensions.push_back(extension);
  }
};

Bytes utc(const char* text) {
  return der::text(der::kUtcTime, text);
}
Bytes generalized(const char* text) {
  return der::text(der::kGeneralizedTime, text);
}

// A server as the CA/Browser Forum wants it, and a CA above it.
x509::CertificateFields server_fields() {
  static SoftwareSigner key{"ec:P-256"};
  x509::CertificateFields fields;
  fields.serial = x509::random_serial();
  fields.issuer = x509::Name::parse("C=CH, O=Example, CN=Issuing");
  fields.validity = {kNow, kNow + 24h * 90 - 1s};
  fields.spki = key.subject_public_key_info();
  fields.content = server("", {"dns:www.example.com", "ip:198.41.0.4"}).content;
  fields.content.subject = x509::Name::parse("CN=www.example.com");
  fields.content.policies = {x509::parse_policy("2.23.140.1.2.1")};
  fields.content.other_extensions = {
      x509::authority_info_access({}, {"http://ca.example.com/issuing.crt"}),
      x509::crl_distribution_points({"http://ca.example.com/issuing.crl"}),
  };
  fields.authority_key_identifier = Bytes(20, 7);
  fields.algorithm = &x509::signature_algorithm("ecdsa-sha256");
  return fields;
}
x509::CertificateFields sub_ca_fields() {
  x509::CertificateFields fields = server_fields();
  fields.content = authority("").content;
  fields.content.subject = x509::Name::parse("C=CH, O=Example, CN=Issuing");
  fields.content.extended_key_usage = {x509::parse_extended_key_usage("serverAuth")};
  fields.content.policies = {x509::parse_policy("2.5.29.32.0")};
  fields.content.other_extensions = server_fields().content.other_extensions;
  return fields;
}

Strings rules_broken(const Bytes& tbs, const std::vector<Rules>& rules = {}) {
  std::set<std::string> ids;
  for (const ca::LintFinding& finding : ca::lint(tbs, rules, kNow)) ids.insert(finding.rule);
  return {ids.begin(), ids.end()};
}

// Wrong in one place, by the bytes.
Strings broken(const std::function<void(Pieces&)>& change, const x509::CertificateFields& from = server_fields(),
               const std::vector<Rules>& rules = {}) {
  Pieces pieces(x509::build_tbs_certificate(from));
  change(pieces);
  return rules_broken(pieces.whole(), rules);
}
// Wrong in one place, by what is asked of the builder.
Strings asked(const std::function<void(x509::CertificateFields&)>& change, const std::vector<Rules>& rules,
              x509::CertificateFields fields = server_fields()) {
  change(fields);
  return rules_broken(x509::build_tbs_certificate(fields), rules);
}

}  // namespace

TEST_CASE("nothing is found in a server and a CA that are in order") {
  CHECK(rules_broken(x509::build_tbs_certificate(server_fields()), {Rules::cabf_tls}) == Strings{});
  CHECK(rules_broken(x509::build_tbs_certificate(sub_ca_fields()), {Rules::cabf_sub_ca}) == Strings{});
}

TEST_CASE("each rule of RFC 5280 finds what is against it, and no other one does") {
  using namespace x509::oids;
  CHECK(broken([](Pieces& p) { p.fields[1] = der::element(der::kInteger, Bytes{0}); }) == Strings{"rfc5280-serial"});
  CHECK(broken([](Pieces& p) { p.fields[1] = der::element(der::kInteger, Bytes(21, 1)); }) ==
        Strings{"rfc5280-serial"});
  CHECK(broken([](Pieces& p) { p.fields[1] = der::element(der::kInteger, Bytes{0x80}); }) == Strings{"rfc5280-serial"});
  // ecdsa-with-SHA256 has no parameters.
  CHECK(broken([](Pieces& p) {
          p.fields[2] = der::sequence(der::oid(x509::Oid("1.2.840.10045.4.3.2")), der::null());
        }) == Strings{"rfc5280-algorithm"});
  CHECK(broken([](Pieces& p) { p.fields[3] = der::sequence(); }) == Strings{"rfc5280-issuer"});
  CHECK(broken([](Pieces& p) { p.fields[4] = der::sequence(generalized("20260601120000Z"), utc("260801120000Z")); }) ==
        Strings{"rfc5280-times"});
  CHECK(broken([](Pieces& p) { p.fields[4] = der::sequence(utc("260801120000Z"), utc("260601120000Z")); }) ==
        Strings{"rfc5280-validity"});
  CHECK(broken([](Pieces& p) { p.drop(kAuthorityKeyIdentifier); }) == Strings{"rfc5280-authority-key-identifier"});
  CHECK(broken([](Pieces& p) { p.extension(kAuthorityKeyIdentifier).critical = true; }) ==
        Strings{"rfc5280-authority-key-identifier"});
  CHECK(broken([](Pieces& p) { p.extension(kSubjectKeyIdentifier).critical = true; }) ==
        Strings{"rfc5280-subject-key-identifier"});
  CHECK(broken([](Pieces& p) { p.drop(kSubjectKeyIdentifier); }, sub_ca_fields()) ==
        Strings{"rfc5280-subject-key-identifier"});
  CHECK(broken([](Pieces& p) { p.extension(kKeyUsage).critical = false; }) == Strings{"rfc5280-key-usage-critical"});
  CHECK(broken([](Pieces& p) { p.put({kKeyUsage, true, der::named_bits(1U << 5U)}); }) == Strings{"rfc5280-key-usage"});
  CHECK(broken([](Pieces& p) { p.drop(kKeyUsage); }, sub_ca_fields()) == Strings{"rfc5280-key-usage"});
  CHECK(broken([](Pieces& p) { p.extension(kBasicConstraints).critical = false; }, sub_ca_fields()) ==
        Strings{"rfc5280-basic-constraints"});
  CHECK(broken([](Pieces& p) {
          p.put({kBasicConstraints, true, der::sequence(der::integer(0))});
        }) == Strings{"rfc5280-basic-constraints"});
  x509::CertificateFields constrained = sub_ca_fields();
  constrained.content.name_constraints.emplace();
  x509::add_name_constraint(*constrained.content.name_constraints, "permitted;dns:example.com");
  const Bytes with_constraints = x509::build_tbs_certificate(constrained);
  CHECK(rules_broken(with_constraints) == Strings{});
  Pieces constraints(with_constraints);
  CHECK(broken([&](Pieces& p) { p.put(constraints.extension(kNameConstraints)); }) ==
        Strings{"rfc5280-name-constraints"});
  CHECK(broken([](Pieces& p) { p.extension(kNameConstraints).critical = false; }, constrained) ==
        Strings{"rfc5280-name-constraints"});
  CHECK(broken([](Pieces& p) { p.fields[5] = der::sequence(); }) == Strings{"rfc5280-alternative-names"});
  CHECK(broken([](Pieces& p) { p.fields[5] = der::sequence(); }, sub_ca_fields()) == Strings{"rfc5280-subject"});
  CHECK(broken([](Pieces& p) {
          p.fields[5] = der::sequence(der::set_of(
              {der::sequence(der::oid(x509::oids::kCommonName), der::text(der::kTeletexString, "www.example.com"))}));
        }) == Strings{"rfc5280-string-types"});
  const auto subject = [](const std::string& type, std::uint8_t tag, const std::string& value) {
    return broken([&](Pieces& p) {
      p.fields[5] = der::sequence(der::set_of({der::sequence(der::oid(x509::Oid(type)), der::text(tag, value))}));
    });
  };
  const Strings wrong_type{"rfc5280-string-types"};
  CHECK(subject("2.5.4.10", der::kPrintableString, "a@b & <d>") == wrong_type);
  CHECK(subject("2.5.4.3", der::kPrintableString, "*.example.com") == wrong_type);
  CHECK(subject("2.5.4.3", der::kIa5String, "www.example.com") == wrong_type);
  CHECK(subject("2.5.4.6", der::kUtf8String, "CH") == wrong_type);
  CHECK(subject("1.2.840.113549.1.9.1", der::kUtf8String, "ops@example.com") == wrong_type);
  CHECK(subject("1.2.840.113549.1.9.1", der::kIa5String, "example.com") == Strings{"rfc5280-subject"});
  CHECK(subject("2.5.4.6", der::kPrintableString, "CH") == Strings{});
  CHECK(subject("1.2.840.113549.1.9.1", der::kIa5String, "ops@example.com") == Strings{});
  CHECK(subject("2.5.4.10", der::kPrintableString, "Example (Bern), Inc.") == Strings{});
  const auto relative = [](const std::string& one, const std::string& other) {
    const auto attribute = [](const std::string& type) {
      return der::sequence(der::oid(x509::Oid(type)), der::text(der::kUtf8String, "x"));
    };
    return broken(
        [&](Pieces& p) { p.fields[5] = der::sequence(der::constructed(der::kSet, attribute(one), attribute(other))); });
  };
  CHECK(relative("2.5.4.3", "2.5.4.10") == Strings{});
  CHECK(relative("2.5.4.10", "2.5.4.3") == Strings{"rfc5280-relative-names"});
  CHECK(relative("2.5.4.3", "2.5.4.3") == Strings{"rfc5280-relative-names"});
  CHECK(broken([](Pieces& p) {
          p.fields[5] = der::sequence(der::set_of(
              {der::sequence(der::oid(x509::oids::kCommonName), der::text(der::kUtf8String, std::string(65, 'a')))}));
        }) == Strings{"rfc5280-subject"});
  CHECK(broken([](Pieces& p) {
          p.put({kSubjectAltName, false, der::sequence(der::text(der::context(2), "www.exa mple.com"))});
        }) == Strings{"rfc5280-alternative-names"});
  CHECK(broken([](Pieces& p) { p.extension(kAuthorityInfoAccess).critical = true; }) ==
        Strings{"rfc5280-not-critical"});
  CHECK(broken([](Pieces& p) {
          p.fields.back() = {};
          p.fields.emplace_back();
          p.fields[0] = {};
          p.extensions.clear();
        }) == Strings{"rfc5280-encoding"});
  CHECK(rules_broken(Bytes{0x30, 0}) == Strings{"rfc5280-encoding"});
}

TEST_CASE("each rule about keys finds what is against it") {
  const auto with_key = [](const Bytes& spki) { return broken([&](Pieces& p) { p.fields[6] = spki; }); };
  Bytes modulus(256, 0xFF);
  CHECK(with_key(x509::spki_from_rsa(modulus, Bytes{1, 0, 1})) == Strings{});
  CHECK(with_key(x509::spki_from_rsa(modulus, Bytes{3})) == Strings{"key"});
  CHECK(with_key(x509::spki_from_rsa(modulus, Bytes{1, 0, 0})) == Strings{"key"});
  CHECK(with_key(x509::spki_from_rsa(modulus, Bytes(33, 1))) == Strings{"key"});
  modulus.resize(128);
  CHECK(with_key(x509::spki_from_rsa(modulus, Bytes{1, 0, 1})) == Strings{"key"});
}

TEST_CASE("each rule of the CA/Browser Forum about servers finds what is against it") {
  const auto tls = [](const std::function<void(x509::CertificateFields&)>& change) {
    return asked(change, {Rules::cabf_tls});
  };
  using Fields = x509::CertificateFields;
  CHECK(tls([](Fields& f) { f.validity.not_after = kNow + 24h * 200 - 1s; }) == Strings{});
  CHECK(tls([](Fields& f) { f.validity.not_after = kNow + 24h * 200; }) == Strings{"cabf-tls-life"});
  CHECK(tls([](Fields& f) { f.validity.not_before = kNow - 49h; }) == Strings{"cabf-tls-life"});
  CHECK(tls([](Fields& f) { f.content.subject_alternative_names.clear(); }) == Strings{"cabf-tls-names"});
  CHECK(tls([](Fields& f) { f.content.subject = x509::Name::parse("CN=other.example.com"); }) ==
        Strings{"cabf-tls-names"});
  for (const auto* name : {"dns:server", "email:ops@example.com", "dns:1.2.0.192.in-addr.arpa", "dns:1.IN-ADDR.ARPA",
                           "dns:in-addr.arpa", "uri:https://a.example/"}) {
    CAPTURE(name);
    CHECK(tls([&](Fields& f) { f.content.subject_alternative_names.push_back(x509::GeneralName::parse(name)); }) ==
          Strings{"cabf-tls-names"});
  }
  CHECK(tls([](Fields& f) { f.content.critical.subject_alternative_names = true; }) == Strings{"cabf-tls-names"});
  CHECK(tls([](Fields& f) { f.content.extended_key_usage = {x509::parse_extended_key_usage("clientAuth")}; }) ==
        Strings{"cabf-tls-purposes"});
  CHECK(tls([](Fields& f) { f.content.extended_key_usage.push_back(x509::parse_extended_key_usage("codeSigning")); }) ==
        Strings{"cabf-tls-purposes"});
  CHECK(tls([](Fields& f) { f.content.key_usage->add(x509::KeyUsage::key_encipherment); }) ==
        Strings{"cabf-tls-key-usage", "key-usage-of-kind"});
  CHECK(tls([](Fields& f) { f.content.key_usage->add(x509::KeyUsage::key_agreement); }) == Strings{});
  CHECK(tls([](Fields& f) { f.content.policies = {x509::parse_policy("1.2.3.4")}; }) == Strings{"cabf-tls-policy"});
  CHECK(tls([](Fields& f) { f.content.policies.push_back(x509::parse_policy("2.23.140.1.2.2")); }) ==
        Strings{"cabf-tls-policy"});
  CHECK(tls([](Fields& f) { f.content.subject = x509::Name::parse("O=Example, CN=www.example.com"); }) ==
        Strings{"cabf-tls-subject"});
  CHECK(tls([](Fields& f) { f.content.other_extensions.pop_back(); }) == Strings{"cabf-tls-status"});
  CHECK(tls([](Fields& f) {
          f.content.other_extensions = {x509::authority_info_access({"http://ocsp.example.com/"}, {})};
        }) == Strings{});
  CHECK(tls([](Fields& f) { f.content.other_extensions.erase(f.content.other_extensions.begin()); }) ==
        Strings{"cabf-tls-information-access"});
  CHECK(tls([](Fields& f) {
          f.content.policies = {x509::parse_policy("2.23.140.1.2.2")};
          f.content.subject = x509::Name::parse("C=CH, L=Bern, O=Example, OU=Web, CN=www.example.com");
        }) == Strings{"cabf-subject"});
  CHECK(tls([](Fields& f) { f.spki = x509::spki_of_nobody(x509::parse_key_spec("ed25519")); }) == Strings{"cabf-key"});
  CHECK(tls([](Fields& f) { f.algorithm = &x509::signature_algorithm("ed25519"); }) == Strings{"cabf-key"});
}

TEST_CASE("names and addresses that are not of the public Internet are found") {
  const auto with = [](const std::string& name) {
    return asked(
        [&](x509::CertificateFields& f) {
          f.content.subject_alternative_names.push_back(x509::GeneralName::parse(name));
        },
        {Rules::cabf_tls});
  };
  for (const auto* name : {"dns:db.local", "dns:LOCALHOST.LocalDomain.internal", "dns:x.onion", "dns:a.home.arpa",
                           "dns:*.svc.test", "dns:ab--c.example.com"}) {
    CAPTURE(name);
    CHECK(with(name) == Strings{"cabf-tls-names"});
  }
  for (const auto* name : {"dns:local.example.com", "dns:xn--mller-kva.example.com", "dns:a--b.example.com",
                           "dns:www.arpa", "dns:2gzyxa5ihm7nsggfxnu52rck2vv4rvmdlkiu3zzui5du4xyclen53wid.onion"}) {
    CAPTURE(name);
    CHECK(with(name) == Strings{});
  }
  for (const auto* name : {"ip:10.1.2.3", "ip:100.127.255.255", "ip:127.0.0.1", "ip:172.31.0.1", "ip:192.168.1.1",
                           "ip:198.19.0.1", "ip:203.0.113.9", "ip:255.255.255.255", "ip:::1", "ip:fe80::1",
                           "ip:fd00::1", "ip:2001:db8::1", "ip:2002::1", "ip:::ffff:8.8.8.8"}) {
    CAPTURE(name);
    CHECK(with(name) == Strings{"cabf-tls-addresses"});
  }
  for (const auto* name :
       {"ip:9.255.255.255", "ip:100.128.0.0", "ip:172.32.0.1", "ip:198.20.0.1", "ip:2001:200::1", "ip:2600::1"}) {
    CAPTURE(name);
    CHECK(with(name) == Strings{});
  }
}

TEST_CASE("a subject is found that its policy does not permit, that lacks something or is out of order") {
  const auto with = [](const std::string& policy, const std::string& subject) {
    return asked(
        [&](x509::CertificateFields& f) {
          f.content.policies = {x509::parse_policy(policy)};
          f.content.subject = x509::Name::parse(subject);
        },
        {Rules::cabf_tls});
  };
  const std::string dv = "2.23.140.1.2.1", ov = "2.23.140.1.2.2", iv = "2.23.140.1.2.3", ev = "2.23.140.1.1";
  CHECK(with(dv, "C=CH, CN=www.example.com") == Strings{});
  CHECK(with(dv, "CN=www.example.com, C=CH") == Strings{"cabf-subject-order"});
  // Each is one of the alternative names.
  CHECK(with(dv, "CN=www.example.com, CN=198.41.0.4") == Strings{"cabf-subject-order"});
  CHECK(with(ov, "C=CH, ST=Bern, L=Bern, O=Example, CN=www.example.com") == Strings{});
  CHECK(with(ov, "C=CH, L=Bern, O=Example") == Strings{});
  CHECK(with(ov, "C=CH, L=Bern, CN=www.example.com") == Strings{"cabf-tls-subject"});
  CHECK(with(ov, "L=Bern, O=Example") == Strings{"cabf-tls-subject"});
  CHECK(with(ov, "C=CH, O=Example") == Strings{"cabf-tls-subject"});
  CHECK(with(ov, "C=CH, L=Bern, O=Example, GN=Ann") == Strings{"cabf-tls-subject"});
  CHECK(with(ov, "C=CH, L=-, O=Example") == Strings{"cabf-tls-subject"});
  CHECK(with(ov, "C=CH, O=Example, L=Bern") == Strings{"cabf-subject-order"});
  CHECK(with(ov, "DC=com, DC=example, C=CH, L=Bern, street=1, street=2, O=Example") == Strings{});
  CHECK(with(iv, "C=CH, L=Bern, SN=Weber, GN=Ann") == Strings{});
  CHECK(with(iv, "C=CH, L=Bern, SN=Weber") == Strings{"cabf-tls-subject"});
  const std::string more = "businessCategory=Private Organization, jurisdictionC=CH, serialNumber=1, ";
  CHECK(with(ev, more + "C=CH, L=Bern, O=Example") == Strings{});
  CHECK(with(ev, "C=CH, L=Bern, O=Example") == Strings{"cabf-tls-subject"});
}

TEST_CASE("addresses in a certificate that are not plain http are found, and qualifiers that are no CPS") {
  using Fields = x509::CertificateFields;
  const auto with = [](const std::function<void(Fields&)>& change) {
    const Strings tls = asked(change, {Rules::cabf_tls});
    CHECK(asked(change, {Rules::cabf_sub_ca}, sub_ca_fields()) == tls);
    return tls;
  };
  CHECK(with([](Fields& f) {
          f.content.other_extensions[0] = x509::authority_info_access({}, {"https://a.example/c"});
        }) == Strings{"cabf-addresses"});
  CHECK(with([](Fields& f) {
          f.content.other_extensions[0] =
              x509::authority_info_access({"HTTP://a.example/ocsp"}, {"ldap://a.example/c"});
        }) == Strings{"cabf-addresses"});
  CHECK(with([](Fields& f) {
          f.content.other_extensions[0].value = der::sequence(der::sequence(
              der::oid(x509::Oid("1.3.6.1.5.5.7.48.3")), der::text(der::context(6), "http://a.example/time")));
        }) == Strings{"cabf-addresses"});
  CHECK(with([](Fields& f) {
          f.content.other_extensions[1] = x509::crl_distribution_points({"ldap://a.example/crl"});
        }) == Strings{"cabf-addresses"});
  const auto point = [](const Bytes& more) {
    const Bytes name = der::constructed(
        der::context_constructed(0),
        der::constructed(der::context_constructed(0), der::text(der::context(6), "http://a.example/crl")));
    return der::sequence(der::sequence(name, more));
  };
  CHECK(with([&](Fields& f) { f.content.other_extensions[1].value = point({}); }) == Strings{});
  CHECK(with([&](Fields& f) {
          f.content.other_extensions[1].value = point(der::text(der::context(1), std::string("\x06\x40", 2)));
        }) == Strings{"cabf-addresses"});
  CHECK(with([](Fields& f) { f.content.policies[0].cps_uris = {"https://a.example/cps"}; }) == Strings{});
  CHECK(with([](Fields& f) { f.content.policies[0].user_notices.emplace_back(); }) == Strings{"cabf-addresses"});
}

TEST_CASE("each rule of the CA/Browser Forum about CAs finds what is against it") {
  const auto sub_ca = [](const std::function<void(x509::CertificateFields&)>& change) {
    return asked(change, {Rules::cabf_sub_ca}, sub_ca_fields());
  };
  using Fields = x509::CertificateFields;
  CHECK(sub_ca([](Fields& f) { f.content.key_usage = x509::KeyUsages{x509::KeyUsage::key_cert_sign}; }) ==
        Strings{"cabf-sub-ca"});
  CHECK(sub_ca([](Fields& f) { f.validity.not_before = kNow - 25h; }) == Strings{"cabf-sub-ca-start"});
  CHECK(sub_ca([](Fields& f) { f.content.subject = x509::Name::parse("O=Example, CN=Issuing"); }) ==
        Strings{"cabf-sub-ca-subject"});
  CHECK(sub_ca([](Fields& f) { f.content.extended_key_usage.clear(); }) == Strings{"cabf-sub-ca-purposes"});
  CHECK(sub_ca([](Fields& f) { f.content.policies.clear(); }) == Strings{"cabf-sub-ca-policy"});
  CHECK(sub_ca([](Fields& f) { f.content.policies.push_back(x509::parse_policy("2.23.140.1.2.1")); }) ==
        Strings{"cabf-sub-ca-policy"});
  CHECK(sub_ca([](Fields& f) { f.content.other_extensions.pop_back(); }) == Strings{"cabf-sub-ca-crl"});
  CHECK(sub_ca([](Fields& f) { f.content.other_extensions.erase(f.content.other_extensions.begin()); }) ==
        Strings{"cabf-sub-ca-information-access"});
  CHECK(rules_broken(x509::build_tbs_certificate(server_fields()), {Rules::cabf_sub_ca}) ==
        Strings{"cabf-sub-ca", "cabf-sub-ca-subject"});
}

TEST_CASE("every rule has an id of its own and says where it stands") {
  std::set<std::string_view> ids;
  for (const ca::LintRule& rule : ca::lint_rules()) {
    CAPTURE(rule.id);
    CHECK(ids.insert(rule.id).second);
    CHECK(rule.reference.find_first_of("0123456789") != std::string_view::npos);
  }
}

TEST_CASE("only what was linted without an error can be signed") {
  x509::CertificateFields fields = server_fields();
  const Bytes good = x509::build_tbs_certificate(fields);
  CHECK(ca::LintedTbs::of(good, {Rules::cabf_tls}, kNow).octets() == good);
  fields.content.policies.clear();
  const Bytes bad = x509::build_tbs_certificate(fields);
  CHECK_NOTHROW(ca::LintedTbs::of(bad, {}, kNow));
  CHECK_THROWS_WITH(ca::LintedTbs::of(bad, {Rules::cabf_tls}, kNow),
                    "the certificate would not be as the standards say:\n"
                    "  - cabf-tls-policy (BR 7.1.2.7.9): it has 0 of the reserved policies (2.23.140.1…), not one");
}
