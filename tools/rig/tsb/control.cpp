// What only a rig can do to a TSB: no endpoint of the real one.
#include "base/error.h"
#include "tools/rig/pki/authority.h"
#include "tools/rig/tsb/business_error.h"
#include "tools/rig/tsb/tsb.h"

#include <fmt/core.h>

namespace hsmbridge::rig {
namespace {

SignatureScheme scheme_of(const SoftwareKey& key) {
  return public_key_type(key.public_key()) == PublicKeyType::ed25519 ? SignatureScheme{} : usual_scheme();
}

constexpr int kNoSuchKey = 650;

}  // namespace

std::optional<Answer> Tsb::control(const std::string& what, const Json& body) {
  try {
    if (what == "POST /rig/clock") {
      if (const Json* seconds = body.find("approver_skew_seconds")) skew(std::chrono::seconds{seconds->as_integer()});
      return Answer{200, "{}"};
    }
    if (what == "POST /rig/certify") {
      const Bytes certificate = certify(body.at("label").as_string(), body.at("subject").as_string(),
                                        std::chrono::days{static_cast<int>(body.integer_or("days", 3650))});
      return Answer{201, Json::object({{"certificate", to_pem("CERTIFICATE", certificate, PemLayout::lines)}}).dump()};
    }
    if (what == "POST /rig/block") {
      set_blocked(body.at("label").as_string(), body.at("blocked").as_bool());
      return Answer{200, "{}"};
    }
  } catch (const Error& error) {
    if (business_code(error) != kNoSuchKey) throw;
    throw Error{ErrorKind::not_found, error.message()};
  }
  return std::nullopt;
}

std::string Tsb::trouble() const {
  return business_body(701, "Error in the HSM");
}

void Tsb::set_blocked(const std::string& label, bool blocked) {
  const std::lock_guard lock(mutex_);
  KeyRecord& key = find_key(label);
  key.blocked = blocked;
  save(key);
}

Bytes Tsb::certify(const std::string& label, const std::string& subject, std::chrono::days validity) {
  const std::lock_guard lock(mutex_);
  KeyRecord& key = find_key(label);
  const CertificateContent content = authority_for(subject, *key.key, now(), validity);
  key.certificate = issue(content, *key.key, scheme_of(*key.key));
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
    const Json record = kept(*request);
    for (const char* name : {"kind", "key_label", "created", "payload", "body"}) view.set(name, record.at(name));
    list.push(std::move(view));
  }
  return list;
}

std::optional<Bytes> Tsb::certificate_for_another_key(ByteView certificate) {
  const std::lock_guard lock(mutex_);
  const Bytes issuer = certificate_issuer(certificate);
  for (const auto& [label, key] : keys_) {
    if (key.certificate.empty() || certificate_subject(key.certificate) != issuer) continue;
    return for_another_key(certificate, *key.key, scheme_of(*key.key));
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
