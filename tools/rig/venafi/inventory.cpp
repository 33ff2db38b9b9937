// The inventory of the simulated service: certificates, their contents, and revocation by GraphQL.
#include "base/error.h"
#include "base/text.h"
#include "tools/rig/pki/certificates.h"
#include "tools/rig/pki/openssl_handles.h"
#include "tools/rig/venafi/venafi.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <utility>

namespace hsmbridge::rig::venafi {
namespace {

std::string fingerprint_of(ByteView der) {
  Bytes digest(20);
  must(::EVP_Digest(der.data(), der.size(), digest.data(), nullptr, ::EVP_sha1(), nullptr) == 1, "no SHA-1");
  return upper(hex(digest));
}

int strength_of(const CsrFacts& csr) {
  if (csr.key_type == "RSA") return csr.key_length;
  return csr.key_curve == "P384" ? 384 : csr.key_curve == "P521" ? 521 : 256;
}

// What an inventory knows of the subject and the key: a client that renews builds its next CSR from it.
void set_subject(Json& json, const CsrFacts& csr) {
  const auto values = [&](const char* name) { return list_in(csr.subject, name); };
  const std::vector<std::string> common = values("CN");
  json.set("certificateName", common.empty() ? "" : common.front());
  json.set("subjectDN", csr.subject_dn);
  json.set("subjectCN", Json(common));
  json.set("subjectOU", Json(values("OU")));
  for (const char* name : {"O", "L", "ST", "C"}) {
    if (const auto value = values(name); !value.empty()) json.set(std::string("subject") + name, value.front());
  }
  json.set("subjectAlternativeNamesByType", names_json(csr));
  Json dns = Json::array();
  for (const auto& [kind, value] : csr.names) {
    if (kind == "dNSName") dns.push(value);
  }
  json.set("subjectAlternativeNameDns", dns);
  json.set("encryptionType", csr.key_type);
  json.set("keyStrength", strength_of(csr));
  if (!csr.key_curve.empty()) json.set("keyCurve", csr.key_curve);
}

constexpr std::array<std::string_view, 5> kReasons{"UNSPECIFIED", "KEY_COMPROMISE", "AFFILIATION_CHANGED", "SUPERSEDED",
                                                   "CESSATION_OF_OPERATION"};

// With "data" null, or without when the call itself was not understood.
Json graphql_error(const std::string& message, const char* code, bool understood = true) {
  const Json error = Json::object({{"message", message}, {"extensions", Json::object({{"code", code}})}});
  Json json = Json::object({{"errors", Json::array({error})}});
  if (understood) json.set("data", Json());
  return json;
}

Json revocation_json(const CloudCertificate& certificate) {
  if (!certificate.revocation) return {};
  const Revocation& revocation = *certificate.revocation;
  Json error;
  if (!revocation.error.empty()) {
    error = Json::object({{"arguments", Json::array()}, {"code", 10200}, {"message", revocation.error}});
  }
  Json details;
  if (!revocation.rejection.empty()) details = Json::object({{"rejectionReason", revocation.rejection}});
  return Json::object({{"status", revocation.status}, {"error", error}, {"approvalDetails", details}});
}

}  // namespace

CloudCertificate& Venafi::find_certificate(const std::string& id) {
  CloudCertificate& certificate = found_in(certificates_, "Certificate", id);
  // The inventory is behind: what was just issued is not there yet.
  if (certificate.available_at > now()) throw unknown_id("Certificate", id);
  return certificate;
}

CloudCertificate* Venafi::by_fingerprint(const std::string& fingerprint) {
  for (CloudCertificate& certificate : certificates_) {
    if (!certificate.request.empty() && fingerprint_of(certificate.der) == fingerprint) return &certificate;
  }
  return nullptr;
}

Answer Venafi::contents(const Asked& asked) {
  const CloudCertificate& certificate = find_certificate(asked.captured[0]);
  if (knobs_.not_signed > 0) {
    --knobs_.not_signed;
    throw refusal(409, 10060, "The certificate is not signed by the CA yet");
  }
  const std::string format = asked.call.query_value("format");
  if (format == "DER") return {200, to_text(certificate.der), "application/octet-stream"};
  if (!format.empty() && format != "PEM") throw wrong_parameters();
  std::string order = asked.call.query_value("chainOrder");
  if (knobs_.chain == Knobs::Chain::reversed) order = "ROOT_FIRST";
  if (knobs_.chain == Knobs::Chain::missing || certificate.request.empty()) order = "EE_ONLY";
  const std::string leaf = to_pem("CERTIFICATE", certificate.der);
  if (order == "EE_ONLY") return {200, leaf, "text/plain"};
  if (order == "ROOT_FIRST")
    return {200, to_pem("CERTIFICATE", ca_.chain().back()) + to_pem("CERTIFICATE", ca_.chain().front()) + leaf,
            "text/plain"};
  return {200, leaf + to_pem("CERTIFICATE", ca_.chain().front()) + to_pem("CERTIFICATE", ca_.chain().back()),
          "text/plain"};
}

Json Venafi::to_json(const CloudCertificate& certificate) const {
  Json json = Json::object({{"id", certificate.id},
                            {"companyId", company_},
                            {"managedCertificateId", certificate.id},
                            {"fingerprint", fingerprint_of(certificate.der)},
                            {"serialNumber", upper(hex(read_certificate(certificate.der).serial))},
                            {"selfSigned", false},
                            {"certificateStatus", certificate.status},
                            {"versionType", certificate.version},
                            {"validityStart", date(certificate.not_before)},
                            {"validityEnd", date(certificate.not_after)},
                            {"issuerCertificateIds", Json::array({issuing_id_, root_id_})},
                            {"instances", Json::array()}});
  if (const CloudRequest* request = requests_.find(certificate.request)) {
    json.set("certificateRequestId", certificate.request);
    set_subject(json, request->csr);
    json.set("applicationIds", request->application.empty() ? Json::array() : Json::array({request->application}));
    if (!knobs_.drops_tags) json.set("tags", Json(request->tags));
  }
  return json;
}

Answer Venafi::certificate(const Asked& asked) {
  return {200, to_json(find_certificate(asked.captured[0]))};
}

Answer Venafi::search_certificates(const Asked& asked) {
  Json::Array documents;
  for (const CloudCertificate& certificate : certificates_) {
    if (!certificate.request.empty() && certificate.available_at <= now()) documents.push_back(to_json(certificate));
  }
  const Hits hits = search(asked, std::move(documents));
  return {200, Json::object({{"count", hits.count}, {"certificates", hits.page}})};
}

void Venafi::finish_revocation(CloudCertificate& certificate) {
  certificate.revocation->done = true;
  if (CloudRequest* request = requests_.find(certificate.request)) set_status(*request, "REVOKED");
}

// The authority works while nobody looks; here each look is a step.
void Venafi::look_at_revocation(CloudCertificate& certificate) {
  if (!certificate.revocation || certificate.revocation->done || certificate.revocation->status != "SUBMITTED") return;
  if (certificate.revocation->looks_left > 0) {
    --certificate.revocation->looks_left;
    return;
  }
  finish_revocation(certificate);
}

Json Venafi::revoke(const Json& variables) {
  only(variables, {"fingerprint", "certificateAuthorityAccountId", "revocationReason", "revocationComment"});
  CloudCertificate* certificate = by_fingerprint(text_in(variables, "fingerprint"));
  const std::string reason = text_in(variables, "revocationReason");
  if (std::find(kReasons.begin(), kReasons.end(), reason) == kReasons.end()) {
    return graphql_error(fmt::format("Value '{}' is not in enum RevocationReason", reason), "BAD_USER_INPUT", false);
  }
  if (certificate == nullptr) return graphql_error("Certificate not found", "NOT_FOUND");
  if (certificate->revocation && certificate->revocation->done) {
    return graphql_error("Certificate is already revoked", "BAD_REQUEST");
  }
  using How = Script::Revocation;
  const CloudRequest* request = requests_.find(certificate->request);
  const How how = request == nullptr ? How::at_once : find_template(request->issuing_template).script.revocation;
  Revocation revocation{"SUBMITTED", reason, text_in(variables, "revocationComment"), "", "", 0, false};
  if (how == How::slow) revocation.looks_left = 3;
  if (how == How::approval) revocation.status = "PENDING_APPROVAL";
  if (how == How::fails) {
    revocation.status = "FAILED";
    revocation.error = "the CA does not revoke it";
  }
  certificate->revocation = revocation;
  const Json answer = Json::object({{"id", certificate->id},
                                    {"fingerprint", fingerprint_of(certificate->der)},
                                    {"revocation", revocation_json(*certificate)}});
  return Json::object({{"data", Json::object({{"revokeCertificate", answer}})}});
}

Answer Venafi::graphql(const Asked& asked) {
  const Json body = body_of(asked, {"operationName", "query", "variables"});
  const std::string query = text_in(body, "query");
  const Json* variables = body.find("variables");
  if (variables == nullptr || !variables->is_object()) {
    throw wrong_parameters();
  }
  if (query.find("revokeCertificate(") != std::string::npos) return {200, revoke(*variables)};
  if (query.find("certificate(") == std::string::npos) {
    return {200, graphql_error("Cannot query that field", "GRAPHQL_VALIDATION_FAILED")};
  }
  only(*variables, {"fingerprint"});
  CloudCertificate* certificate = by_fingerprint(text_in(*variables, "fingerprint"));
  if (certificate == nullptr) return {200, R"({"data":{"certificate":null}})"};
  const char* listed = certificate->revocation && certificate->revocation->done ? "REVOKED" : "NOT_REVOKED";
  const Json answer = Json::object({{"id", certificate->id},
                                    {"fingerprint", fingerprint_of(certificate->der)},
                                    {"revocation", revocation_json(*certificate)},
                                    {"globalRevocation", Json::object({{"status", listed}})}});
  return {200, Json::object({{"data", Json::object({{"certificate", answer}})}})};
}

}  // namespace hsmbridge::rig::venafi
