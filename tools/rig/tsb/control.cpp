// What only a rig can do to a TSB: no endpoint of the real one.
#include "base/error.h"
#include "tools/rig/pki/authority.h"
#include "tools/rig/tsb/business_error.h"
#include "tools/rig/tsb/tsb.h"

#include <fmt/core.h>

namespace hsmbridge::rig {
std::optional<Json> Tsb::control(const std::string& what, const Json& body) {
  if (what == "POST /rig/clock") {
    if (const Json* seconds = body.find("approver_skew_seconds")) skew(std::chrono::seconds{seconds->as_integer()});
    return Json::object();
  }
  if (what == "POST /rig/certify") {
    const Bytes certificate = certify(body.at("label").as_string(), body.at("subject").as_string(),
                                      std::chrono::days{static_cast<int>(body.integer_or("days", 3650))});
    return Json::object({{"certificate", to_pem("CERTIFICATE", certificate)}});
  }
  if (what == "POST /rig/block") {
    set_blocked(body.at("label").as_string(), body.at("blocked").as_bool());
    return Json::object();
  }
  return std::nullopt;
}

std::string Tsb::trouble() const {
  return answer_in(business_error(701, "Error in the HSM"))->body;
}

void Tsb::skew(std::chrono::seconds approver_clock) {
  const std::lock_guard lock(mutex_);
  skew_ = approver_clock;
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
  key.certificate = issue(content, *key.key);
  save(key);
  return key.certificate;
}

Json Tsb::requests() const {
  const std::lock_guard lock(mutex_);
  Json list = Json::array();
  for (const RequestRecord& request : requests_) {
    Json view = status_of(request, true);
    const Json record = kept(request);
    for (const char* name : {"kind", "key_label", "created", "payload", "body"}) view.set(name, record.at(name));
    list.push(std::move(view));
  }
  return list;
}

std::optional<Bytes> Tsb::certificate_for_another_key(ByteView certificate) {
  const std::lock_guard lock(mutex_);
  const Bytes issuer = read_certificate(certificate).issuer;
  for (const KeyRecord& key : keys_) {
    if (key.certificate.empty() || read_certificate(key.certificate).subject != issuer) continue;
    return for_another_key(certificate, *key.key);
  }
  return std::nullopt;
}

void Tsb::reset() {
  const std::lock_guard lock(mutex_);
  for (const KeyRecord& key : keys_) std::filesystem::remove(key_file(key.uuid));
  keys_.clear();
  requests_.clear();
  skew_ = std::chrono::seconds{0};
  forget_all();
  last_cleanup_ = last_execution_ = now();
}

}  // namespace hsmbridge::rig
