#include "tools/rig/digicert/digicert.h"
#include "tools/rig/server/letter_case.h"

#include <fmt/core.h>

#include <algorithm>

// Certificates that the simulated DigiCert has issued.
namespace hsmbridge::rig {
namespace {

constexpr const char* kAccount = "3ff33f88-5717-4542-b3fc-3f312f44afa4";
constexpr const char* kUnit = "e5bf49f0-a77b-4301-85e9-c15eb12df70f";
constexpr const char* kUnitName = "Test BU";
constexpr const char* kIssuingCa = "444FFF3A03C12BCEF463B5D2EF01985F";
constexpr const char* kIssuingCaName = "Rig Trust Lifecycle Issuing CA";

const std::vector<std::string>& reasons() {
  static const std::vector<std::string> words{
      "unspecified",   "key_compromise",         "ca_compromise",    "affiliation_changed", "superseded",
      "aa_compromise", "cessation_of_operation", "certificate_hold", "privilege_withdrawn"};
  return words;
}

std::string thumbprint(ByteView der) {
  return upper_case(hex(sha256(der)));
}

std::string joined(const Json* values) {
  std::string text;
  if (values == nullptr) return text;
  for (const Json& one : values->as_array()) text += (text.empty() ? "" : ", ") + one.as_string();
  return text;
}

}  // namespace

std::string Digicert::status_of(const Certificate& certificate) const {
  return certificate.status == "issued" && now() > certificate_end(certificate.der) ? "expired" : certificate.status;
}

std::string Digicert::text_of(ByteView der) const {
  return options_.certificate_text == DigicertOptions::CertificateText::base64
             ? base64(der)
             : to_pem("CERTIFICATE", der, PemLayout::lines);
}

Digicert::Certificate& Digicert::find_certificate(const Asked& asked) {
  const std::string serial = upper_case(asked.captured.at(0));
  const std::string print = upper_case(asked.call.query_value("thumbprint_sha256"));
  std::vector<Certificate*> found;
  for (Certificate& one : certificates_) {
    if (one.serial == serial && (print.empty() || print == thumbprint(one.der))) found.push_back(&one);
  }
  if (found.empty()) throw digicert_error(404, "resource_not_found", "There is no certificate " + serial);
  if (found.size() > 1) {
    throw digicert_error(400, "invalid_request",
                         "Collision occurred! Please specify additional parameter: thumbprint_sha256");
  }
  return *found.front();
}

Json Digicert::details_json(const Certificate& certificate) const {
  const Bytes key = certificate_public_key(certificate.der);
  Json subject = Json::object();
  // Arrays of a request are one text here.
  for (const auto& [name, values] : certificate.subject.as_object()) subject.set(name, joined(&values));
  Json json = Json::object(
      {{"profile", Json::object({{"id", certificate.profile}, {"name", profile_of(certificate.profile).name}})},
       {"seat", Json::object({{"seat_id", certificate.seat}})},
       {"business_unit", Json::object({{"id", kUnit}, {"name", kUnitName}})},
       {"account", Json::object({{"id", kAccount}})},
       // Base64 without lines in the service's example, whatever the prose says.
       {"certificate", base64(certificate.der)},
       {"ica", Json::object({{"id", kIssuingCa}})},
       {"common_name", joined(certificate.subject.find("common_name"))},
       {"status", word(status_of(certificate))},
       {"serial_number", certificate.serial},
       {"thumbprint", thumbprint(certificate.der)},
       {"valid_from", rfc3339(certificate_begin(certificate.der))},
       {"valid_to", rfc3339(certificate_end(certificate.der))},
       {"template_name", "Private Server"},
       {"issuing_ca_name", kIssuingCaName},
       {"key_size", std::int64_t{public_key_bits(key)}},
       {"signature_algorithm", public_key_type(key) == PublicKeyType::rsa ? "RSA" : "ECDSA"},
       {"subject", subject},
       {"cert_security_rating", "Secure"}});
  if (certificate.revoked) {
    json.set("revocation", Json::object({{"reason", certificate.reason},
                                         {"revocation_date", rfc3339(*certificate.revoked)},
                                         {"comments", ""}}));
  }
  return json;
}

Answer Digicert::show_certificate(const Asked& asked) {
  return {200, details_json(find_certificate(asked)).dump()};
}

Answer Digicert::show_formats(const Asked& asked) {
  using Formats = DigicertOptions::Formats;
  const Certificate& certificate = find_certificate(asked);
  if (options_.formats == Formats::missing || options_.formats == Formats::none) {
    throw digicert_error(404, "resource_not_found", "There are no other formats");
  }
  std::vector<Bytes> chain{certificate.der};
  chain.insert(chain.end(), ca_.chain().begin(), ca_.chain().end());
  if (options_.formats == Formats::without_root) chain.pop_back();
  Json list = Json::array();
  std::vector<Bytes> shown = chain;
  if (options_.formats == Formats::reversed) std::reverse(shown.begin(), shown.end());
  for (const Bytes& der : shown) {
    list.push(
        Json::object({{"common_name", equal(der, certificate.der) ? joined(certificate.subject.find("common_name"))
                                                                  : std::string("Rig Trust Lifecycle")},
                      {"cert_blob", to_pem("CERTIFICATE", der, PemLayout::lines)}}));
  }
  return {200,
          Json::object({{"pkcs7", to_pem("PKCS7", pkcs7_bundle(chain), PemLayout::lines)}, {"x509_cert_chain", list}})
              .dump()};
}

Answer Digicert::revoke(const Asked& asked) {
  Certificate& certificate = find_certificate(asked);
  DigicertFields fields(asked.body, "");
  const std::string reason = fields.text("revocation_reason");
  fields.done();
  if (std::find(reasons().begin(), reasons().end(), reason) == reasons().end()) throw wrong_input("revocation_reason");
  if (certificate.status == "revoked") {
    throw digicert_error(400, "invalid_state", "Certificate already has been revoked");
  }
  certificate.status = reason == "certificate_hold" ? "suspended" : "revoked";
  certificate.reason = reason;
  certificate.revoked = now();
  keep(certificate);
  return {204, ""};
}

Answer Digicert::search(const Asked& asked) {
  // Of what can be asked, valid_from, valid_to, aki and issuing_ca_serial_number are missing: how they compare is
  // written down nowhere.
  static const std::vector<std::string> known{
      "seat_id",         "common_name", "status",     "profile_id",       "serial_number",      "thumbprint",
      "offset",          "limit",       "account_id", "business_unit_id", "business_unit_name", "issuing_ca_id",
      "issuing_ca_name", "seat_type_id"};
  for (const auto& [name, value] : asked.call.query()) {
    if (std::find(known.begin(), known.end(), name) == known.end()) throw wrong_input(name);
  }
  const auto fits = [&](std::string_view name, const std::string& value) {
    const std::string wanted = asked.call.query_value(name);
    return wanted.empty() || wanted == value;
  };
  const auto fits_hex = [&](std::string_view name, const std::string& value) {
    const std::string wanted = upper_case(asked.call.query_value(name));
    return wanted.empty() || wanted == value;
  };
  const auto [offset, limit] = page_of(asked.call);
  std::vector<const Certificate*> found;
  for (const Certificate& one : certificates_) {
    const std::string wanted = upper_case(asked.call.query_value("status"));
    if (!wanted.empty() && wanted != upper_case(status_of(one))) continue;
    if (now() - one.created < options_.search_lag) continue;
    if (fits("seat_id", one.seat) && fits("common_name", joined(one.subject.find("common_name"))) &&
        fits("profile_id", one.profile) && fits("account_id", kAccount) && fits("business_unit_id", kUnit) &&
        fits("business_unit_name", kUnitName) && fits("issuing_ca_id", kIssuingCa) &&
        fits("issuing_ca_name", kIssuingCaName) && fits("seat_type_id", "USER_SEAT") &&
        fits_hex("serial_number", one.serial) && fits_hex("thumbprint", thumbprint(one.der))) {
      found.push_back(&one);
    }
  }
  Json items = Json::array();
  for (std::size_t i = offset; i < found.size() && i < offset + limit; ++i) items.push(details_json(*found[i]));
  return {200, Json::object({{"total", static_cast<std::int64_t>(found.size())},
                             {"offset", static_cast<std::int64_t>(offset)},
                             {"limit", static_cast<std::int64_t>(limit)},
                             {"items", items}})
                   .dump()};
}

}  // namespace hsmbridge::rig
