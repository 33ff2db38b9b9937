// Certificate requests of the simulated service: what is taken, and how it goes on.
#include "base/error.h"
#include "base/text.h"
#include "tools/rig/pki/certificates.h"
#include "tools/rig/venafi/venafi.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <regex>
#include <utility>

namespace hsmbridge::rig::venafi {
namespace {

constexpr std::array<const char*, 9> kNameKinds{
    "otherName", "rfc822Name",  "dNSName", "x400Address", "directoryName", "ediPartyName", "uniformResourceIdentifier",
    "iPAddress", "registeredID"};
constexpr std::array<const char*, 6> kComponents{"CN", "O", "OU", "L", "ST", "C"};

// The templates are the rig's own: their expressions are known to be harmless.
bool passes(const std::vector<std::string>& expressions, const std::string& value) {
  return std::any_of(expressions.begin(), expressions.end(),
                     [&](const std::string& expression) { return std::regex_match(value, std::regex(expression)); });
}

// "P90D", "P1DT12H0M0S", "PT12H". Zero for another text.
std::chrono::seconds iso_seconds(const std::string& text) {
  static const std::regex form(R"(P(?:(\d+)Y)?(?:(\d+)M)?(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?)?)");
  constexpr std::array<std::int64_t, 6> kUnits{365 * 86400, 30 * 86400, 86400, 3600, 60, 1};
  std::smatch parts;
  if (!std::regex_match(text, parts, form)) return std::chrono::seconds{0};
  std::int64_t total = 0;
  for (std::size_t i = 0; i < kUnits.size(); ++i) {
    if (parts[i + 1].matched && parts[i + 1].length() < 7) total += std::stoll(parts[i + 1].str()) * kUnits.at(i);
  }
  return std::chrono::seconds{total};
}

std::vector<std::string> tags_in(const Json& body) {
  std::vector<std::string> tags;
  const Json* list = body.find("tags");
  if (list == nullptr || list->is_null()) return tags;
  if (!list->is_array()) throw wrong_parameters(Json::array({"tags"}));
  for (const Json& tag : list->as_array()) tags.push_back(tag.as_string());
  return tags;
}

void set_if(Json& json, const char* name, const std::string& value) {
  if (!value.empty()) json.set(name, value);
}

// What a request shows of its CSR.
void set_csr(Json& json, const CsrFacts& csr) {
  json.set("subjectDN", csr.subject_dn);
  json.set("keyType", csr.key_type);
  if (csr.key_length != 0) json.set("keyLength", csr.key_length);
  set_if(json, "keyCurve", csr.key_curve);
  json.set("subjectAlternativeNamesByType", names_json(csr));
}

}  // namespace

Json names_json(const CsrFacts& csr) {
  Json json = Json::object();
  for (const char* kind : kNameKinds) {
    Json values = Json::array();
    for (const auto& [type, value] : csr.names) {
      if (type == kind) values.push(value);
    }
    json.set(kind, values);
  }
  return json;
}

CloudRequest Venafi::read_order(const Asked& asked) {
  const Json body = body_of(
      asked, {"applicationId", "certificateIssuingTemplateId", "isVaaSGenerated", "certificateSigningRequest",
              "reuseCSR", "existingCertificateId", "validityPeriod", "certificateOwnerUserId", "apiClientInformation",
              "certificateUsageMetadata", "tags", "customAttributes", "csrAttributes", "applicationServerTypeId"});
  const bool ngts = asked.call.segments().front() == "ngts";
  CloudRequest request;
  request.application = text_in(body, "applicationId");
  request.issuing_template = text_in(body, "certificateIssuingTemplateId");
  if (!ngts || !request.application.empty()) {
    must_be_uuid(request.application);
    const auto application = std::find_if(applications_.begin(), applications_.end(),
                                          [&](const ApplicationRecord& one) { return one.id == request.application; });
    if (application == applications_.end()) throw unknown_id("Application", request.application);
    const TemplateRecord& chosen = find_template(request.issuing_template);
    const bool assigned = std::any_of(application->templates.begin(), application->templates.end(),
                                      [&](const auto& alias) { return alias.second == chosen.id; });
    if (!assigned) throw refusal(412, 20216, "No certificate issuing template with that id has been assigned");
  }
  find_template(request.issuing_template);
  if (body.bool_or("isVaaSGenerated", false)) throw refusal(400, 1006, "Driver generated csr is not allowed");
  request.existing_certificate = text_in(body, "existingCertificateId");
  request.csr_pem = text_in(body, "certificateSigningRequest");
  if (body.bool_or("reuseCSR", false)) {
    const CloudCertificate& old = find_certificate(request.existing_certificate);
    request.csr_pem = find_request(old.request).csr_pem;
  }
  const std::optional<CsrFacts> csr = read_csr_facts(request.csr_pem);
  if (!csr) {
    throw refusal(412, 10702, "Unable to parse bytes of certificate signing request", Json::array({""}));
  }
  request.csr = *csr;
  request.validity = text_in(body, "validityPeriod");
  if (!request.validity.empty() && iso_seconds(request.validity).count() == 0) {
    throw wrong_parameters(Json::array({"validityPeriod"}));
  }
  request.tags = tags_in(body);
  if (const Json* client = body.find("apiClientInformation"); client != nullptr) request.client = *client;
  if (const Json* usage = body.find("certificateUsageMetadata"); usage != nullptr) request.usage_metadata = *usage;
  request.owner = asked.caller.id;
  check_rules(request, find_template(request.issuing_template));
  return request;
}

// One entry for each bad component, absent ones as "".
void Venafi::check_rules(const CloudRequest& request, const TemplateRecord& rules) const {
  Json::Array errors;
  const auto bad = [&](const std::string& component, const std::string& value, const std::vector<std::string>& list) {
    Json allowed(list);
    if (knobs_.nested_args) allowed = Json::array({Json::array({allowed, 1})});
    errors.push_back(error_entry(
        10726, fmt::format("Distinguished name component {} with value \"{}\" is invalid", component, value),
        Json::array({component, value, allowed})));
  };
  if (rules.status != "AVAILABLE") {
    errors.push_back(error_entry(10701, "Certificate issuing template is unavailable", Json::array({rules.reason})));
  }
  if (!rules.csr_upload_allowed) errors.push_back(error_entry(10703, "Uploading a CSR is not allowed", Json::array()));
  for (const char* component : kComponents) {
    std::vector<std::string> values = list_in(request.csr.subject, component);
    if (values.empty()) values = {""};
    for (const std::string& value : values) {
      if (!passes(list_in(rules.subject, component), value)) bad(component, value, list_in(rules.subject, component));
    }
  }
  for (const auto& [kind, value] : request.csr.names) {
    if (!passes(list_in(rules.names, kind), value)) bad(kind, value, list_in(rules.names, kind));
  }
  const bool good_key =
      request.csr.key_type == "RSA"
          ? std::count(rules.rsa_lengths.begin(), rules.rsa_lengths.end(), request.csr.key_length) != 0
          : std::count(rules.curves.begin(), rules.curves.end(), request.csr.key_curve) != 0;
  if (!good_key) {
    errors.push_back(error_entry(10704, "Key type or size is not allowed", Json::array({request.csr.key_type})));
  }
  if (!request.existing_certificate.empty()) {
    const CloudCertificate& old = found_in(certificates_, "Certificate", request.existing_certificate);
    if (old.version != "CURRENT") {
      errors.push_back(error_entry(10705, "Only the current version of a certificate can be renewed", Json::array()));
    }
    if (!rules.key_reuse && read_certificate(old.der).public_key == request.csr.public_key) {
      errors.push_back(error_entry(10706, "Key reuse is not allowed", Json::array()));
    }
  }
  if (!errors.empty()) throw refusal(412, std::move(errors));
}

Answer Venafi::create_request(const Asked& asked) {
  CloudRequest request = read_order(asked);
  request.id = new_uuid();
  request.created = now();
  const Script& script = find_template(request.issuing_template).script;
  if (!script.approvers.empty()) {
    set_status(request, "PENDING_APPROVAL");
  } else {
    take_step(request);
  }
  const CloudRequest& added = requests_.put(std::move(request));
  return {201, Json::object({{"certificateRequests", Json::array({to_json(added, false)})}})};
}

Answer Venafi::validate_request(const Asked& asked) {
  const CloudRequest request = read_order(asked);
  Json valid = Json::object({{"publicKeyHash", hex(sha256(request.csr.public_key))}});
  set_csr(valid, request.csr);
  return {201, valid};
}

CloudRequest& Venafi::find_request(const std::string& id) {
  CloudRequest& request = found_in(requests_, "CertificateRequest", lower(id));
  reject_overdue(request);
  return request;
}

void Venafi::set_status(CloudRequest& request, const std::string& status) {
  request.status = status;
  request.modified = now();
}

// The next status of the template's script.
void Venafi::take_step(CloudRequest& request) {
  const Script& script = find_template(request.issuing_template).script;
  if (request.step < script.before.size()) {
    set_status(request, script.before[request.step++]);
    return;
  }
  set_status(request, script.end);
  request.error = script.error;
  if (script.end == "ISSUED") issue(request);
}

void Venafi::issue(CloudRequest& request) {
  const TemplateRecord& rules = find_template(request.issuing_template);
  const std::chrono::seconds longest = iso_seconds(rules.validity);
  std::chrono::seconds validity = request.validity.empty() ? longest : iso_seconds(request.validity);
  const bool ignored = knobs_.validity == Knobs::Validity::ignored ||
                       (rules.authority == "ZTPKI" && request.validity.substr(0, 2) == "PT");
  if (ignored) validity = longest;
  if (knobs_.validity == Knobs::Validity::clipped) validity = std::min(validity, longest);
  CloudCertificate certificate;
  certificate.id = new_uuid();
  certificate.request = request.id;
  certificate.not_before = Instant{std::chrono::floor<std::chrono::seconds>(now())} - std::chrono::minutes{1};
  certificate.not_after = certificate.not_before + validity - std::chrono::seconds{1};
  certificate.available_at = now() + knobs_.inventory_lag;
  CertificateContent content;
  content.subject_name = request.csr.subject_name;
  content.subject_public_key =
      knobs_.wrong_key ? SoftwareKey::generate("EC", 256).public_key() : request.csr.public_key;
  content.serial = random_serial();
  content.not_before = certificate.not_before;
  content.not_after = certificate.not_after;
  if (!rules.extended_usages.empty()) {
    const auto usage = [](const std::string& word) { return lower(word) + "Auth"; };
    content.extensions = {{"extendedKeyUsage", joined(rules.extended_usages, ",", usage)}};
  }
  content.copied_from_csr = request.csr.der;
  content.copied = CertificateContent::Copied::names_and_usages;
  certificate.der = ca_.issue(std::move(content));
  request.certificates = {certificate.id, issuing_id_, root_id_};
  if (!request.existing_certificate.empty()) certificates_.find(request.existing_certificate)->version = "OLD";
  certificates_.put(std::move(certificate));
}

Json Venafi::to_json(const CloudRequest& request, bool document) const {
  Json json = Json::object({{"id", request.id}, {"companyId", company_}});
  if (document) {
    json.set("applicationIds", request.application.empty() ? Json::array() : Json::array({request.application}));
  }
  set_if(json, "applicationId", request.application);
  json.set("certificateIssuingTemplateId", request.issuing_template);
  json.set("certificateOwnerUserId", request.owner);
  json.set("creationDate", date(request.created));
  json.set("modificationDate", date(request.modified));
  json.set("status", request.status);
  if (!request.certificates.empty() && !knobs_.without_ids) json.set("certificateIds", Json(request.certificates));
  // A search shows documents: those have no CSR and no client.
  if (!document) {
    json.set("certificateSigningRequest", request.csr_pem);
    if (!request.client.is_null()) json.set("apiClientInformation", request.client);
  }
  set_csr(json, request.csr);
  set_if(json, "validityPeriod", request.validity);
  if (!request.tags.empty() && !knobs_.drops_tags) json.set("tags", Json(request.tags));
  if (!request.error.empty()) {
    const Json args = knobs_.nested_args ? Json::array({Json::array({"CN", Json::array({1, "x"})}), 7}) : Json::array();
    json.set("errorInformation", Json::object({{"code", 10100}, {"message", request.error}, {"args", args}}));
  }
  return json;
}

Answer Venafi::get_request(const Asked& asked) {
  CloudRequest& request = find_request(asked.captured[0]);
  Json answer = to_json(request, false);
  // A look at a request moves it on, so that tests need no clock: the next one sees the next status.
  static const std::vector<std::string_view> moving{"NEW", "PENDING", "REQUESTED"};
  if (std::find(moving.begin(), moving.end(), request.status) != moving.end()) take_step(request);
  if (request.certificates.empty()) return {200, answer};
  look_at_revocation(*certificates_.find(request.certificates.front()));
  return {200, answer};
}

Answer Venafi::search_requests(const Asked& asked) {
  Json::Array documents;
  for (CloudRequest& request : requests_) {
    reject_overdue(request);
    if (!knobs_.hides_requests) documents.push_back(to_json(request, true));
  }
  const Hits hits = search(asked, std::move(documents));
  return {200, Json::object({{"certificateRequests", hits.page}, {"numFound", hits.count}})};
}

}  // namespace hsmbridge::rig::venafi
