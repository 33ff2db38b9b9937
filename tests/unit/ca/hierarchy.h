#pragma once

#include "base/file.h"
#include "support/software_signer.h"
#include "support/temp_folder.h"
#include "x509/content/extensions.h"
#include "x509/objects/certificate.h"
#include "x509/objects/pem.h"
#include "x509/objects/signed_object.h"

#include <cstdlib>
#include <optional>
#include <string>
#include <vector>

namespace hsmbridge::test {

inline const Instant kNow = parse_rfc3339("2026-06-01T12:00:00Z");

// What a CA or a leaf says, apart from its names in the hierarchy.
struct Profile {
  std::string subject;
  x509::Content content = {};
  x509::Validity validity = {parse_rfc3339("2026-01-01T00:00:00Z"), parse_rfc3339("2028-01-01T00:00:00Z")};
};

inline Profile authority(const std::string& subject) {
  Profile profile{subject};
  profile.content.basic_constraints = x509::parse_basic_constraints("CA:TRUE");
  profile.content.key_usage = x509::KeyUsages{x509::KeyUsage::key_cert_sign, x509::KeyUsage::crl_sign};
  return profile;
}
inline Profile server(const std::string& subject = "CN=Server", const std::vector<std::string>& names = {}) {
  Profile profile{subject};
  for (const std::string& name : names) {
    profile.content.subject_alternative_names.push_back(x509::GeneralName::parse(name));
  }
  profile.content.key_usage = x509::KeyUsages{x509::KeyUsage::digital_signature};
  profile.content.extended_key_usage = {x509::parse_extended_key_usage("serverAuth")};
  profile.validity = {parse_rfc3339("2026-05-01T00:00:00Z"), parse_rfc3339("2026-09-01T00:00:00Z")};
  return profile;
}

// One key and its certificate.
struct Entity {
  explicit Entity(const Profile& profile, Entity* issuer = nullptr) {
    const x509::SignatureAlgorithm& algorithm = x509::signature_algorithm("ecdsa-sha256");
    fields.serial = x509::random_serial();
    fields.validity = profile.validity;
    fields.spki = signer.subject_public_key_info();
    fields.content = profile.content;
    if (!profile.subject.empty()) fields.content.subject = x509::Name::parse(profile.subject);
    fields.issuer = issuer == nullptr ? fields.content.subject : issuer->certificate->subject();
    if (issuer != nullptr) fields.authority_key_identifier = issuer->certificate->content().subject_key_identifier;
    fields.algorithm = &algorithm;
    tbs = x509::build_tbs_certificate(fields);
    SoftwareSigner& by = issuer == nullptr ? signer : issuer->signer;
    certificate = x509::parse_certificate(x509::assemble(tbs, algorithm, by.sign(tbs, algorithm)));
  }

  SoftwareSigner signer{"ec:P-256"};
  x509::CertificateFields fields;
  Bytes tbs;
  std::optional<x509::Certificate> certificate;
};

// What `openssl verify -x509_strict` says about it: "" when it verifies.
inline std::string openssl_verdict(const x509::Certificate& leaf, const std::vector<x509::Certificate>& between,
                                   const x509::Certificate& root, const std::string& purpose = "sslserver") {
  const TempFolder folder;
  const auto write = [&](const std::string& name, const std::vector<x509::Certificate>& certificates) {
    std::string pem;
    for (const x509::Certificate& one : certificates) pem += x509::certificate_to_pem(one.der);
    write_file(folder / name, as_bytes(pem), FileMode::public_0644, Existing::replace);
  };
  write("leaf.pem", {leaf});
  write("between.pem", between);
  write("root.pem", {root});
  const std::string at =
      std::to_string(std::chrono::duration_cast<std::chrono::seconds>(kNow.time_since_epoch()).count());
  const std::string line = "cd " + folder.path().string() + " && openssl verify -x509_strict -partial_chain -attime " +
                           at + " -purpose " + purpose + " -CAfile root.pem" +
                           (between.empty() ? "" : " -untrusted between.pem") + " leaf.pem > out 2>&1";
  if (std::system(line.c_str()) == 0) return "";
  return to_text(read_file(folder / "out"));
}

}  // namespace hsmbridge::test
