#include "x509/judge/render.h"

#include "unit/x509/full_content.h"
#include "unit/x509/test_authority.h"
#include "x509/content/extensions.h"

#include <catch2/catch.hpp>

using namespace hsmbridge;
using namespace hsmbridge::x509;
using hsmbridge::test::SoftwareSigner;
using hsmbridge::test::TestAuthority;

TEST_CASE("A request is shown with every field it has") {
  SoftwareSigner key("ec:P-256");
  const Csr csr = parse_csr(create_csr(key, test::full_content(), signature_algorithm("ecdsa-sha256")));
  const std::string hash = hex(sha256(csr.spki));
  CHECK(render(csr) ==
        "Subject: C=CH, organizationIdentifier=VATCH-1+O=Müller & Söhne, OU=A\\, B, CN=www.example.com\n"
        "Alternative name: dns:www.example.com\n"
        "Alternative name: dns:*.example.com\n"
        "Alternative name: dns:xn--mller-kva.example\n"
        "Alternative name: ip:192.0.2.1\n"
        "Alternative name: ip:2001:db8::1\n"
        "Alternative name: email:ops@example.com\n"
        "Alternative name: uri:https://example.com/a?b=c\n"
        "Alternative name: upn:user@example.com\n"
        "Alternative name: othername:1.2.3.4;UTF8:Zürich\n"
        "Alternative name: othername:1.2.3.5;INT:-129\n"
        "Alternative name: dirname:C=CH, CN=Directory\n"
        "Alternative name: rid:1.2.3.4\n"
        "Basic constraints (critical): CA:TRUE, pathlen:3\n"
        "Key usage (critical): digitalSignature, keyCertSign, cRLSign\n"
        "Extended key usage: serverAuth, clientAuth, 1.2.3.4.5\n"
        "Permitted names (critical): dns:example.com, ip:10.0.0.0/8, email:.example.com, dirname:C=CH\n"
        "Excluded names (critical): dns:bad.example.com, ip:2001:db8::/32, uri:.evil.example\n"
        "Certificate policy: 1.3.6.1.4.1.55555.9;cps:https://example.com/cps;notice of Example number 1 "
        "300;notice:Only for tests\n"
        "Certificate policy: 2.5.29.32.0\n"
        "TLS features: status_request, status_request_v2\n"
        "Extension: 1.3.6.1.4.1.55555.1 (critical): 0c0474657374\n"
        "Challenge password: sésame\n"
        "Public key: EC P-256\n"
        "Public key SHA-256: " +
            hash +
            "\n"
            "Signature: ecdsa-sha256, verifies\n");
  const Json json = to_json(csr);
  CHECK(json.at("signature_verifies").as_bool());
  CHECK(json.at("content").at("subject_alternative_names").as_array().size() == 12);
  CHECK(Json::parse(json.dump()) == json);
}

TEST_CASE("A certificate is shown with issuer and dates and identifiers") {
  TestAuthority root("C=CH, CN=Root");
  const Certificate& certificate = root.certificate();
  const std::string identifier = hex(*certificate.content().subject_key_identifier);
  CHECK(render(certificate) ==
        "Subject: C=CH, CN=Root\n"
        "Basic constraints (critical): CA:TRUE\n"
        "Key usage (critical): keyCertSign, cRLSign\n"
        "Subject key identifier: " +
            identifier +
            "\n"
            "Issuer: C=CH, CN=Root\n"
            "Serial number: " +
            serial_text(certificate.serial()) +
            "\n"
            "Valid from: 2026-01-01T00:00:00Z\n"
            "Valid until: 2026-04-01T00:00:00Z (90 days)\n"
            "Public key: EC P-256\n"
            "Public key SHA-256: " +
            hex(sha256(certificate.spki())) +
            "\n"
            "Signature algorithm: ecdsa-sha256\n"
            "Certificate SHA-256: " +
            hex(sha256(certificate.der)) + "\n");
  CHECK(to_json(certificate).at("not_after").as_string() == "2026-04-01T00:00:00Z");
}

TEST_CASE("A key or an algorithm without a row is shown and not an error") {
  CHECK(key_text(from_hex("302a300506032b6571032100" + std::string(64, '0'))) == "unsupported key (ED448)");
  CHECK(key_text(from_hex("3000")) == "unreadable key");
  CHECK(algorithm_text(from_hex("300506032b6571")) == "unsupported algorithm (ED448, 300506032b6571)");
}

TEST_CASE("Where CRLs and issuers' certificates are is shown as addresses, and whole where anything else is in it") {
  Content content;
  content.subject = Name::parse("CN=x");
  content.other_extensions = {
      crl_distribution_points({"http://a.example.com/1.crl", "http://b.example.com/1.crl"}),
      authority_info_access({"http://ocsp.example.com"}, {"http://a.example.com/1.cer"}),
  };
  CHECK(render(content) ==
        "Subject: CN=x\n"
        "CRL: http://a.example.com/1.crl\n"
        "CRL: http://b.example.com/1.crl\n"
        "OCSP responder: http://ocsp.example.com\n"
        "Issuer's certificate: http://a.example.com/1.cer\n");
  // A point with reasons beside its address, a method that is neither, nothing at all: all of it in hex.
  const Oid crls = oids::kCrlDistributionPoints;
  const Oid access = oids::kAuthorityInfoAccess;
  for (const Extension& extension : {
           Extension{crls, false, from_hex("30143012a00ca00a8608687474703a2f2f6181020780")},
           Extension{access, true,
                     from_hex("301830160608"
                              "2b060105050730038608687474703a2f2f6100"
                              "00")},
           Extension{access, false, from_hex("3000")},
           Extension{Oid("1.2.3.4"), false, from_hex("3000")},
       }) {
    content.other_extensions = {extension};
    const std::string text = render(content);
    INFO(text);
    CHECK(text.find(": " + hex(extension.value) + "\n") != std::string::npos);
  }
}
