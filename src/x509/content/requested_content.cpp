#include "x509/content/requested_content.h"

#include "base/error.h"

#include <algorithm>
#include <array>
#include <string_view>

namespace hsmbridge::x509 {

namespace {

constexpr std::string_view kMembers[] = {"subject",
                                         "subject_der",
                                         "names",
                                         "key_usage",
                                         "extended_key_usage",
                                         "basic_constraints",
                                         "name_constraints",
                                         "policies",
                                         "tls_features",
                                         "subject_key_identifier",
                                         "extensions",
                                         "challenge_password",
                                         "critical",
                                         "validity",
                                         "algorithm",
                                         "accept"};

void check_members(const Json& json) {
  for (const auto& [name, value] : json.as_object()) {
    if (std::find(std::begin(kMembers), std::end(kMembers), name) == std::end(kMembers)) {
      throw Error{ErrorKind::invalid_input, "an order asks for \"" + name + "\", which this version does not know"}
          .hint("it was written by a newer hsmbridge: use that one");
    }
  }
}

Json names_json(const std::vector<GeneralName>& names) {
  return Json::list(names, [](const auto& name) {
    return Json::object({{"text", name.text}, {"der", base64(name.der)}});
  });
}

Bytes der_of(const Json& json) {
  return from_base64(json.at("der").as_string());
}

const Json::Array& elements(const Json& json, std::string_view name) {
  static const Json::Array none;
  const auto* found = json.find(name);
  return found == nullptr ? none : found->as_array();
}

Json policy_json(const Policy& policy) {
  const Json notices = Json::list(policy.user_notices, [](const UserNotice& notice) {
    return Json::object({{"text", notice.explicit_text},
                         {"organization", notice.organization},
                         {"numbers", Json::list(notice.notice_numbers)}});
  });
  return Json::object({{"oid", policy.oid.dotted()},
                       {"cps", Json(policy.cps_uris)},
                       {"notices", notices},
                       {"others", Json::list(policy.other_qualifiers, base64)}});
}

Policy policy_from(const Json& json) {
  Policy policy;
  policy.oid = Oid::parse(json.at("oid").as_string());
  if (const auto* uris = json.find("cps")) policy.cps_uris = uris->as_strings();
  for (const auto& element : elements(json, "notices")) {
    UserNotice notice{element.string_or("text", ""), element.string_or("organization", ""), {}};
    for (const auto& number : elements(element, "numbers")) {
      notice.notice_numbers.push_back(static_cast<std::uint64_t>(number.as_integer()));
    }
    policy.user_notices.push_back(std::move(notice));
  }
  for (const auto& other : elements(json, "others")) policy.other_qualifiers.push_back(from_base64(other.as_string()));
  return policy;
}

// The extensions that may be marked critical, by the names of Content::Critical.
struct CriticalRow {
  std::string_view name;
  bool Content::Critical::*member;
};
constexpr std::array<CriticalRow, 8> kCritical{{
    {"names", &Content::Critical::subject_alternative_names},
    {"key_usage", &Content::Critical::key_usage},
    {"extended_key_usage", &Content::Critical::extended_key_usage},
    {"basic_constraints", &Content::Critical::basic_constraints},
    {"name_constraints", &Content::Critical::name_constraints},
    {"policies", &Content::Critical::policies},
    {"tls_features", &Content::Critical::tls_features},
    {"subject_key_identifier", &Content::Critical::subject_key_identifier},
}};

void write_content(Json& json, const Content& content) {
  json.set("subject", content.subject.to_string());
  json.set("subject_der", base64(content.subject.der()));
  if (!content.subject_alternative_names.empty()) json.set("names", names_json(content.subject_alternative_names));
  if (content.key_usage) json.set("key_usage", static_cast<std::int64_t>(content.key_usage->bits));
  if (!content.extended_key_usage.empty()) {
    json.set("extended_key_usage", Json::list(content.extended_key_usage, &Oid::dotted));
  }
  if (content.basic_constraints) {
    Json constraints = Json::object({{"ca", content.basic_constraints->ca}});
    if (content.basic_constraints->path_length) {
      constraints.set("path_length", Json(*content.basic_constraints->path_length));
    }
    json.set("basic_constraints", constraints);
  }
  if (content.name_constraints) {
    json.set("name_constraints", Json::object({{"permitted", names_json(content.name_constraints->permitted)},
                                               {"excluded", names_json(content.name_constraints->excluded)}}));
  }
  if (!content.policies.empty()) json.set("policies", Json::list(content.policies, policy_json));
  if (!content.tls_features.empty()) json.set("tls_features", Json::list(content.tls_features));
  if (content.subject_key_identifier) json.set("subject_key_identifier", hex(*content.subject_key_identifier));
  if (!content.other_extensions.empty()) {
    json.set("extensions", Json::list(content.other_extensions, [](const Extension& one) {
               return Json::object({{"oid", one.oid.dotted()}, {"critical", one.critical}, {"der", base64(one.value)}});
             }));
  }
  if (content.challenge_password) json.set("challenge_password", *content.challenge_password);
  Json critical = Json::object();
  for (const auto& row : kCritical) critical.set(std::string(row.name), content.critical.*row.member);
  json.set("critical", critical);
}

Content read_content(const Json& json) {
  Content content;
  const auto* subject = json.find("subject_der");
  content.subject = subject != nullptr ? Name::from_der(from_base64(subject->as_string()))
                                       : Name::parse(json.string_or("subject", ""));
  for (const auto& name : elements(json, "names")) {
    content.subject_alternative_names.push_back(GeneralName::from_der(der_of(name)));
  }
  if (const auto* usage = json.find("key_usage")) {
    content.key_usage.emplace();
    content.key_usage->bits = static_cast<std::uint16_t>(usage->as_integer());
  }
  for (const auto& usage : elements(json, "extended_key_usage")) {
    content.extended_key_usage.push_back(Oid::parse(usage.as_string()));
  }
  if (const auto* constraints = json.find("basic_constraints")) {
    content.basic_constraints.emplace();
    content.basic_constraints->ca = constraints->at("ca").as_bool();
    if (const auto* length = constraints->find("path_length")) {
      content.basic_constraints->path_length = static_cast<std::uint64_t>(length->as_integer());
    }
  }
  if (const auto* constraints = json.find("name_constraints")) {
    content.name_constraints.emplace();
    for (const auto& name : elements(*constraints, "permitted")) {
      content.name_constraints->permitted.push_back(GeneralName::constraint_from_der(der_of(name)));
    }
    for (const auto& name : elements(*constraints, "excluded")) {
      content.name_constraints->excluded.push_back(GeneralName::constraint_from_der(der_of(name)));
    }
  }
  for (const auto& policy : elements(json, "policies")) content.policies.push_back(policy_from(policy));
  for (const auto& feature : elements(json, "tls_features")) {
    content.tls_features.push_back(static_cast<std::uint64_t>(feature.as_integer()));
  }
  if (const auto* identifier = json.find("subject_key_identifier")) {
    content.subject_key_identifier = from_hex(identifier->as_string());
  }
  for (const auto& extension : elements(json, "extensions")) {
    content.other_extensions.push_back(
        {Oid::parse(extension.at("oid").as_string()), extension.at("critical").as_bool(), der_of(extension)});
  }
  if (const auto* password = json.find("challenge_password")) content.challenge_password = password->as_string();
  if (const auto* critical = json.find("critical")) {
    for (const auto& row : kCritical) content.critical.*row.member = critical->at(row.name).as_bool();
  }
  return content;
}

}  // namespace

Json to_json(const RequestedContent& ask) {
  Json json = Json::object();
  write_content(json, ask.content);
  if (ask.validity != Duration::zero()) json.set("validity", duration_text(ask.validity));
  if (!ask.algorithm.empty()) json.set("algorithm", ask.algorithm);
  if (!ask.accept.empty()) json.set("accept", Json(ask.accept));
  return json;
}

RequestedContent requested_content_from(const Json& json) {
  check_members(json);
  RequestedContent ask;
  ask.content = read_content(json);
  if (const auto* validity = json.find("validity")) ask.validity = parse_duration(validity->as_string());
  ask.algorithm = json.string_or("algorithm", "");
  if (const auto* accept = json.find("accept")) ask.accept = accept->as_strings();
  return ask;
}

}  // namespace hsmbridge::x509
