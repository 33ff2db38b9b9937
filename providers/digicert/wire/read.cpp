#include "base/error.h"
#include "base/text.h"
#include "base/unicode.h"
#include "providers/digicert/wire/wire.h"
#include "providers/json_fields.h"

#include <fmt/core.h>

#include <algorithm>
#include <set>
#include <utility>

namespace hsmbridge::digicert {
namespace {

constexpr std::size_t kMostEntries = 10'000;

template <class Read>
auto reading(std::string_view what, std::string_view body, Read read) {
  return providers::read_answer("DigiCert", what, body, read);
}

// A string, or a whole number as its digits; "" when absent, null or of another type.
std::string loose_text(const Json& json, std::string_view name) {
  const Json* member = json.find(name);
  if (member == nullptr) return "";
  if (member->is_string()) return member->as_string();
  if (member->is_integer()) return std::to_string(member->as_integer());
  return "";
}

// true, "true" or "True"; absent is false. One working script sends such a string, so a server may answer one.
bool loose_flag(const Json& json, std::string_view name) {
  const Json* member = json.find(name);
  if (member == nullptr) return false;
  if (member->is_bool()) return member->as_bool();
  return member->is_string() && lower(member->as_string()) == "true";
}

// What keeps a request waiting is there unless it is plainly said not to be: absent, null, false, "false", 0 or "".
bool may_be_set(const Json& json, std::string_view name) {
  const Json* member = json.find(name);
  if (member == nullptr || member->is_null()) return false;
  if (member->is_bool()) return member->as_bool();
  if (member->is_integer()) return member->as_integer() != 0;
  if (member->is_string()) return !member->as_string().empty() && lower(member->as_string()) != "false";
  return true;
}

std::optional<std::int64_t> loose_number(const Json& json, std::string_view name) {
  const std::string text = loose_text(json, name);
  if (text.empty() || text.size() > 9 || text.find_first_not_of("0123456789") != std::string::npos) return std::nullopt;
  return std::stoll(text);
}

const Json::Array& elements(const Json* member) {
  static const Json::Array none;
  if (member == nullptr || !member->is_array()) return none;
  if (member->as_array().size() > kMostEntries) throw Error{ErrorKind::corrupt, "a list with too many entries"};
  return member->as_array();
}
const Json::Array& elements(const Json& json, std::string_view name) {
  return elements(json.find(name));
}

// The member of a path of objects, null when some step is not there.
const Json* inside(const Json& json, std::initializer_list<std::string_view> path) {
  const Json* at = &json;
  for (const std::string_view step : path) {
    at = at->find(step);
    if (at == nullptr) return nullptr;
  }
  return at;
}

// ---- checked texts --------------------------------------------------------------------------------------------------

// The id becomes part of a path (percent-encoded), of the journal and of what a person sees. Its form is written down
// nowhere, so anything printable is one.
std::string request_id_of(const Json& json) {
  const std::string id = loose_text(json, "request_id");
  const bool plain = std::all_of(id.begin(), id.end(), [](char c) { return c > ' ' && c <= '~'; });
  if (id.size() > 200 || !plain) throw Error{ErrorKind::corrupt, "its request_id is no id"};
  return id;
}

// In capitals, as DigiCert writes it in paths and in what it shows.
std::string serial_of(const Json& json) {
  const std::string text = loose_text(json, "serial_number");
  if (text.empty()) return text;
  try {
    return upper(x509::parse_serial(text));
  } catch (const Error&) {
    throw Error{ErrorKind::corrupt, "its serial_number is not a hexadecimal number"};
  }
}

// A SHA-256 in hex, which goes into a URL; anything else (a README of the vendor says SHA-1) is none.
std::string thumbprint_of(const Json& json) {
  std::string print = lower(loose_text(json, "thumbprint"));
  const bool is_one = print.size() == 64 && print.find_first_not_of("0123456789abcdef") == std::string::npos;
  return is_one ? print : "";
}

std::optional<Refusal> refusal_in(const Json& json, Refusal::Envelope envelope) {
  if (!json.is_object()) return std::nullopt;
  Refusal refusal{loose_text(json, "code"), loose_text(json, "message"), loose_text(json, "field"), envelope};
  if (refusal.code.empty() && refusal.message.empty()) return std::nullopt;
  return refusal;
}

// ---- profiles -------------------------------------------------------------------------------------------------------

// Where a value comes from; `true` when the request may or must bring it. The console also has "REST Request" and "From
// CSR", whose spelling here is not known: what is none of those below counts as given by the request.
bool is_from_elsewhere(const std::string& source) {
  static constexpr std::string_view kElsewhere[] = {"fixed_value", "ad_attribute", "uploaded_by_admin",
                                                    "saml_assertion"};
  return std::find(std::begin(kElsewhere), std::end(kElsewhere), source) != std::end(kElsewhere);
}

ProfileAttribute attribute_from(const Json& json) {
  ProfileAttribute attribute;
  attribute.type = lower(loose_text(json, "type"));
  attribute.mandatory = loose_flag(json, "mandatory");
  attribute.multiple = loose_flag(json, "multiple");
  bool named = false;
  bool by_request = false;
  for (const std::string_view spelling : {"sources", "source"}) {
    for (const Json& entry : elements(json, spelling)) {
      const std::string source = lower(loose_text(entry, "source"));
      if (source.empty()) continue;
      named = true;
      by_request = by_request || !is_from_elsewhere(source);
      if (source != "fixed_value") continue;
      attribute.fixed = loose_text(entry, "value");
      if (attribute.fixed->empty()) attribute.fixed = loose_text(entry, "custom_value");
    }
  }
  attribute.given_by_request = !named || by_request;
  if (by_request) attribute.fixed.reset();  // then it is a proposal
  return attribute;
}

std::vector<ProfileAttribute> attributes_from(const Json* list) {
  std::vector<ProfileAttribute> attributes;
  for (const Json& entry : elements(list)) {
    ProfileAttribute attribute = attribute_from(entry);
    if (!attribute.type.empty()) attributes.push_back(std::move(attribute));
  }
  return attributes;
}

void read_key_sizes(const Json& json, Profile& profile) {
  const auto add = [&profile](std::string size) {
    if (size.empty()) return;
    auto& sizes = profile.key_sizes;
    if (std::find(sizes.begin(), sizes.end(), size) == sizes.end()) sizes.push_back(std::move(size));
  };
  const auto add_list = [&](const Json* list) {
    for (const Json& entry : elements(list)) {
      add(entry.is_integer() ? std::to_string(entry.as_integer()) : entry.is_string() ? entry.as_string() : "");
    }
  };
  add_list(json.find("allowed_key_sizes"));
  add_list(inside(json, {"private_key_attributes", "key_sizes"}));
  if (profile.key_sizes.empty()) {
    if (const Json* attributes = json.find("private_key_attributes")) add(loose_text(*attributes, "key_size"));
  }
}

void read_certificate_rules(const Json& json, Profile& profile) {
  profile.subject = attributes_from(inside(json, {"certificate", "subject", "attributes"}));
  profile.names = attributes_from(inside(json, {"certificate", "extensions", "san", "attributes"}));
  const Json* extensions = inside(json, {"certificate", "extensions"});
  for (const Json& usage : elements(json, "custom_extended_key_usages")) {
    if (usage.is_string()) profile.extended_usages.push_back(usage.as_string());
  }
  profile.tells_extensions = extensions != nullptr && extensions->is_object();
  if (const Json* validity = inside(json, {"certificate", "validity"}); validity != nullptr && validity->is_object()) {
    Term term{lower(loose_text(*validity, "unit")), loose_number(*validity, "duration").value_or(0)};
    if (duration_of(term) > Duration::zero()) profile.validity = term;
  }
  const Json* issuer = inside(json, {"certificate", "issuer"});
  if (issuer == nullptr) return;
  const auto add = [&profile](std::string text) {
    if (!text.empty()) profile.issuer_chain.push_back(std::move(text));
  };
  add(loose_text(*issuer, "certificate"));
  for (const Json& above : elements(*issuer, "chain")) add(loose_text(above, "certificate"));
}

Profile profile_of(const Json& json) {
  Profile profile;
  profile.id = json.at("id").as_string();
  if (profile.id.empty()) throw Error{ErrorKind::corrupt, "its id is empty"};
  profile.name = loose_text(json, "name");
  profile.status = loose_text(json, "status");
  profile.enrollment_method = lower(loose_text(json, "enrollment_method"));
  profile.authentication_method = lower(loose_text(json, "authentication_method"));
  profile.signature_algorithm = loose_text(json, "signature_algorithm");
  profile.delivery_format = lower(loose_text(json, "certificate_delivery_format"));
  if (profile.delivery_format.empty()) profile.delivery_format = lower(loose_text(json, "cert_delivery_format"));
  if (const Json* made_of = json.find("template")) {
    profile.template_name = loose_text(*made_of, "name");
    profile.trust_type = lower(loose_text(*made_of, "trust_type"));
  }
  profile.connector = loose_text(json, "connector_id");
  if (profile.connector.empty() && may_be_set(json, "connector_id")) profile.connector = "(unreadable)";
  profile.dual_approval = may_be_set(json, "enable_dual_admin_approval");
  profile.validity_may_be_asked = loose_flag(json, "override_cert_validity_via_api");
  if (const Json* policy = json.find("duplicate_cert_policy"); policy != nullptr && policy->is_bool()) {
    profile.duplicates_allowed = policy->as_bool();
  }
  profile.renewal_days = loose_number(json, "renewal_period_days");
  if (!profile.renewal_days) profile.renewal_days = loose_number(json, "renewal_window_days");
  profile.bound_to_tokens = loose_flag(json, "api_token_binding_enabled");
  for (const Json& id : elements(json, "api_token_ids")) {
    if (id.is_string()) profile.token_ids.push_back(id.as_string());
  }
  if (const std::string one = loose_text(json, "api_token_id"); !one.empty()) profile.token_ids.push_back(one);
  read_key_sizes(json, profile);
  read_certificate_rules(json, profile);
  return profile;
}

// ---- certificates ---------------------------------------------------------------------------------------------------

CertificateDetails details_of(const Json& json) {
  CertificateDetails details;
  details.serial = serial_of(json);
  if (details.serial.empty()) throw Error{ErrorKind::corrupt, "it has no serial_number"};
  details.status = lower(loose_text(json, "status"));
  details.certificate = loose_text(json, "certificate");
  details.thumbprint = thumbprint_of(json);
  details.common_name = loose_text(json, "common_name");
  if (const Json* profile = json.find("profile")) details.profile = loose_text(*profile, "id");
  if (const Json* seat = json.find("seat")) details.seat = loose_text(*seat, "seat_id");
  details.valid_from = providers::date(json, "valid_from");
  details.valid_to = providers::date(json, "valid_to");
  if (const Json* revocation = json.find("revocation")) details.revocation_reason = loose_text(*revocation, "reason");
  return details;
}

}  // namespace

std::vector<Refusal> refusals_from(std::string_view body) {
  std::vector<Refusal> found;
  try {
    const Json json = Json::parse(body);
    for (const Json& entry : elements(json, "errors")) {
      if (auto refusal = refusal_in(entry, Refusal::Envelope::list)) found.push_back(std::move(*refusal));
    }
    if (const Json* one = json.find("error"); found.empty() && one != nullptr) {
      if (auto refusal = refusal_in(*one, Refusal::Envelope::single)) found.push_back(std::move(*refusal));
    }
  } catch (const Error&) {
    // no JSON, or far too much of it
  }
  return found;
}

std::string refusals_text(const std::vector<Refusal>& refusals) {
  const std::string text = joined(refusals, ", ", [](const Refusal& one) {
    std::string said = one.message.empty() ? one.code : one.message;
    if (!one.field.empty()) said += fmt::format(" [{}]", one.field);
    if (!one.message.empty() && !one.code.empty()) said += fmt::format(" ({})", one.code);
    return said;
  });
  return printable(text.substr(0, 1000));
}

Duration duration_of(const Term& term) {
  using std::chrono::hours;
  static const std::pair<std::string_view, Duration> kUnits[] = {{"years", hours{24 * 365}},
                                                                 {"months", hours{24 * 30}},
                                                                 {"days", hours{24}},
                                                                 {"hours", hours{1}},
                                                                 {"minutes", std::chrono::minutes{1}}};
  if (term.duration < 0 || term.duration > 100'000'000) return {};
  for (const auto& [unit, length] : kUnits) {
    // "day" beside "days"
    if (term.unit == unit || term.unit + "s" == unit) {
      const Duration most = hours{24 * 366 * 200};
      return term.duration > most / length ? Duration{} : term.duration * length;
    }
  }
  return {};
}

Profile profile_from(std::string_view body) {
  return reading("profile", body, [](const Json& json) { return profile_of(json); });
}

ProfilePage profiles_from(std::string_view body) {
  return reading("list of profiles", body, [](const Json& json) {
    ProfilePage page;
    page.entries = json.as_array().size();
    for (const Json& entry : elements(&json)) {
      try {
        page.profiles.push_back(profile_of(entry));
      } catch (const Error&) {
        // One odd profile must not hide the others.
      }
    }
    return page;
  });
}

CertificateAnswer certificate_answer_from(std::string_view body) {
  return reading("to a certificate request", body, [](const Json& json) {
    json.as_object();
    CertificateAnswer answer;
    answer.serial = serial_of(json);
    answer.certificate = loose_text(json, "certificate");
    answer.status = upper(loose_text(json, "status"));
    answer.message = loose_text(json, "message");
    answer.delivery_format = lower(loose_text(json, "delivery_format"));
    for (const Json& above : elements(json, "ca_certs")) {
      std::string text = above.is_string() ? above.as_string() : loose_text(above, "pem");
      if (text.empty()) text = loose_text(above, "certificate");
      if (!text.empty()) answer.ca_certs.push_back(std::move(text));
    }
    answer.request_id = request_id_of(json);
    return answer;
  });
}

CertificateDetails certificate_details_from(std::string_view body) {
  return reading("certificate details", body, [](const Json& json) { return details_of(json); });
}

SearchPage search_page_from(std::string_view body) {
  return reading("certificate search", body, [](const Json& json) {
    SearchPage page;
    page.total = loose_number(json, "total");
    const Json& items = json.at("items");
    page.entries = items.is_null() ? 0 : items.as_array().size();
    for (const Json& item : elements(&items)) {
      try {
        page.items.push_back(details_of(item));
      } catch (const Error&) {
        // Counted in `entries`: whoever must see all of them sees that one is missing.
      }
    }
    return page;
  });
}

AdditionalFormats additional_formats_from(std::string_view body) {
  return reading("additional formats", body, [](const Json& json) {
    AdditionalFormats formats;
    json.as_object();
    formats.pkcs7 = loose_text(json, "pkcs7");
    for (const Json& entry : elements(json, "x509_cert_chain")) {
      std::string blob = loose_text(entry, "cert_blob");
      if (!blob.empty()) formats.chain.push_back(std::move(blob));
    }
    return formats;
  });
}

namespace {

// The service's pages show the roles of its answer and not its other members: every place is looked at in which one of
// its objects elsewhere names an account or a unit.
std::string account_text(std::string user, const Json& json) {
  std::set<std::string> places;
  const auto add = [&places](std::string_view kind, const std::string& id) {
    if (!id.empty()) places.insert(std::string(kind) + " " + id);
  };
  const auto id_of = [](const Json& entry) { return entry.is_object() ? loose_text(entry, "id") : std::string{}; };
  for (const std::string_view name : {"account_id", "primary_account_id"}) add("account", loose_text(json, name));
  add("business unit", loose_text(json, "business_unit_id"));
  if (const Json* account = json.find("account")) add("account", id_of(*account));
  if (const Json* unit = json.find("business_unit")) add("business unit", id_of(*unit));
  const auto add_list = [&](std::string_view kind, std::string_view name) {
    for (const Json& entry : elements(json, name)) add(kind, entry.is_string() ? entry.as_string() : id_of(entry));
  };
  add_list("account", "accounts");
  add_list("account", "account_ids");
  add_list("business unit", "business_units");
  add_list("business unit", "business_unit_ids");
  std::string text = "user " + std::move(user);
  for (const std::string& place : places) text += ", " + place;
  text = lower(text);
  // It is read by people and kept with every request.
  constexpr std::size_t kLongest = 300;
  if (text.size() <= kLongest) return text;
  return text.substr(0, kLongest) + "… (" + hex(sha256(as_bytes(text))) + ")";
}

}  // namespace

WhoAmI who_am_i_from(std::string_view body) {
  return reading("user", body, [](const Json& json) {
    WhoAmI who;
    for (const std::string_view name : {"name", "friendly_name", "username", "email", "id"}) {
      if (who.name.empty()) who.name = loose_text(json, name);
    }
    for (const std::string_view list : {"roles", "user_roles"}) {
      for (const Json& role : elements(json, list)) {
        std::string text = role.is_string() ? role.as_string() : loose_text(role, "name");
        if (text.empty()) text = loose_text(role, "id");
        if (!text.empty()) who.roles.push_back(std::move(text));
      }
    }
    std::string user = loose_text(json, "id");
    if (user.empty()) user = who.name;
    if (!user.empty()) who.account = account_text(std::move(user), json);
    return who;
  });
}

std::string serial_text(ByteView integer) {
  ByteView octets = integer;
  if (octets.size() > 1 && octets[0] == 0) octets = octets.subspan(1);
  return upper(hex(octets));
}

}  // namespace hsmbridge::digicert
