#pragma once

#include "support/software_signer.h"
#include "x509/objects/certificate.h"
#include "x509/objects/spki.h"

namespace hsmbridge::test {

inline Instant at(const char* text) {
  return parse_rfc3339(text);
}

// A certification authority in memory that issues whatever it is told to, right or wrong.
class TestAuthority {
 public:
  // Self-signed.
  explicit TestAuthority(const std::string& name, const std::string& key = "ec:P-256") : signer_(key) {
    x509::CertificateFields fields = fields_for(authority_content(name));
    fields.issuer = fields.content.subject;
    fields.spki = signer_.subject_public_key_info();
    certificate_ = x509::parse_certificate(sign(x509::build_tbs_certificate(fields)));
  }
  // Issued by `parent`.
  TestAuthority(const std::string& name, TestAuthority& parent) : TestAuthority(authority_content(name), parent) {}
  TestAuthority(const x509::Content& content, TestAuthority& parent) : signer_("ec:P-256") {
    certificate_ = parent.issue(signer_.subject_public_key_info(), content);
  }

  static x509::Content authority_content(const std::string& name) {
    x509::Content content;
    content.subject = x509::Name::parse(name);
    content.basic_constraints = x509::BasicConstraints{true, {}};
    content.key_usage = x509::KeyUsages{x509::KeyUsage::key_cert_sign, x509::KeyUsage::crl_sign};
    return content;
  }

  const x509::Certificate& certificate() const { return certificate_; }
  const x509::SignatureAlgorithm& algorithm() const { return x509::default_algorithm(signer_.spec()); }

  x509::CertificateFields fields_for(const x509::Content& content) const {
    x509::CertificateFields fields;
    if (!certificate_.der.empty()) fields = x509::fields_for_issuer(certificate_);
    fields.serial = x509::random_serial();
    fields.validity = {at("2026-01-01T00:00:00Z"), at("2026-04-01T00:00:00Z")};
    fields.content = content;
    fields.algorithm = &algorithm();
    return fields;
  }
  x509::Certificate issue(const Bytes& spki, const x509::Content& content) {
    x509::CertificateFields fields = fields_for(content);
    fields.spki = spki;
    return x509::parse_certificate(sign(x509::build_tbs_certificate(fields)));
  }
  Bytes sign(const Bytes& tbs) { return x509::assemble(tbs, algorithm(), signer_.sign(tbs, algorithm())); }
  SoftwareSigner& signer() { return signer_; }

 private:
  SoftwareSigner signer_;
  x509::Certificate certificate_;
};

}  // namespace hsmbridge::test
