#pragma once

#include "support/software_signer.h"
#include "x509/content/requested_content.h"
#include "x509/objects/certificate.h"
#include "x509/objects/csr.h"
#include "x509/objects/signed_object.h"
#include "x509/objects/spki.h"

#include <string>

namespace hsmbridge::test {

// A CA whose key lives in the test, standing for the key at the TSB.
struct TestCa {
  explicit TestCa(const std::string& spec = "ec:P-256", const std::string& subject = "C=CH, O=Example, CN=Test CA",
                  const std::string& constraints = "CA:TRUE")
      : signer(spec) {
    const auto& algorithm = x509::default_algorithm(signer.spec());
    x509::CertificateFields fields;
    fields.serial = x509::random_serial();
    fields.issuer = x509::Name::parse(subject);
    fields.validity = {parse_rfc3339("2026-01-01T00:00:00Z"), parse_rfc3339("2036-01-01T00:00:00Z")};
    fields.spki = signer.subject_public_key_info();
    fields.content.subject = fields.issuer;
    fields.content.basic_constraints = x509::parse_basic_constraints(constraints);
    fields.content.key_usage = fields.content.basic_constraints->ca
                                   ? x509::KeyUsages{x509::KeyUsage::key_cert_sign, x509::KeyUsage::crl_sign}
                                   : x509::KeyUsages{x509::KeyUsage::digital_signature};
    fields.algorithm = &algorithm;
    const Bytes tbs = x509::build_tbs_certificate(fields);
    certificate = x509::parse_certificate(x509::assemble(tbs, algorithm, signer.sign(tbs, algorithm)));
  }
  Bytes sign(ByteView tbs, const std::string& algorithm) {
    return signer.sign(tbs, x509::signature_algorithm(algorithm));
  }

  SoftwareSigner signer;
  x509::Certificate certificate;
};

inline x509::RequestedContent server_ask() {
  x509::RequestedContent ask;
  ask.content.subject = x509::Name::parse("C=CH, O=Example, CN=www.example.com");
  ask.content.subject_alternative_names = {x509::GeneralName::parse("dns:www.example.com"),
                                           x509::GeneralName::parse("ip:192.0.2.1")};
  ask.content.key_usage = x509::KeyUsages{x509::KeyUsage::digital_signature};
  ask.content.extended_key_usage = {x509::parse_extended_key_usage("serverAuth")};
  ask.validity = std::chrono::hours{24 * 30};
  return ask;
}

inline Bytes csr_for(SoftwareSigner& key, const x509::RequestedContent& ask) {
  return x509::create_csr(key, ask.content, x509::default_algorithm(key.spec()));
}

}  // namespace hsmbridge::test
