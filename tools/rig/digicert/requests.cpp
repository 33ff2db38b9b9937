#include "base/log.h"
#include "base/text.h"
#include "tools/rig/digicert/digicert.h"
#include "tools/rig/server/uuid.h"

#include <fmt/core.h>

#include <algorithm>

// Ordering certificates at the simulated DigiCert.
namespace hsmbridge::rig {
namespace {

constexpr std::chrono::seconds kDay = std::chrono::hours{24};

struct Unit {
  std::string_view word;
  std::chrono::seconds length;
};
constexpr Unit kUnits[] = {
    {"years", kDay * 365},
    {"months", kDay * 30},
    {"days", kDay},
    {"hours", std::chrono::hours{1}},
    {"minutes", std::chrono::minutes{1}},
};

// The members of `json` that the table knows, each as a list of values, in the order of the request.
Json read_values(const Json& json, const std::string& path, const std::vector<DigicertFieldName>& table) {
  Fields fields(json, path, input_errors());
  for (const DigicertFieldName& row : table) fields.member(row.name);
  fields.done();
  Json values = Json::object();
  for (const auto& [name, value] : json.as_object()) {
    if (value.is_string()) {
      values.set(name, Json::array({value}));
    } else if (const std::vector<std::string> list = fields.texts(name); !list.empty()) {
      values.set(name, Json(list));
    }
  }
  return values;
}

// One working script sends "true".
bool read_flag(Fields& fields, std::string_view name) {
  const Json* found = fields.member(name);
  if (found == nullptr || !found->is_string()) return fields.flag_or_null(name).value_or(false);
  return fields.word(name, {"true", "false"}) == "true";
}

std::string first_value(const Json& values, std::string_view name) {
  const Json* list = values.find(name);
  return list == nullptr ? "" : list->as_array().front().as_string();
}

void check_fields(const std::vector<DigicertFieldRule>& rules, const Json& values, const std::string& path) {
  for (const DigicertFieldRule& rule : rules) {
    if (rule.mandatory && rule.fixed.empty() && values.find(rule.name) == nullptr) {
      throw digicert_error(400, "invalid_input_field", "Required field is missing: " + rule.name,
                           path + "." + rule.name);
    }
  }
  for (const auto& [name, value] : values.as_object()) {
    const bool known =
        std::any_of(rules.begin(), rules.end(), [&key = name](const auto& rule) { return rule.name == key; });
    if (!known) throw digicert_error(400, "invalid_input_field", "The profile has no field " + name, path + "." + name);
  }
}

}  // namespace

// ---- reading --------------------------------------------------------------------------------------------------------

void Digicert::read_terms(Fields& fields, Ordered& order) const {
  if (const Json* validity = fields.member("validity")) {
    Fields term(*validity, fields.path_of("validity"), input_errors());
    const std::string unit = lower(term.text("unit"));
    const std::int64_t duration = term.number("duration");
    term.done();
    const auto* row =
        std::find_if(std::begin(kUnits), std::end(kUnits), [&](const Unit& one) { return one.word == unit; });
    if (row == std::end(kUnits) || duration <= 0 || duration > 100'000'000) {
      throw wrong_input(fields.path_of("validity"));
    }
    order.validity = row->length * duration;
  }
  order.delivery_format = lower(fields.text_or_null("delivery_format").value_or(""));
  if (!order.delivery_format.empty() && order.delivery_format != "x509" && order.delivery_format != "pkcs7") {
    throw wrong_input(fields.path_of("delivery_format"));
  }
  order.include_ca_chain = read_flag(fields, "include_ca_chain");
}

void Digicert::read_attributes(const Json& json, const std::string& path, Ordered& order) const {
  Fields attributes(json, path, input_errors());
  if (const Json* subject = attributes.member("subject")) {
    order.subject = read_values(*subject, path + ".subject", digicert_subject_names());
  }
  if (const Json* extensions = attributes.member("extensions")) {
    Fields fields(*extensions, path + ".extensions", input_errors());
    if (const Json* names = fields.member("san")) {
      order.names = read_values(*names, path + ".extensions.san", digicert_name_kinds());
    }
    fields.done();
  }
  attributes.done();
}

// Both shapes are strict: what is not in its place is an unknown field.
Digicert::Ordered Digicert::read_order(const Json& body) const {
  using Shape = DigicertShape;
  Fields top(body, "", input_errors());
  Fields inner(*top.required_member("profile"), "profile", input_errors());
  Ordered order;
  order.profile = inner.text("id");
  const bool tutorial = inner.member("csr") != nullptr || inner.member("seat") != nullptr;
  order.shape = tutorial ? "tutorial" : "real";
  log::info(fmt::format("a certificate request in the {} shape", order.shape));
  if (tutorial && options_.shape == Shape::real) throw wrong_input("seat");
  if (!tutorial && options_.shape == Shape::tutorial) throw wrong_input("profile.seat");

  Fields& fields = tutorial ? inner : top;
  Fields whose(*fields.required_member("seat"), fields.path_of("seat"), input_errors());
  order.seat = whose.text(tutorial ? "id" : "seat_id");
  whose.text_or_null("email");
  whose.text_or_null("seat_name");
  whose.done();
  order.csr = fields.text("csr");
  read_terms(fields, order);
  if (const Json* attributes = fields.member("attributes")) {
    read_attributes(*attributes, fields.path_of("attributes"), order);
  }
  fields.texts("tags");
  inner.done();
  top.done();
  return order;
}

// ---- checking -------------------------------------------------------------------------------------------------------

Csr Digicert::checked_csr(const std::string& text, const DigicertProfile& profile, std::string_view field) const {
  const std::optional<Csr> csr = read_csr(text);
  if (!csr || !csr->signature_is_good) throw digicert_error(400, "invalid_input_field", "Invalid CSR", field);
  const PublicKeyType type = public_key_type(csr->public_key);
  const int key_bits = public_key_bits(csr->public_key);
  bool fits = false;
  for (const std::string& size : profile.key_sizes) {
    const bool curve = size.substr(0, 2) == "P-";
    const int bits = std::stoi(curve ? size.substr(2) : size);
    const bool alone = profile.key_sizes.size() == 1;
    if (curve && type == PublicKeyType::ec) fits = fits || key_bits == bits;
    if (!curve && type == PublicKeyType::rsa) fits = fits || (alone ? key_bits >= bits : key_bits == bits);
  }
  if (!fits) {
    throw digicert_error(400, "invalid_input_field", "The profile does not allow the key size of the CSR", field);
  }
  return *csr;
}

void Digicert::check_attributes(const Ordered& order, const DigicertProfile& profile) const {
  const std::string path = order.shape == "tutorial" ? "profile.attributes" : "attributes";
  check_fields(profile.subject, order.subject, path + ".subject");
  check_fields(profile.names, order.names, path + ".extensions.san");
}

void Digicert::check_duplicate(const Ordered& order, const DigicertProfile& profile) const {
  if (profile.duplicates_allowed) return;
  const std::string name = first_value(order.subject, "common_name");
  for (const Certificate& one : certificates_) {
    if (one.profile == profile.id && one.seat == order.seat && status_of(one) == "issued" &&
        first_value(one.subject, "common_name") == name) {
      throw digicert_error(
          400, "duplicate_error",
          fmt::format("A certificate for [{}] already exists and the profile allows no duplicates", name));
    }
  }
}

// ---- issuing --------------------------------------------------------------------------------------------------------

Digicert::Certificate& Digicert::issue(const Ordered& order, const DigicertProfile& profile, const Bytes& public_key) {
  CertificateContent content;
  const auto add = [&content](std::string_view name, const std::string& value) {
    for (const DigicertFieldName& row : digicert_subject_names()) {
      // DistinguishedName begins with what stands last in the DER.
      if (row.name == name) content.subject.insert(content.subject.begin(), {std::string(row.openssl), value});
    }
  };
  Json fixed = Json::object();
  for (const DigicertFieldRule& rule : profile.subject) {
    if (!rule.fixed.empty()) fixed.set(rule.name, rule.fixed);
  }
  for (const auto& [name, values] : order.subject.as_object()) {
    if (fixed.find(name) != nullptr) continue;
    for (const Json& value : values.as_array()) add(name, value.as_string());
  }
  for (const auto& [name, value] : fixed.as_object()) add(name, value.as_string());
  for (const DigicertFieldName& kind : digicert_name_kinds()) {
    const Json* values = order.names.find(kind.name);
    for (const Json& value : values == nullptr ? Json::Array{} : values->as_array()) {
      content.alternative_names.push_back({std::string(kind.openssl), std::string(kind.before) + value.as_string()});
    }
  }
  content.subject_public_key = public_key;
  // Every second number begins with a zero: 40 digits anyway.
  content.serial = random_bytes(20);
  content.serial[0] =
      static_cast<std::uint8_t>(certificates_.size() % 2 == 0 ? 0x0FU : (content.serial[0] & 0x3FU) | 0x40U);
  content.not_before = now();
  const std::chrono::seconds own = kDay * profile.validity_days;
  content.not_after = content.not_before + (profile.override_validity ? order.validity.value_or(own) : own);
  content.extensions = {{"extendedKeyUsage", "critical," + profile.extended_key_usage},
                        {"keyUsage", "critical," + profile.key_usage}};

  Certificate certificate;
  certificate.serial = upper(hex(content.serial));
  try {
    certificate.der = ca_.issue(std::move(content));
  } catch (const Error& error) {
    throw digicert_error(400, "invalid_input_field", error.message(), "attributes");
  }
  certificate.profile = profile.id;
  certificate.seat = order.seat;
  certificate.created = now();
  certificate.subject = order.subject;
  certificate.names = order.names;
  save(certificate);
  return certificates_.put(std::move(certificate));
}

Json Digicert::issued_json(const Certificate& certificate, const Ordered& order) const {
  const DigicertProfile& profile = profile_of(certificate.profile);
  const std::string format = !order.delivery_format.empty() ? order.delivery_format : profile.delivery_format;
  Json json = Json::object({{"serial_number", certificate.serial}, {"delivery_format", word(format)}});
  if (format == "pkcs7") {
    std::vector<Bytes> bundle{certificate.der};
    if (order.include_ca_chain) bundle.insert(bundle.end(), ca_.chain().begin(), ca_.chain().end());
    const Bytes der = pkcs7_bundle(bundle);
    json.set("certificate", options_.certificate_text == DigicertText::base64 ? base64(der) : to_pem("PKCS7", der));
    return json;
  }
  std::string text = text_of(certificate.der);
  Json above = Json::array();
  for (const Bytes& der : ca_.chain()) {
    if (!order.include_ca_chain) break;
    // Bare base64 cannot hold several.
    if (options_.chain_in == DigicertChain::certificate && options_.certificate_text == DigicertText::pem) {
      text += text_of(der);
    } else {
      above.push(Json::object({{"pem", text_of(der)}}));
    }
  }
  json.set("certificate", text);
  if (!above.as_array().empty()) json.set("ca_certs", above);
  return json;
}

Answer Digicert::request_certificate(const Asked& asked) {
  const Ordered order = read_order(asked.body);
  const DigicertProfile& profile = usable_profile(order.profile, asked.caller.id, "profile.id");
  const std::string csr_field = order.shape == "tutorial" ? "profile.csr" : "csr";
  const Csr csr = checked_csr(order.csr, profile, csr_field);
  check_attributes(order, profile);
  check_duplicate(order, profile);
  if (profile.issues_at_once()) return {201, issued_json(issue(order, profile, csr.public_key), order)};

  Request request;
  request.id = options_.request_ids == DigicertIds::uuid ? new_uuid() : std::to_string(100'000 + requests_.size() + 1);
  request.order = order;
  request.order.profile = profile.id;
  request.public_key = csr.public_key;
  request.created = now();
  if (!profile.needs_approval()) request.state = "approved";
  save(request);
  const std::string id = requests_.put(std::move(request)).id;
  const Json shown = options_.request_ids == DigicertIds::uuid ? Json(id) : Json(std::int64_t{std::stoll(id)});
  return {201, Json::object({{"request_id", shown}, {"status", word("PENDING")}})};
}

// ---- pending requests -----------------------------------------------------------------------------------------------

std::string Digicert::state_of(const Request& request) const {
  const bool open = request.state == "pending" || request.state == "pending_second_approval";
  const DigicertProfile& profile = profile_of(request.order.profile);
  if (open && now() - request.created > kDay * profile.enrollment_days) return "expired";
  return request.state;
}

// Issues what may be issued by now.
void Digicert::settle(Request& request) {
  if (request.state != "approved" || !request.serial.empty()) return;
  const DigicertProfile& profile = profile_of(request.order.profile);
  if (!profile.connector.empty() && now() - request.created < options_.connector_delay) return;
  request.serial = issue(request.order, profile, request.public_key).serial;
  save(request);
}

Answer Digicert::pick_up(const Asked& asked) {
  Fields top(asked.body, "", input_errors());
  Fields inner(*top.required_member("profile"), "profile", input_errors());
  const std::string profile_id = inner.text("id");
  inner.done();
  top.done();
  const DigicertProfile& profile = visible_profile(profile_id, asked.caller.id);
  Request* found = requests_.find(asked.captured.at(0));
  if (found == nullptr || found->order.profile != profile.id) {
    throw digicert_error(404, "resource_not_found", "There is no such request");
  }
  settle(*found);
  if (!found->serial.empty()) {
    Json json = issued_json(*certificates_.find(found->serial), found->order);
    json.set("status", word("ISSUED"));
    return {200, json};
  }
  const std::string state = state_of(*found);
  if (state == "rejected" || state == "expired") {
    const std::string message = state == "rejected" ? found->message : "The request expired before it was approved";
    if (options_.rejection_as == DigicertRejection::error) {
      throw digicert_error(400, "request_" + state, message);
    }
    return {200, Json::object({{"status", word(state == "rejected" ? "REJECTED" : "EXPIRED")}, {"message", message}})};
  }
  Answer answer{200, Json::object({{"status", word("PENDING")}, {"request_id", found->id}})};
  if (!options_.pending_retry_after.empty()) answer.headers["Retry-After"] = options_.pending_retry_after;
  return answer;
}

// ---- renewal --------------------------------------------------------------------------------------------------------

Answer Digicert::renew(const Asked& asked) {
  const Certificate old = find_certificate(asked);
  const DigicertProfile& profile = usable_profile(old.profile, asked.caller.id, "profile");
  Fields fields(asked.body, "", input_errors());
  Ordered order;
  order.shape = "renewal";
  order.profile = old.profile;
  order.seat = old.seat;
  order.csr = fields.text("csr");
  read_terms(fields, order);
  fields.done();
  order.subject = old.subject;
  order.names = old.names;
  if (!profile.issues_at_once()) {
    throw digicert_error(400, "invalid_request", "Certificates of this profile cannot be renewed by this call");
  }
  if (status_of(old) != "issued") throw digicert_error(400, "invalid_state", "The certificate is " + status_of(old));
  if (now() < read_certificate(old.der).end - kDay * profile.renewal_days) {
    throw digicert_error(400, "invalid_state", "The certificate is not within its renewal window");
  }
  const Csr csr = checked_csr(order.csr, profile, "csr");
  return {200, issued_json(issue(order, profile, csr.public_key), order)};
}

}  // namespace hsmbridge::rig
