#include "base/text.h"
#include "tools/rig/digicert/digicert.h"

#include <fmt/core.h>

#include <algorithm>
#include <functional>

// Certificates that the simulated DigiCert has issued.
namespace hsmbridge::rig {
namespace {

constexpr const char* kAccount = "3ff33f88-5717-4542-b3fc-3f312f44afa4";
constexpr const char* kUnit = "e5bf49f0-a77b-4301-85e9-c15eb12df70f";
constexpr const char* kUnitName = "Test BU";
constexpr const char* kIssuingCa = "444FFF3A03C12BCEF463B5D2EF01985F";
constexpr const char* kIssuingCaName = "Rig Trust Lifecycle Issuing CA";

const std::vector<std::string_view> kRevocationReasons{
    "unspecified",   "key_compromise",         "ca_compromise",    "affiliation_changed", "superseded",
    "aa_compromise", "cessation_of_operation", "certificate_hold", "privilege_withdrawn"};

std::string thumbprint(ByteView der) {
  return upper(hex(sha256(der)));
}

std::string joined_values(const Json* values) {
  return values == nullptr ? "" : joined(values->as_array(), ", ", [](const Json& one) { return one.as_string(); });
}

}  // namespace

std::string Digicert::status_of(const Certificate& certificate) const {
  return certificate.status == "issued" && now() > read_certificate(certificate.der).end ? "expired"
                                                                                         : certificate.status;
}

std::string Digicert::text_of(ByteView der) const {
  return options_.certificate_text == DigicertText::base64 ? base64(der) : to_pem("CERTIFICATE", der);
}

Digicert::Certificate& Digicert::find_certificate(const Asked& asked) {
  const std::string serial = upper(asked.captured.at(0));
  const std::string print = upper(asked.call.query_value("thumbprint_sha256"));
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
  const CertificateFacts facts = read_certificate(certificate.der);
  Json subject = Json::object();
  // Arrays of a request are one text here.
  for (const auto& [name, values] : certificate.subject.as_object()) subject.set(name, joined_values(&values));
  Json json = Json::object(
      {{"profile", Json::object({{"id", certificate.profile}, {"name", profile_of(certificate.profile).name}})},
       {"seat", Json::object({{"seat_id", certificate.seat}})},
       {"business_unit", Json::object({{"id", kUnit}, {"name", kUnitName}})},
       {"account", Json::object({{"id", kAccount}})},
       // Base64 without lines in the service's example, whatever the prose says.
       {"certificate", base64(certificate.der)},
       {"ica", Json::object({{"id", kIssuingCa}})},
       {"common_name", joined_values(certificate.subject.find("common_name"))},
       {"status", word(status_of(certificate))},
       {"serial_number", certificate.serial},
       {"thumbprint", thumbprint(certificate.der)},
       {"valid_from", rfc3339(facts.begin)},
       {"valid_to", rfc3339(facts.end)},
       {"template_name", "Private Server"},
       {"issuing_ca_name", kIssuingCaName},
       {"key_size", std::int64_t{public_key_bits(facts.public_key)}},
       {"signature_algorithm", public_key_type(facts.public_key) == PublicKeyType::rsa ? "RSA" : "ECDSA"},
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
  return {200, details_json(find_certificate(asked))};
}

Answer Digicert::show_formats(const Asked& asked) {
  using Formats = DigicertFormats;
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
    list.push(Json::object(
        {{"common_name", equal(der, certificate.der) ? joined_values(certificate.subject.find("common_name"))
                                                     : std::string("Rig Trust Lifecycle")},
         {"cert_blob", to_pem("CERTIFICATE", der)}}));
  }
  return {200, Json::object({{"pkcs7", to_pem("PKCS7", pkcs7_bundle(chain))}, {"x509_cert_chain", list}})};
}

Answer Digicert::revoke(const Asked& asked) {
  Certificate& certificate = find_certificate(asked);
  Fields fields(asked.body, "", input_errors());
  const std::string reason = fields.word("revocation_reason", kRevocationReasons);
  fields.done();
  if (certificate.status == "revoked") {
    throw digicert_error(400, "invalid_state", "Certificate already has been revoked");
  }
  certificate.status = reason == "certificate_hold" ? "suspended" : "revoked";
  certificate.reason = reason;
  certificate.revoked = now();
  save(certificate);
  return {204, ""};
}

Answer Digicert::search(const Asked& asked) {
  // What can be compared here, and whether with the letter case.
  struct Filter {
    std::string_view name;
    bool exact;
    std::function<std::string(const Certificate&)> value;
  };
  const std::vector<Filter> filters{
      {"seat_id", true, [](const Certificate& one) { return one.seat; }},
      {"common_name", true, [](const Certificate& one) { return joined_values(one.subject.find("common_name")); }},
      {"profile_id", true, [](const Certificate& one) { return one.profile; }},
      {"status", false, [this](const Certificate& one) { return status_of(one); }},
      {"serial_number", false, [](const Certificate& one) { return one.serial; }},
      {"thumbprint", false, [](const Certificate& one) { return thumbprint(one.der); }}};
  for (const auto& [name, value] : asked.call.query()) {
    const bool known =
        name == "offset" || name == "limit" ||
        std::any_of(filters.begin(), filters.end(), [&key = name](const Filter& filter) { return filter.name == key; });
    if (!known) throw wrong_input(name);
  }
  const auto [offset, limit] = page_of(asked.call);
  std::vector<const Certificate*> found;
  for (const Certificate& one : certificates_) {
    if (now() - one.created < options_.search_lag) continue;
    const bool fits = std::all_of(filters.begin(), filters.end(), [&](const Filter& filter) {
      const std::string wanted = asked.call.query_value(filter.name);
      const std::string value = filter.value(one);
      return wanted.empty() || (filter.exact ? wanted == value : equal_ignoring_case(wanted, value));
    });
    if (fits) found.push_back(&one);
  }
  Json items = Json::array();
  for (std::size_t i = offset; i < found.size() && i < offset + limit; ++i) items.push(details_json(*found[i]));
  return {200, Json::object({{"total", static_cast<std::int64_t>(found.size())},
                             {"offset", static_cast<std::int64_t>(offset)},
                             {"limit", static_cast<std::int64_t>(limit)},
                             {"items", items}})};
}

}  // namespace hsmbridge::rig
