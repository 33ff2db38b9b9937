#include "base/error.h"
#include "providers/securosys/wire/wire.h"
#include "x509/names/name.h"

#include <fmt/core.h>

namespace hsmbridge::securosys {
namespace {

Json words(const std::vector<std::string>& values) {
  return values.empty() ? Json() : Json(values);
}

void set_meta_data(Json& json, const SignedMetaData& meta_data) {
  json.set("metaData", base64(meta_data.octets));
  json.set("metaDataSignature", meta_data.signature ? Json(base64(*meta_data.signature)) : Json());
}

std::string identity_name(TimestampProof::Form form) {
  switch (form) {
    case TimestampProof::Form::public_key:
      return "approverPublicKey";
    case TimestampProof::Form::certificate:
      return "approverCertificate";
    case TimestampProof::Form::timestamp_certificate:
      break;
  }
  return "timestampSigningCertificate";
}

void set_proof(Json& json, const TimestampProof& proof) {
  json.set("timestamp", proof.timestamp);
  json.set("timestampSignature", base64(proof.signature));
  json.set("timestampDigestAlgorithm", proof.digest);
  json.set(identity_name(proof.form), base64(proof.identity));
}

}  // namespace

Json key_password(const Secret& password) {
  if (password.empty()) return {};
  const std::string_view text = password.reveal();
  if (!is_utf8(text)) throw Error{ErrorKind::invalid_input, "the key password is not UTF-8"};
  Json characters = Json::array();
  for (std::size_t at = 0; at < text.size();) {
    const auto first = static_cast<unsigned char>(text[at]);
    const std::size_t length = first < 0x80 ? 1 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
    if (length == 4) {
      throw Error{ErrorKind::invalid_input,
                  "the key password has a character that a Java char cannot hold (beyond U+FFFF)"};
    }
    characters.push(text.substr(at, length));
    at += length;
  }
  return characters;
}

Bytes meta_data_octets(const MetaData& meta_data) {
  Json json = Json::object({{"app", "hsmbridge"}, {"summary", meta_data.summary}});
  if (!meta_data.payload_sha256.empty()) json.set("payloadSha256", meta_data.payload_sha256);
  json.set("csrSha256", meta_data.csr_sha256);
  json.set("request", meta_data.request);
  json.set("attempt", static_cast<std::int64_t>(meta_data.attempt));
  return to_bytes(json.dump());
}

std::optional<MetaData> meta_data_from(ByteView octets) {
  try {
    const Json json = Json::parse(as_text(octets));
    if (json.string_or("app", "") != "hsmbridge") return std::nullopt;
    const std::int64_t attempt = json.at("attempt").as_integer();
    if (attempt < 1 || attempt > 1'000'000) return std::nullopt;
    return MetaData{json.string_or("summary", ""), json.string_or("payloadSha256", ""), json.string_or("csrSha256", ""),
                    json.at("request").as_string(), static_cast<unsigned>(attempt)};
  } catch (const Error&) {
    return std::nullopt;  // another application's
  }
}

Secret inner_text(const SignRequest& request) {
  Json json = Json::object({{"payload", base64(request.payload)},
                            {"payloadType", "UNSPECIFIED"},
                            {"signKeyName", request.key},
                            {"keyPassword", key_password(request.key_password)}});
  set_meta_data(json, request.meta_data);
  json.set("signatureAlgorithm", request.algorithm);
  json.set("signatureType", "DER");
  return Secret(json.dump());
}

Secret inner_text(const CertificateSignRequest& request) {
  Json json = Json::object({{"signKeyName", request.key},
                            {"keyPassword", key_password(request.key_password)},
                            {"signatureAlgorithm", request.algorithm},
                            {"commonName", request.common_name},
                            {"certificateAuthority", request.certificate_authority},
                            {"certificateSigningRequest", request.csr_pem},
                            {"keyUsage", words(request.key_usage)},
                            {"extendedKeyUsage", words(request.extended_key_usage)}});
  set_meta_data(json, request.meta_data);
  if (request.modern) {
    const auto& modern = *request.modern;
    Json attributes = Json::object();
    for (const auto& [name, value] : modern.attributes) attributes.set(name, value);
    json.set("standardCertificateAttributes", attributes);
    json.set("validity", modern.validity_days);
    json.set("copyExtensions", modern.copy_extensions ? "COPY" : "NO_COPY");
    if (!modern.names.empty()) {
      Json names = Json::array();
      for (const auto& [type, value] : modern.names) names.push(Json::object({{"sanType", type}, {"sanValue", value}}));
      json.set("subjectAlternativeNames", names);
    }
  }
  return Secret(json.dump());
}

Secret outer_text(std::string_view name, const Secret& inner, const std::optional<RequestSignature>& signature) {
  Json proof;
  if (signature) {
    proof = Json::object({{"signature", base64(signature->signature)},
                          {"digestAlgorithm", "SHA-256"},
                          {"publicKey", base64(signature->public_key)}});
  }
  // Put together as text: the server verifies the signature over the inner object's very characters.
  return Secret(fmt::format(R"({{"{}":{},"requestSignature":{}}})", name, inner.reveal(), proof.dump()));
}

std::string tasks_text(const TimestampProof& proof, const TaskFilter& filter) {
  Json json;
  set_proof(json, proof);
  if (!filter.task_id.empty()) json.set("id", filter.task_id);
  json.set("detailLevel", fmt::format("level{}", filter.level));
  json.set("paging", Json::object({{"pageNumber", static_cast<std::int64_t>(filter.page)},
                                   {"pageSize", static_cast<std::int64_t>(filter.page_size)},
                                   {"sortOrder", "CREATION_DATE_ASC"}}));
  return json.dump();
}

std::string reject_text(const TimestampProof& proof, const std::string& task_id) {
  Json json = Json::object({{"id", task_id}});
  set_proof(json, proof);
  return json.dump();
}

std::string approval_text(const Approval& approval) {
  Json json = Json::object({{"id", approval.task_id},
                            {"approvalToBeSigned", base64(approval.to_be_signed)},
                            {"signature", base64(approval.signature)},
                            {"approvalDigestAlgorithm", approval.digest}});
  json.set(identity_name(approval.form), base64(approval.identity));
  return json.dump();
}

std::string import_text(const std::string& label, ByteView certificate) {
  return Json::object({{"label", label}, {"certificate", base64(certificate)}}).dump();
}

Secret key_attributes_text(const std::string& label, const Secret& password) {
  return Secret(Json::object({{"label", label}, {"password", key_password(password)}}).dump());
}

}  // namespace hsmbridge::securosys
