// What only a rig can do to a TSB: no endpoint of the real one.
#include "base/error.h"
#include "tools/rig/pki/certificates.h"
#include "tools/rig/tsb/tsb.h"

#include <fmt/core.h>

namespace hsmbridge::rig {
namespace {

SignatureScheme usual_scheme(const SoftwareKey& key) {
  switch (public_key_type(key.public_key())) {
    case PublicKeyType::ed25519:
      return {"", SignatureScheme::Padding::pkcs1};
    default:
      return {"SHA256", SignatureScheme::Padding::pkcs1};
  }
}

Bytes positive_serial(std::size_t octets) {
  Bytes serial = random_bytes(octets);
  serial[0] = static_cast<std::uint8_t>((serial[0] & 0x3FU) | 0x40U);
  return serial;
}

}  // namespace

void Tsb::set_blocked(const std::string& label, bool blocked) {
  const std::lock_guard lock(mutex_);
  KeyRecord& key = find_key(label);
  key.blocked = blocked;
  save(key);
}

Bytes Tsb::certify(const std::string& label, const std::string& subject, std::chrono::days validity) {
  const std::lock_guard lock(mutex_);
  KeyRecord& key = find_key(label);
  CertificateContent content;
  content.subject = parse_name(subject);
  content.subject_public_key = key.key->public_key();
  content.serial = positive_serial(16);
  content.not_before = now() - std::chrono::minutes{5};
  content.not_after = now() + validity;
  content.key_usage = {"KEY_CERT_SIGN", "CRL_SIGN"};
  content.basic_constraints = CertificateContent::BasicConstraints::ca_critical;
  key.certificate = issue(content, *key.key, usual_scheme(*key.key));
  save(key);
  return key.certificate;
}

Json Tsb::requests() const {
  const std::lock_guard lock(mutex_);
  std::map<std::int64_t, const RequestRecord*> ordered;
  for (const auto& [id, request] : requests_) ordered[request.sequence] = &request;
  Json list = Json::array();
  for (const auto& [sequence, request] : ordered) {
    Json view = status_of(*request, true);
    const Json kept = to_json(*request);
    for (const char* name : {"kind", "key_label", "created", "payload", "body"}) view.set(name, kept.at(name));
    list.push(std::move(view));
  }
  return list;
}

std::optional<Bytes> Tsb::certificate_for_another_key(ByteView certificate) {
  const std::lock_guard lock(mutex_);
  const Bytes issuer = certificate_issuer(certificate);
  for (const auto& [label, key] : keys_) {
    if (key.certificate.empty() || certificate_subject(key.certificate) != issuer) continue;
    CertificateContent content;
    content.subject = parse_name("CN=Somebody else");
    content.issuer_name = issuer;
    content.subject_public_key = SoftwareKey::generate("EC", 256).public_key();
    content.serial = positive_serial(16);
    content.not_before = now() - std::chrono::minutes{5};
    content.not_after = now() + std::chrono::days{90};
    content.authority_key_identifier = certificate_key_identifier(key.certificate);
    return issue(content, *key.key, usual_scheme(*key.key));
  }
  return std::nullopt;
}

void Tsb::reset() {
  const std::lock_guard lock(mutex_);
  for (const auto& [label, key] : keys_) std::filesystem::remove(key_file(key.uuid));
  keys_.clear();
  requests_.clear();
  request_of_task_.clear();
  advanced_ = skew_ = std::chrono::seconds{0};
  last_cleanup_ = last_execution_ = now();
  state_.rewrite({});
}

}  // namespace hsmbridge::rig
