#include "base/file.h"
#include "tools/rig/server/uuid.h"
#include "tools/rig/tsb/business_error.h"
#include "tools/rig/tsb/fields.h"
#include "tools/rig/tsb/tsb.h"

#include <fmt/core.h>

#include <array>

namespace hsmbridge::rig {
namespace {

const std::vector<std::string_view> kAlgorithms{
    "EC",   "ED",         "RSA",       "DSA",       "BLS",       "ISS", "AES",        "ChaCha20",   "Camellia",
    "TDEA", "HMACSHA256", "ML-DSA-44", "ML-DSA-65", "ML-DSA-87", "LMS", "ML-KEM-512", "ML-KEM-768", "ML-KEM-1024"};

struct KeyKind {
  std::string_view algorithm;
  std::string_view oid;
  std::string_view curve;  // its OID, "" for none
  int bits;
};

// Algorithm, its OID, OID of the curve, bits.
constexpr std::array<KeyKind, 8> kKinds{{
    {"RSA", "1.2.840.113549.1.1.1", "", 2048},
    {"RSA", "1.2.840.113549.1.1.1", "", 3072},
    {"RSA", "1.2.840.113549.1.1.1", "", 4096},
    {"RSA", "1.2.840.113549.1.1.1", "", 8192},
    {"EC", "1.2.840.10045.2.1", "1.2.840.10045.3.1.7", 256},
    {"EC", "1.2.840.10045.2.1", "1.3.132.0.34", 384},
    {"EC", "1.2.840.10045.2.1", "1.3.132.0.35", 521},
    {"ED", "1.3.101.112", "1.3.101.112", 255},
}};

// The `attributes` of a key, with the defaults filled in.
Json read_attributes(const Json& json, bool has_policy, Validation& validation) {
  Fields fields(json, "attributes", validation);
  Json attributes = Json::object({{"ekaSign", Json()}});
  bool useful = false;
  for (const char* name : {"decrypt", "sign", "unwrap"}) {
    const bool set = fields.flag(name);
    useful = useful || set;
    attributes.set(name, set);
  }
  for (const char* ignored : {"encrypt", "verify", "wrap", "bip32", "slip10"}) fields.flag_or_null(ignored);
  for (const auto& [name, usual] : {std::pair{"derive", false},
                                    {"extractable", false},
                                    {"modifiable", true},
                                    {"destroyable", false},
                                    {"sensitive", true},
                                    {"copyable", false}}) {
    attributes.set(name, fields.flag_or_null(name).value_or(usual));
  }
  fields.done();
  validation.raise();
  if (!useful) {
    throw business_error(606, "At least one of the attributes 'decrypt', 'sign' and 'unwrap' must be true.");
  }
  const bool extractable = attributes.at("extractable").as_bool();
  if (extractable && has_policy) throw business_error(606, "A key with a policy must not be extractable.");
  attributes.set("neverExtractable", !extractable);
  attributes.set("alwaysSensitive", attributes.at("sensitive"));
  return attributes;
}

// Algorithm, curve and size of a new key, from the members that may name them.
void choose_algorithm(Fields& fields, KeyRecord& key) {
  key.algorithm = fields.word_or_null("algorithm", kAlgorithms).value_or("");
  const std::string oid = fields.text_or_null("algorithmOid").value_or("");
  key.curve_oid = fields.text_or_null("curveOid").value_or("");
  const std::int64_t size = fields.number_or_null("keySize").value_or(0);
  const bool rsa = key.algorithm == "RSA" || (key.algorithm.empty() && oid == kKinds.front().oid);
  bool known = false;
  for (const KeyKind& kind : kKinds) {
    if (key.algorithm.empty() ? kind.oid != oid : kind.algorithm != key.algorithm) continue;
    known = true;
    if (rsa ? kind.bits != size : kind.curve != key.curve_oid) continue;
    key.algorithm = kind.algorithm;
    key.algorithm_oid = kind.oid;
    key.bits = kind.bits;
    return;
  }
  if (known && rsa) throw business_error(603, fmt::format("The key size {} is not supported for RSA.", size));
  if (known) throw business_error(611, fmt::format("The curve '{}' is not supported.", key.curve_oid));
  if (!key.algorithm.empty()) {
    throw business_error(611, fmt::format("The rig supports RSA, EC and ED keys, not {}.", key.algorithm));
  }
  fields.complain("algorithm", "must not be empty");
}

}  // namespace

KeyRecord& Tsb::find_key(const std::string& label) {
  if (KeyRecord* found = keys_.find(label)) return *found;
  throw business_error(650, fmt::format("A key with the name '{}' does not exist.", label));
}

void Tsb::check_password(const KeyRecord& key, const std::string& password) const {
  if (key.password != password) {
    throw business_error(620, fmt::format("Key password mismatch for key '{}'.", key.label));
  }
}

KeyRecord& Tsb::usable_key(const std::string& label, const std::string& password) {
  KeyRecord& key = find_key(label);
  check_password(key, password);
  if (key.blocked) throw business_error(701, "The key operation failed as the key is blocked");
  return key;
}

Answer Tsb::create_key(const Asked& asked) {
  Validation validation;
  Fields fields(asked.body, "", validation);
  KeyRecord key;
  key.label = fields.text("label");
  key.password = password_in(fields, "password");
  if (const auto id = fields.text_or_null("id")) key.id = *id;
  choose_algorithm(fields, key);
  fields.member("addressFormat");
  const Json* attributes = fields.required_member("attributes");
  const Json* policy = fields.member("policy");
  fields.done();
  if (policy != nullptr) {
    key.rule = read_policy(*policy, options_.times, validation, key.blocked);
    key.policy = *policy;
  }
  validation.raise();
  key.attributes = read_attributes(*attributes, policy != nullptr, validation);
  key.uuid = new_uuid();
  key.key = std::make_shared<const SoftwareKey>(SoftwareKey::generate(key.algorithm, key.bits));

  const std::lock_guard lock(mutex_);
  if (keys_.find(key.label) != nullptr)
    throw business_error(608, "Could not create key. The key name is already in use.");
  key.created = now();
  write_file(key_file(key.uuid), as_bytes(key.key->to_pem()), FileMode::private_0600, Existing::refuse);
  save(key);
  return {201, signed_attributes(keys_.put(std::move(key)))};
}

Answer Tsb::list_keys(const Asked&) {
  Json labels = Json::array();
  for (const KeyRecord& key : keys_) labels.push(key.label);
  return {200, labels};
}

std::string Tsb::key_xml(const KeyRecord& key) const {
  return fmt::format(
      "<?xml version=\"1.0\" encoding=\"UTF-8\"?><key_attributes><label>{}</label><uuid>{}</uuid>"
      "<algorithm>{}</algorithm><create_time>{}</create_time><public_key>{}</public_key></key_attributes>",
      key.label, key.uuid, key.algorithm, rfc3339(std::chrono::floor<std::chrono::seconds>(key.created)),
      base64(key.key->public_key()));
}

Json Tsb::signed_attributes(const KeyRecord& key) const {
  const std::string created = rfc3339(std::chrono::floor<std::chrono::seconds>(key.created));
  const std::string xml = key_xml(key);
  Json policy = key.policy;
  if (!policy.is_null()) policy.set("keyStatus", Json::object({{"blocked", key.blocked}}));
  const Json json = Json::object({{"label", key.label},
                                  {"id", key.id},
                                  {"uuid", key.uuid},
                                  {"algorithm", key.algorithm},
                                  {"algorithmOid", key.algorithm_oid},
                                  {"curveOid", key.curve_oid.empty() ? Json() : Json(key.curve_oid)},
                                  {"derivedAttributes", Json()},
                                  {"keySize", key.bits},
                                  {"createTime", created},
                                  {"attestTime", rfc3339(std::chrono::floor<std::chrono::seconds>(now()))},
                                  {"publicKey", base64(key.key->public_key())},
                                  {"addressTruncated", Json()},
                                  {"attributes", key.attributes},
                                  {"policy", policy}});
  const Bytes signature = attestation_key_.sign({}, as_bytes(xml));
  return Json::object(
      {{"xml", xml}, {"json", json}, {"xmlSignature", base64(signature)}, {"attestationKeyName", "attestation-key"}});
}

Answer Tsb::key_attributes(const Asked& asked) {
  Validation validation;
  Fields fields(asked.body, "", validation);
  const std::string label = fields.text("label");
  const std::string password = password_in(fields, "password");
  fields.done();
  validation.raise();
  const KeyRecord& key = find_key(label);
  check_password(key, password);
  return {200, signed_attributes(key)};
}

void Tsb::remove_key(const std::string& label) {
  const KeyRecord& key = find_key(label);
  if (!key.attributes.bool_or("destroyable", false)) {
    throw business_error(614, fmt::format("The key '{}' is not destroyable.", label));
  }
  for (RequestRecord& request : requests_) {
    if (request.key_label == label && is_open(request.status)) finish(request, RequestStatus::cancelled);
  }
  std::filesystem::remove(key_file(key.uuid));
  keep("key_removed", label);
  keys_.erase(label);
}

Answer Tsb::delete_key(const Asked& asked) {
  check_password(find_key(asked.captured[0]), "");
  remove_key(asked.captured[0]);
  return {200, ""};
}

}  // namespace hsmbridge::rig
