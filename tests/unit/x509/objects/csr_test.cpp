#include "x509/objects/csr.h"

#include "base/error.h"
#include "support/software_signer.h"
#include "unit/x509/full_content.h"
#include "unit/x509/other_program.h"
#include "x509/asn1/der.h"
#include "x509/content/extensions.h"
#include "x509/objects/pem.h"
#include "x509/objects/spki.h"

#include <catch2/catch.hpp>

using namespace hsmbridge;
using namespace hsmbridge::x509;
using hsmbridge::test::contains;
using hsmbridge::test::run_program;
using hsmbridge::test::SoftwareSigner;

namespace {

Content small_content() {
  Content content;
  content.subject = Name::parse("C=CH, O=Example, CN=www.example.com");
  content.subject_alternative_names = {GeneralName::parse("dns:www.example.com")};
  return content;
}

Error error_of_create(Signer& signer, const Content& content, const SignatureAlgorithm& algorithm) {
  try {
    create_csr(signer, content, algorithm);
  } catch (const Error& error) {
    return error;
  }
  return Error{ErrorKind::internal, "nothing was thrown"};
}

// Does something else than what it was asked to do.
class FaultySigner : public Signer {
 public:
  enum class Fault { flipped_bit, other_bytes, other_algorithm, empty };
  FaultySigner(SoftwareSigner& good, Fault fault) : good_(good), fault_(fault) {}
  const Bytes& subject_public_key_info() const override { return good_.subject_public_key_info(); }
  Bytes sign(ByteView to_be_signed, const SignatureAlgorithm& algorithm) override {
    Bytes bytes(to_be_signed.begin(), to_be_signed.end());
    switch (fault_) {
      case Fault::other_bytes:
        bytes.back() ^= 1;
        return good_.sign(bytes, algorithm);
      case Fault::other_algorithm:
        return good_.sign(bytes, signature_algorithm("rsa-sha256"));
      case Fault::empty:
        return {};
      case Fault::flipped_bit:
        break;
    }
    Bytes signature = good_.sign(bytes, algorithm);
    signature[signature.size() / 2] ^= 4;
    return signature;
  }

 private:
  SoftwareSigner& good_;
  Fault fault_;
};

}  // namespace

TEST_CASE("A request signed with any algorithm is accepted by openssl and certtool") {
  for (const SignatureAlgorithm& algorithm : signature_algorithms()) {
    CAPTURE(std::string(algorithm.name));
    SoftwareSigner signer(hsmbridge::test::usual_key_for(algorithm));
    const Bytes der = create_csr(signer, small_content(), algorithm);
    const std::string pem = csr_to_pem(der);
    const auto openssl = run_program({"openssl", "req", "-verify", "-noout", "-text", "-in", "{}"}, as_bytes(pem));
    CHECK(openssl.exit_code == 0);
    CHECK(contains(openssl.output, "verify OK"));
    CHECK(contains(openssl.output, "Subject: C = CH, O = Example, CN = www.example.com"));
    const auto certtool = run_program({"certtool", "--crq-info", "--infile", "{}"}, as_bytes(pem));
    CHECK(certtool.exit_code == 0);
    CHECK(contains(certtool.output, "Self signature: verified"));
    const Csr csr = parse_csr(der);
    CHECK(signature_verifies(csr));
    CHECK(algorithm_of(csr.parts.signature_algorithm).name == algorithm.name);
  }
}

TEST_CASE("Everything that can be asked for comes back from a request unchanged") {
  SoftwareSigner signer("ec:P-256");
  const Content content = hsmbridge::test::full_content();
  const Csr csr = parse_csr(create_csr(signer, content, signature_algorithm("ecdsa-sha256")));
  CHECK(difference(content, csr.content).empty());
  CHECK(csr.spki == signer.subject_public_key_info());
  CHECK(csr.other_attributes.empty());
  CHECK(build_certification_request_info(csr.spki, csr.content) == csr.parts.to_be_signed);
}

TEST_CASE("openssl reads every extension of a full request as we meant it") {
  SoftwareSigner signer("ec:P-256");
  const std::string pem =
      csr_to_pem(create_csr(signer, hsmbridge::test::full_content(), signature_algorithm("ecdsa-sha256")));
  const auto openssl =
      run_program({"openssl", "req", "-verify", "-noout", "-text", "-nameopt", "utf8", "-in", "{}"}, as_bytes(pem));
  INFO(openssl.output);
  CHECK(openssl.exit_code == 0);
  for (const char* part : {
           "verify OK",
           "C=CH",
           "O=Müller & Söhne",
           "DNS:www.example.com",
           "DNS:*.example.com",
           "DNS:xn--mller-kva.example",
           "IP Address:192.0.2.1",
           "IP Address:2001:DB8:0:0:0:0:0:1",
           "email:ops@example.com",
           "URI:https://example.com/a?b=c",
           "Registered ID:1.2.3.4",
           "DirName:",
           "othername: UPN::user@example.com",
           "CA:TRUE, pathlen:3",
           "Digital Signature, Certificate Sign, CRL Sign",
           "TLS Web Server Authentication, TLS Web Client Authentication, 1.2.3.4.5",
           "DNS:example.com",
           "IP:10.0.0.0/255.0.0.0",
           "Excluded:",
           "Policy: 1.3.6.1.4.1.55555.9",
           "CPS: https://example.com/cps",
           "Explicit Text: Only for tests",
           "status_request",
           "1.3.6.1.4.1.55555.1",
           "challengePassword",
       }) {
    CAPTURE(part);
    CHECK(contains(openssl.output, part));
  }
}

TEST_CASE("certtool reads a full request as we meant it") {
  SoftwareSigner signer("ec:P-256");
  const std::string pem =
      csr_to_pem(create_csr(signer, hsmbridge::test::full_content(), signature_algorithm("ecdsa-sha256")));
  const auto certtool = run_program({"certtool", "--crq-info", "--infile", "{}"}, as_bytes(pem));
  INFO(certtool.output);
  CHECK(certtool.exit_code == 0);
  for (const char* part : {"Self signature: verified", "DNSname: www.example.com", "IPAddress: 192.0.2.1",
                           "IPAddress: 2001:db8::1", "URI: https://example.com/a?b=c", "RFC822Name: ops@example.com",
                           "Path Length Constraint: 3", "TLS WWW Server."}) {
    CAPTURE(part);
    CHECK(contains(certtool.output, part));
  }
}

TEST_CASE("A signer that answers a wrong signature is found out") {
  SoftwareSigner good("rsa:2048");
  for (const auto fault : {FaultySigner::Fault::flipped_bit, FaultySigner::Fault::other_bytes,
                           FaultySigner::Fault::other_algorithm, FaultySigner::Fault::empty}) {
    FaultySigner faulty(good, fault);
    const Error error = error_of_create(faulty, small_content(), signature_algorithm("rsa-pss-sha256"));
    CHECK(error.kind() == ErrorKind::corrupt);
    CHECK(contains(error.message(), "signature: it does not verify"));
  }
}

TEST_CASE("A key cannot sign with the algorithm of another kind of key") {
  SoftwareSigner signer("ec:P-256");
  const Error error = error_of_create(signer, small_content(), signature_algorithm("rsa-sha256"));
  CHECK(error.kind() == ErrorKind::invalid_input);
  CHECK(error.hint() == "use ecdsa-sha256");
}

TEST_CASE("A request that differs from what was asked in any field is refused by its name") {
  SoftwareSigner signer("ec:P-256");
  const auto& algorithm = signature_algorithm("ecdsa-sha256");
  const Content asked = hsmbridge::test::full_content();
  const struct {
    const char* field;
    void (*change)(Content&);
  } rows[] = {
      {"subject:", [](Content& c) { c.subject = Name::parse("CN=other"); }},
      {"subject alternative name 2:",
       [](Content& c) { std::swap(c.subject_alternative_names[1], c.subject_alternative_names[2]); }},
      {"subject alternative name 3:", [](Content& c) { c.subject_alternative_names.resize(2); }},
      {"key usage:", [](Content& c) { c.key_usage->add(KeyUsage::key_encipherment); }},
      {"key usage:", [](Content& c) { c.critical.key_usage = false; }},
      {"extended key usage 1:", [](Content& c) { c.extended_key_usage.clear(); }},
      {"basic constraints:", [](Content& c) { c.basic_constraints->path_length = 4; }},
      {"name constraints:", [](Content& c) { c.name_constraints->excluded.clear(); }},
      {"certificate policy 1:", [](Content& c) { c.policies[0].cps_uris.clear(); }},
      {"TLS feature 1:", [](Content& c) { c.tls_features.clear(); }},
      {"extension 1:", [](Content& c) { c.other_extensions.clear(); }},
      {"challenge password:", [](Content& c) { c.challenge_password = "other"; }},
  };
  for (const auto& row : rows) {
    CAPTURE(row.field);
    Content changed = asked;
    row.change(changed);
    const Bytes tbs = build_certification_request_info(signer.subject_public_key_info(), changed);
    const Bytes der = assemble(tbs, algorithm, signer.sign(tbs, algorithm));
    std::string message;
    try {
      prove_csr(der, signer.subject_public_key_info(), asked, algorithm);
    } catch (const Error& error) {
      CHECK(error.kind() == ErrorKind::corrupt);
      message = error.message();
    }
    CAPTURE(message);
    CHECK(contains(message, std::string("is not what was asked: ") + row.field));
  }
}

TEST_CASE("A request for another key or with another algorithm than asked is refused") {
  SoftwareSigner signer("rsa:2048");
  const Content content = small_content();
  const Bytes der = create_csr(signer, content, signature_algorithm("rsa-sha256"));
  const auto message_of = [&](ByteView spki, const char* algorithm) {
    try {
      prove_csr(der, spki, content, signature_algorithm(algorithm));
    } catch (const Error& error) {
      return error.message();
    }
    return std::string();
  };
  CHECK(message_of(signer.subject_public_key_info(), "rsa-sha256").empty());
  CHECK(contains(message_of(signer.subject_public_key_info(), "rsa-pss-sha256"),
                 "signature algorithm: asked rsa-pss-sha256"));
  CHECK(contains(message_of(SoftwareSigner("ec:P-256").subject_public_key_info(), "rsa-sha256"), "public key:"));
}

TEST_CASE("A request without a subject marks its alternative names critical") {
  SoftwareSigner signer("ed25519");
  Content content;
  content.subject_alternative_names = {GeneralName::parse("dns:www.example.com")};
  const Csr csr = parse_csr(create_csr(signer, content, signature_algorithm("ed25519")));
  CHECK(csr.content.critical.subject_alternative_names);
}

TEST_CASE("Content that contradicts itself is refused before anything is signed") {
  const struct {
    const char* message;
    void (*change)(Content&);
  } rows[] = {
      {"subject: neither", [](Content& c) { c.subject = Name(), c.subject_alternative_names.clear(); }},
      {"subject alternative name: dns:www.example.com is there twice",
       [](Content& c) { c.subject_alternative_names.push_back(c.subject_alternative_names[0]); }},
      {"key usage: it is requested but does not name a usage", [](Content& c) { c.key_usage = KeyUsages{}; }},
      {"key usage: keyCertSign needs", [](Content& c) { c.key_usage = KeyUsages{KeyUsage::key_cert_sign}; }},
      {"basic constraints: a path length needs CA:TRUE",
       [](Content& c) {
         c.basic_constraints = BasicConstraints{false, 1};
       }},
      {"name constraints: they need", [](Content& c) { c.name_constraints = NameConstraints{}; }},
      {"extended key usage: serverAuth is there twice",
       [](Content& c) {
         c.extended_key_usage = {parse_extended_key_usage("serverAuth"), parse_extended_key_usage("serverAuth")};
       }},
      {"challenge password: it has 1 to 255", [](Content& c) { c.challenge_password = ""; }},
  };
  for (const auto& row : rows) {
    Content content = small_content();
    row.change(content);
    SoftwareSigner signer("ec:P-256");
    const Error error = error_of_create(signer, content, signature_algorithm("ecdsa-sha256"));
    CHECK(error.kind() == ErrorKind::invalid_input);
    CAPTURE(error.message());
    CHECK(error.message().rfind(row.message, 0) == 0);
  }
}

TEST_CASE("Trailing bytes and cut requests are refused") {
  SoftwareSigner signer("ec:P-256");
  Bytes der = create_csr(signer, small_content(), signature_algorithm("ecdsa-sha256"));
  der.push_back(0);
  CHECK_THROWS_AS(parse_csr(der), Error);
  der.resize(der.size() - 2);
  CHECK_THROWS_AS(parse_csr(der), Error);
}

TEST_CASE("extensions in Microsoft's attribute are read as those of the usual one, and not in both") {
  SoftwareSigner signer("ec:P-256");
  Content content = small_content();
  const Bytes usual = x509::create_csr(signer, content, signature_algorithm("ecdsa-sha256"));
  const auto with = [&](const std::vector<const char*>& types) {
    Bytes attributes;
    for (const char* type : types) {
      der::append(attributes,
                  der::sequence(der::oid(Oid(type)), der::set_of({encode_extensions(extensions_of(content))})));
    }
    const Bytes information = der::sequence(der::integer(0), content.subject.der(), signer.subject_public_key_info(),
                                            der::element(der::context_constructed(0), attributes));
    const auto& algorithm = signature_algorithm("ecdsa-sha256");
    return assemble(information, algorithm, signer.sign(information, algorithm));
  };
  const char* const kMicrosoft = "1.3.6.1.4.1.311.2.1.14";
  const Csr csr = parse_csr(with({kMicrosoft}));
  CHECK(csr.content == parse_csr(usual).content);
  CHECK(csr.other_attributes.empty());
  CHECK(signature_verifies(csr));
  const auto seen = run_program({"openssl", "req", "-inform", "DER", "-in", "{}", "-noout", "-text"}, csr.der);
  CHECK(contains(seen.output, "DNS:www.example.com"));
  CHECK_THROWS_AS(parse_csr(with({"1.2.840.113549.1.9.14", kMicrosoft})), Error);
}
