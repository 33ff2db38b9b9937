#include "x509/objects/certificate.h"

#include "base/error.h"
#include "base/file.h"
#include "unit/x509/error_of.h"
#include "unit/x509/full_content.h"
#include "unit/x509/other_program.h"
#include "unit/x509/test_authority.h"
#include "x509/content/extensions.h"
#include "x509/objects/csr.h"
#include "x509/objects/pem.h"

#include <catch2/catch.hpp>
#include <set>

using namespace hsmbridge;
using namespace hsmbridge::x509;
using hsmbridge::test::at;
using hsmbridge::test::contains;
using hsmbridge::test::refusal;
using hsmbridge::test::run_program;
using hsmbridge::test::SoftwareSigner;
using hsmbridge::test::TestAuthority;

namespace {

std::string corruption(const Bytes& tbs, const CertificateFields& fields) {
  try {
    prove_tbs_certificate(tbs, fields);
  } catch (const Error& error) {
    return std::string(to_string(error.kind())) + " " + error.message();
  }
  return "proved";
}

}  // namespace

TEST_CASE("A certificate signed with any algorithm is accepted by openssl and certtool") {
  for (const SignatureAlgorithm& algorithm : signature_algorithms()) {
    CAPTURE(std::string(algorithm.name));
    SoftwareSigner signer(test::usual_key_for(algorithm));
    CertificateFields fields;
    fields.serial = random_serial();
    fields.content = TestAuthority::authority_content("C=CH, CN=Root");
    fields.issuer = fields.content.subject;
    fields.spki = signer.subject_public_key_info();
    fields.validity = {at("2026-01-01T00:00:00Z"), at("2056-01-01T00:00:00Z")};
    fields.algorithm = &algorithm;
    const Bytes tbs = build_tbs_certificate(fields);
    CHECK(corruption(tbs, fields) == "proved");
    const Bytes der = assemble_certificate(tbs, algorithm, signer.sign(tbs, algorithm), fields.spki);
    const std::string pem = certificate_to_pem(der);
    const auto openssl =
        run_program({"openssl", "verify", "-check_ss_sig", "-x509_strict", "-CAfile", "{}", "{}"}, as_bytes(pem));
    INFO(openssl.output);
    CHECK(openssl.exit_code == 0);
    const auto certtool =
        run_program({"certtool", "--verify", "--load-ca-certificate", "{}", "--infile", "{}"}, as_bytes(pem));
    INFO(certtool.output);
    CHECK(certtool.exit_code == 0);
    CHECK(signature_verifies(parse_certificate(der), fields.spki));
  }
}

TEST_CASE("A certificate carries everything that its request asked for") {
  TestAuthority root("C=CH, O=Example, CN=Root");
  SoftwareSigner key("ec:P-384");
  const Content asked = test::full_content();
  const Certificate certificate = root.issue(key.subject_public_key_info(), asked);
  Content expected = asked;
  expected.challenge_password.reset();
  expected.subject_key_identifier = key_identifier(key.subject_public_key_info());
  CHECK(difference(expected, certificate.content()).empty());
  CHECK(certificate.issuer() == root.certificate().subject());
  CHECK(certificate.issuer().der() == root.certificate().subject().der());
  CHECK(certificate.tbs.authority_key_identifier == root.certificate().content().subject_key_identifier);
  CHECK(certificate.tbs.version == 3);
  CHECK(certificate.tbs.validity == Validity{at("2026-01-01T00:00:00Z"), at("2026-04-01T00:00:00Z")});
  const auto openssl = run_program({"openssl", "x509", "-noout", "-text", "-nameopt", "utf8", "-in", "{}"},
                                   as_bytes(certificate_to_pem(certificate.der)));
  for (const char* part :
       {"Issuer: C=CH, O=Example, CN=Root", "Not Before: Jan  1 00:00:00 2026 GMT", "O=Müller & Söhne",
        "DNS:xn--mller-kva.example", "CA:TRUE, pathlen:3", "Explicit Text: Only for tests"}) {
    CAPTURE(part);
    CHECK(contains(openssl.output, part));
  }
}

TEST_CASE("Dates are UTCTime through 2049 and GeneralizedTime from 2050") {
  TestAuthority root("CN=Root");
  CertificateFields fields = root.fields_for(TestAuthority::authority_content("CN=Sub"));
  fields.spki = SoftwareSigner("ed25519").subject_public_key_info();
  fields.validity = {at("2049-12-31T23:59:59Z"), at("2050-01-01T00:00:00Z")};
  const Bytes tbs = build_tbs_certificate(fields);
  CHECK(contains(hex(tbs),
                 hex(from_hex("170d")) + hex(to_bytes("491231235959Z")) + "180f" + hex(to_bytes("20500101000000Z"))));
  CHECK(corruption(tbs, fields) == "proved");
}

TEST_CASE("A to-be-signed certificate that differs in any field is refused by its name") {
  TestAuthority root("CN=Root");
  CertificateFields asked = root.fields_for(test::full_content());
  asked.spki = SoftwareSigner("ec:P-256").subject_public_key_info();
  const struct {
    const char* field;
    void (*change)(CertificateFields&);
  } rows[] = {
      {"serial number:", [](CertificateFields& f) { f.serial = random_serial(); }},
      {"issuer:", [](CertificateFields& f) { f.issuer = Name::parse("CN=root"); }},
      {"notBefore:", [](CertificateFields& f) { f.validity.not_before += std::chrono::seconds(1); }},
      {"notAfter:", [](CertificateFields& f) { f.validity.not_after -= std::chrono::seconds(1); }},
      {"signature algorithm:", [](CertificateFields& f) { f.algorithm = &signature_algorithm("ecdsa-sha384"); }},
      {"public key:", [](CertificateFields& f) { f.spki = SoftwareSigner("ec:P-256").subject_public_key_info(); }},
      {"subject:", [](CertificateFields& f) { f.content.subject = Name::parse("CN=x"); }},
      {"basic constraints:", [](CertificateFields& f) { f.content.basic_constraints->path_length = 0; }},
      {"authority key identifier:", [](CertificateFields& f) { f.authority_key_identifier = Bytes(20); }},
      {"authority key identifier:", [](CertificateFields& f) { f.authority_key_identifier.reset(); }},
  };
  CHECK(corruption(build_tbs_certificate(asked), asked) == "proved");
  for (const auto& row : rows) {
    CAPTURE(row.field);
    CertificateFields changed = asked;
    row.change(changed);
    const std::string message = corruption(build_tbs_certificate(changed), asked);
    CAPTURE(message);
    CHECK(message.rfind(std::string("corrupt the certificate that was built is not what was asked: ") + row.field, 0) ==
          0);
  }
  CHECK(contains(corruption(from_hex("3000"), asked), "it cannot be read back"));
}

TEST_CASE("A certificate that cannot be is not built") {
  TestAuthority root("CN=Root");
  CertificateFields good = root.fields_for(TestAuthority::authority_content("CN=Sub"));
  good.spki = SoftwareSigner("ed25519").subject_public_key_info();
  const struct {
    const char* message;
    void (*change)(CertificateFields&);
  } rows[] = {
      {"serial number 00:", [](CertificateFields& f) { f.serial = {0}; }},
      {"serial number :", [](CertificateFields& f) { f.serial = {}; }},
      {"serial number ff:", [](CertificateFields& f) { f.serial = {0xFF}; }},
      {"serial number ", [](CertificateFields& f) { f.serial = Bytes(21, 1); }},
      {"issuer: the name is empty", [](CertificateFields& f) { f.issuer = Name(); }},
      {"validity: it ends", [](CertificateFields& f) { std::swap(f.validity.not_before, f.validity.not_after); }},
      {"extension authorityKeyIdentifier:",
       [](CertificateFields& f) { f.content.other_extensions = {authority_key_identifier(Bytes(20))}; }},
  };
  for (const auto& row : rows) {
    CertificateFields fields = good;
    row.change(fields);
    CHECK(refusal([&] { build_tbs_certificate(fields); }).rfind(row.message, 0) == 0);
  }
}

TEST_CASE("A signature that is not the issuer's never becomes a certificate") {
  TestAuthority root("CN=Root"), other("CN=Root");
  CertificateFields fields = root.fields_for(TestAuthority::authority_content("CN=Sub"));
  fields.spki = SoftwareSigner("ed25519").subject_public_key_info();
  const Bytes tbs = build_tbs_certificate(fields);
  const Bytes signature = other.signer().sign(tbs, root.algorithm());
  CHECK(refusal([&] { assemble_certificate(tbs, root.algorithm(), signature, root.certificate().spki()); }) ==
        "corrupt");
  CHECK(refusal([&] { assemble_certificate(tbs, root.algorithm(), signature, other.certificate().spki()); }) ==
        "accepted");
}

TEST_CASE("Serial numbers are positive, 20 octets and differ") {
  std::set<Bytes> seen;
  std::set<int> first;
  for (int i = 0; i < 1000; ++i) {
    const Bytes serial = random_serial();
    REQUIRE(serial.size() == 20);
    CHECK(serial_sign(serial) == SerialSign::positive);
    first.insert(serial[0]);
    CHECK(seen.insert(serial).second);
  }
  CHECK(*first.begin() >= 0x40);
  CHECK(*first.rbegin() <= 0x7F);
  CHECK(serial_text(from_hex("00ff")) == "ff");
  CHECK(serial_text(from_hex("00")) == "00");
  CHECK(serial_text(from_hex("ff")) == "-01");
  CHECK(serial_text(from_hex("ff00")) == "-0100");
}

TEST_CASE("A request of openssl with everything is read without loss") {
  const Csr csr = parse_csr(read_csr(read_file(HSMBRIDGE_TEST_DATA "/x509/everything.csr")));
  CHECK(signature_verifies(csr));
  const Content& content = csr.content;
  CHECK(content.subject.to_string() == "C=CH, O=Zürich+OU=Łódź, CN=www.example.com");
  std::vector<std::string> names;
  for (const GeneralName& name : content.subject_alternative_names) names.push_back(name.text);
  CHECK(names == std::vector<std::string>{"dns:www.example.com", "ip:192.0.2.7", "ip:2001:db8::7",
                                          "email:ops@example.com", "uri:urn:example:7", "rid:1.2.3.4",
                                          "upn:user@example.com", "othername:1.2.3.4;BMP:text",
                                          "dirname:C=CH, O=Example"});
  CHECK(to_string(*content.key_usage) == "keyAgreement, keyCertSign, cRLSign, decipherOnly");
  CHECK(to_string(*content.basic_constraints) == "CA:TRUE, pathlen:2");
  CHECK(content.extended_key_usage ==
        std::vector<Oid>{Oid("1.3.6.1.5.5.7.3.1"), Oid("1.3.6.1.5.5.7.3.3"), Oid("1.2.3.4")});
  CHECK(content.name_constraints->permitted[0].text == "dns:.example.com");
  CHECK(content.name_constraints->excluded[0].text == "ip:10.0.0.0/8");
  CHECK(to_string(content.policies[0]) == "2.5.29.32.0");
  CHECK(to_string(content.policies[1]) ==
        "1.3.6.1.4.1.55555.9;cps:https://example.com/cps;notice of Example number 1 2;notice:Only for tests");
  CHECK(content.tls_features == std::vector<std::uint64_t>{5});
  CHECK(content.other_extensions ==
        std::vector<Extension>{{Oid("1.3.6.1.4.1.55555.7"), true, from_hex("0c0568656c6c6f")}});
  CHECK(content.subject_key_identifier == key_identifier(csr.spki));
  const Csr gnutls = parse_csr(read_csr(read_file(HSMBRIDGE_TEST_DATA "/x509/gnutls.csr")));
  CHECK(signature_verifies(gnutls));
  CHECK(gnutls.content.challenge_password == "123456");
}

TEST_CASE("Certificates of openssl are read and their signatures judged") {
  const auto read = [](const char* name) {
    return parse_certificate(read_certificate(read_file(std::string(HSMBRIDGE_TEST_DATA "/x509/") + name)));
  };
  const Certificate root = read("root.pem"), one = read("one.pem");
  CHECK(signature_verifies(one, root.spki()));
  CHECK(signature_verifies(root, root.spki()));
  CHECK_FALSE(signature_verifies(root, one.spki()));
  CHECK(serial_text(one.serial()) == "1000");
  CHECK(one.tbs.authority_key_identifier == root.content().subject_key_identifier);
}

TEST_CASE("Content modelled on a certificate leaves out what only an issuer gives") {
  TestAuthority root("CN=Root");
  Content asked = test::full_content();
  asked.other_extensions.push_back(crl_distribution_points({"http://crl.example.com/1.crl"}));
  asked.other_extensions.push_back(
      authority_info_access({"http://ocsp.example.com"}, {"http://ca.example.com/ca.cer"}));
  const Certificate certificate = root.issue(SoftwareSigner("ed25519").subject_public_key_info(), asked);
  const auto openssl =
      run_program({"openssl", "x509", "-noout", "-text", "-in", "{}"}, as_bytes(certificate_to_pem(certificate.der)));
  CHECK(contains(openssl.output, "URI:http://crl.example.com/1.crl"));
  CHECK(contains(openssl.output, "OCSP - URI:http://ocsp.example.com"));
  CHECK(contains(openssl.output, "CA Issuers - URI:http://ca.example.com/ca.cer"));
  Content like = content_like(certificate.content());
  Content expected = test::full_content();
  expected.challenge_password.reset();
  CHECK(difference(expected, like).empty());
}

TEST_CASE("A certificate with two different algorithm fields is refused") {
  TestAuthority root("CN=Root", "rsa:2048");
  const Bytes tbs = root.certificate().parts.to_be_signed;
  const Bytes der = assemble(tbs, signature_algorithm("rsa-sha384"), Bytes(256));
  CHECK(contains(refusal([&] { parse_certificate(der); }), "the two signature algorithms differ"));
}
