#include "base/error.h"
#include "base/text.h"
#include "base/unicode.h"
#include "providers/json_fields.h"
#include "providers/venafi/wire/wire.h"

#include <fmt/core.h>

#include <algorithm>
#include <utility>

namespace hsmbridge::venafi {
namespace {

using providers::date;
using providers::Holds;
using providers::list;
using providers::list_of;
using providers::member;
using providers::number_of;
using providers::shown;

// Longer lists of names than any request has.
constexpr std::size_t kMostEntries = 10'000;

template <class Read>
auto reading(std::string_view what, std::string_view body, Read read, Holds holds = Holds::facts) {
  return providers::read_answer("the service", what, body, read, holds);
}

// A text, or a number or truth value as one.
std::string word_of(const Json& json, std::string_view name) {
  if (json.is_string()) return json.as_string();
  if (json.is_number() || json.is_bool()) return json.dump();
  throw Error{ErrorKind::corrupt, fmt::format("{}: a text was expected", name)};
}

std::string text(const Json& json, std::string_view name) {
  const Json* found = member(json, name);
  return found == nullptr ? "" : word_of(*found, name);
}

std::string needed(const Json& json, std::string_view name) {
  std::string found = text(json, name);
  if (found.empty()) throw Error{ErrorKind::corrupt, fmt::format("{} is missing", name)};
  return found;
}

// An id is kept, shown and put into paths: it is one word of a sensible length, whatever else it is.
std::string id_of(const Json& json, std::string_view name) {
  constexpr std::size_t kLongest = 200;
  std::string id = word_of(json, name);
  const bool one_word = std::all_of(id.begin(), id.end(), [](char c) { return c > ' ' && c < '\x7f'; });
  if (id.empty() || id.size() > kLongest || !one_word) {
    throw Error{ErrorKind::corrupt, fmt::format("{} is no id", name)};
  }
  return id;
}

std::string needed_id(const Json& json, std::string_view name) {
  const Json* found = member(json, name);
  if (found == nullptr) throw Error{ErrorKind::corrupt, fmt::format("{} is missing", name)};
  return id_of(*found, name);
}

std::optional<std::int64_t> number(const Json& json, std::string_view name) {
  const Json* found = member(json, name);
  if (found == nullptr) return std::nullopt;
  return number_of(*found, name);
}

std::optional<bool> truth(const Json& json, std::string_view name) {
  const Json* found = member(json, name);
  if (found == nullptr) return std::nullopt;
  if (found->is_bool()) return found->as_bool();
  if (found->is_string() && (found->as_string() == "true" || found->as_string() == "false")) {
    return found->as_string() == "true";
  }
  throw Error{ErrorKind::corrupt, fmt::format("{}: true or false was expected", name)};
}

Template::Expressions expressions(const Json& json, std::string_view name) {
  const Json* found = member(json, name);
  if (found == nullptr) return std::nullopt;
  std::vector<std::string> result;
  for (const Json& item : list_of(*found, name)) {
    if (!item.is_null()) result.push_back(word_of(item, name));
  }
  return result;
}

std::vector<std::string> texts(const Json& json, std::string_view name) {
  return expressions(json, name).value_or(std::vector<std::string>{});
}

// Those that are texts: what else a list of tags may hold one day is none of ours.
std::vector<std::string> only_texts(const Json& json, std::string_view name) {
  std::vector<std::string> result;
  for (const Json& item : list(json, name)) {
    if (item.is_string()) result.push_back(item.as_string());
  }
  return result;
}

std::vector<std::string> ids(const Json& json, std::string_view name) {
  std::vector<std::string> result;
  for (const Json& item : list(json, name)) {
    if (!item.is_null() && !(item.is_string() && item.as_string().empty())) result.push_back(id_of(item, name));
  }
  return result;
}

// errorInformation and GraphQL's error: {"code","message","args" or "arguments","type"}, each of any type.
std::string error_text(const Json* json) {
  if (json == nullptr || json->is_null()) return "";
  if (!json->is_object()) return shown(json->is_string() ? json->as_string() : json->dump());
  std::string result;
  const Json* message = member(*json, "message");
  if (message != nullptr) result = message->is_string() ? message->as_string() : message->dump();
  for (const char* name : {"args", "arguments"}) {
    const Json* args = member(*json, name);
    if (args == nullptr || (args->is_array() && args->as_array().empty())) continue;
    result += (result.empty() ? "" : " ") + args->dump();
  }
  const Json* code = member(*json, "code");
  if (code != nullptr && (code->is_number() || code->is_string())) {
    result +=
        fmt::format("{}(code {})", result.empty() ? "" : " ", code->is_string() ? code->as_string() : code->dump());
  }
  return shown(result);
}

// subjectAlternativeNamesByType. A value of an unknown shape is kept as it is written: it counts as a name.
std::optional<std::map<std::string, std::vector<std::string>>> names_by_type(const Json& json) {
  const Json* types = member(json, "subjectAlternativeNamesByType");
  if (types == nullptr || !types->is_object()) return std::nullopt;
  std::map<std::string, std::vector<std::string>> names;
  for (const auto& [type, values] : types->as_object()) {
    if (!values.is_array()) continue;
    for (const Json& value : values.as_array()) {
      if (names[type].size() == kMostEntries) break;
      names[type].push_back(value.is_string() ? value.as_string() : value.dump());
    }
  }
  return names;
}

// {"dnsNames":[…],"overwriteSans":true}. Anything that is not plainly empty counts.
std::string other_names(const Json& json) {
  const Json* attributes = member(json, "customAttributesInformation");
  if (attributes == nullptr) attributes = member(json, "customAttributes");
  if (attributes == nullptr) return "";
  if (!attributes->is_object()) return shown(attributes->dump());
  std::string result;
  for (const auto& [name, value] : attributes->as_object()) {
    const bool empty =
        value.is_null() || (value.is_array() && value.as_array().empty()) || (value.is_bool() && !value.as_bool());
    if (!empty) result += fmt::format("{}{} {}", result.empty() ? "" : ", ", name, value.dump());
  }
  return shown(result);
}

CertificateRequest read_request(const Json& json) {
  CertificateRequest request;
  request.id = needed_id(json, "id");
  request.status = printable(text(json, "status").substr(0, 60));
  request.certificate_ids = ids(json, "certificateIds");
  request.csr = text(json, "certificateSigningRequest");
  request.created = date(json, "creationDate");
  request.applications = texts(json, "applicationIds");
  if (std::string one = text(json, "applicationId"); !one.empty()) request.applications.push_back(std::move(one));
  request.tags = only_texts(json, "tags");
  if (const Json* client = member(json, "apiClientInformation"); client != nullptr) {
    request.client_type = text(*client, "type");
    request.client_identifier = text(*client, "identifier");
  }
  request.subject = text(json, "subjectDN");
  request.names = names_by_type(json);
  request.other_names = other_names(json);
  if (const Json* validity = member(json, "validityPeriod"); validity != nullptr && validity->is_string()) {
    request.validity = validity->as_string();
  }
  request.error = error_text(member(json, "errorInformation"));
  return request;
}

KeyTypeRule read_key_type(const Json& json) {
  KeyTypeRule rule;
  rule.type = text(json, "keyType");
  for (const Json& length : list(json, "keyLengths")) rule.lengths.push_back(number_of(length, "keyLengths"));
  rule.curves = texts(json, "keyCurves");
  return rule;
}

Template read_template(const Json& json) {
  Template result;
  result.id = needed_id(json, "id");
  result.name = text(json, "name");
  result.authority = text(json, "certificateAuthority");
  result.status = text(json, "status");
  result.reason = text(json, "reason");
  result.validity = text(json, "validityPeriod");
  if (const Json* product = member(json, "product"); product != nullptr) {
    result.product = text(*product, "productName");
    // The template's own field is the older one.
    if (std::string own = text(*product, "validityPeriod"); !own.empty()) result.validity = std::move(own);
    if (result.authority.empty()) result.authority = text(*product, "certificateAuthority");
  }
  result.csr_upload_allowed = truth(json, "csrUploadAllowed");
  result.key_reuse = truth(json, "keyReuse");
  result.common_name = expressions(json, "subjectCNRegexes");
  result.organization = expressions(json, "subjectORegexes");
  result.unit = expressions(json, "subjectOURegexes");
  result.state = expressions(json, "subjectSTRegexes");
  result.locality = expressions(json, "subjectLRegexes");
  result.country = expressions(json, "subjectCValues");
  result.dns = expressions(json, "sanRegexes");
  // Newer answers carry it under a second name too.
  if (auto newer = expressions(json, "sanDnsNameRegexes")) {
    if (!result.dns) result.dns.emplace();
    for (std::string& one : *newer) {
      if (std::find(result.dns->begin(), result.dns->end(), one) == result.dns->end()) {
        result.dns->push_back(std::move(one));
      }
    }
  }
  result.email = expressions(json, "sanRfc822NameRegexes");
  result.ip = expressions(json, "sanIpAddressRegexes");
  result.uri = expressions(json, "sanUniformResourceIdentifierRegexes");
  for (const Json& item : list(json, "keyTypes")) result.key_types.push_back(read_key_type(item));
  result.extended_usages = texts(json, "extendedKeyUsageValues");
  return result;
}

CertificateDetails read_details(const Json& json) {
  CertificateDetails details;
  details.id = needed_id(json, "id");
  details.request = text(json, "certificateRequestId");
  details.fingerprint = text(json, "fingerprint");
  details.status = text(json, "certificateStatus");
  details.version = text(json, "versionType");
  details.tags = only_texts(json, "tags");
  return details;
}

std::optional<ApprovalRequest::Person> read_person(const Json& json) {
  if (json.is_string()) return ApprovalRequest::Person{json.as_string(), "USER"};
  if (!json.is_object()) return std::nullopt;
  ApprovalRequest::Person person{text(json, "id"), text(json, "type")};
  if (person.id.empty()) return std::nullopt;
  return person;
}

}  // namespace

UserAccount user_account_from(std::string_view body) {
  return reading("user account", body, [](const Json& json) {
    UserAccount account;
    std::string user_id;
    std::string company_id;
    if (const Json* user = member(json, "user"); user != nullptr) {
      account.username = text(*user, "username");
      user_id = text(*user, "id");
    }
    if (const Json* company = member(json, "company"); company != nullptr) {
      company_id = text(*company, "id");
      account.company = text(*company, "urlPrefix");
      if (account.company.empty()) account.company = company_id;
    }
    if (!user_id.empty() && !company_id.empty()) account.ids = fmt::format("user {}, company {}", user_id, company_id);
    if (const Json* key = member(json, "apiKey"); key != nullptr) account.valid_until = date(*key, "validityEndDate");
    return account;
  });
}

ApplicationInfo application_from(std::string_view body) {
  return reading("application", body, [](const Json& json) {
    ApplicationInfo application{needed_id(json, "id"), text(json, "name"), {}};
    if (const Json* map = member(json, "certificateIssuingTemplateAliasIdMap"); map != nullptr) {
      if (!map->is_object()) {
        throw Error{ErrorKind::corrupt, "certificateIssuingTemplateAliasIdMap: an object was expected"};
      }
      for (const auto& [alias, id] : map->as_object()) {
        if (!id.is_null()) application.templates[alias] = id_of(id, "certificateIssuingTemplateAliasIdMap");
      }
    }
    return application;
  });
}

Template template_from(std::string_view body) {
  return reading("issuing template", body, read_template);
}

std::vector<Template> templates_from(std::string_view body) {
  return reading("issuing templates", body, [](const Json& json) {
    std::vector<Template> result;
    for (const Json& item : list(json, "certificateIssuingTemplates")) result.push_back(read_template(item));
    return result;
  });
}

CertificateRequest certificate_request_from(std::string_view body) {
  return reading("certificate request", body, read_request);
}

CertificateRequest created_from(std::string_view body) {
  return reading("new certificate request", body, [](const Json& json) {
    const Json::Array& all = list(json, "certificateRequests");
    if (all.size() != 1) {
      throw Error{ErrorKind::corrupt, fmt::format("certificateRequests has {} entries, not one", all.size())};
    }
    return read_request(all.front());
  });
}

void check_validated(std::string_view body) {
  reading("dry run", body, [](const Json& json) {
    // {"subjectDN","keyType",…}: what the service made of the CSR. Anything else has judged nothing.
    if (!json.is_object() || (member(json, "subjectDN") == nullptr && member(json, "keyType") == nullptr)) {
      throw Error{ErrorKind::corrupt, "it does not tell what was validated"};
    }
  });
}

SearchPage search_page_from(std::string_view body) {
  return reading("search for requests", body, [](const Json& json) {
    SearchPage page;
    if (member(json, "certificateRequests") == nullptr) {
      throw Error{ErrorKind::corrupt, "certificateRequests is missing"};
    }
    for (const Json& item : list(json, "certificateRequests")) page.requests.push_back(read_request(item));
    page.found = number(json, "numFound");
    return page;
  });
}

ApprovalRequest approval_request_from(std::string_view body) {
  return reading("approval request", body, [](const Json& json) {
    ApprovalRequest approval;
    approval.entity = text(json, "entityId");
    approval.status = text(json, "status");
    approval.required = number(json, "requiredApprovalsCount").value_or(0);
    for (const Json& item : list(json, "approvers")) {
      if (auto person = read_person(item)) approval.approvers.push_back(std::move(*person));
    }
    if (const Json* last = member(json, "finalApprover"); last != nullptr) approval.final_approver = read_person(*last);
    for (const Json& item : list(json, "approversOutcome")) {
      approval.outcomes.push_back({text(item, "userId"), text(item, "status"), text(item, "reason")});
    }
    approval.rejected_after_days = number(json, "autoRejectionThreshold");
    approval.created = date(json, "creationDate");
    return approval;
  });
}

CertificateDetails certificate_details_from(std::string_view body) {
  return reading("certificate", body, read_details);
}

std::vector<CertificateDetails> certificate_search_from(std::string_view body) {
  return reading("search for certificates", body, [](const Json& json) {
    std::vector<CertificateDetails> result;
    for (const Json& item : list(json, "certificates")) result.push_back(read_details(item));
    return result;
  });
}

Token token_from(std::string_view body) {
  const auto read = [](const Json& json) {
    Token token;
    token.value = needed(json, "access_token");
    const std::string type = lower(text(json, "token_type"));
    if (!type.empty() && type != "bearer") {
      throw Error{ErrorKind::corrupt, fmt::format("token_type is {}, not bearer", printable(type))};
    }
    if (token.value.find_first_of("\r\n") != std::string::npos) {
      throw Error{ErrorKind::corrupt, "access_token has a line break"};
    }
    if (const auto seconds = number(json, "expires_in"); seconds && *seconds > 0) {
      token.lifetime = std::chrono::seconds{std::min<std::int64_t>(*seconds, 86400)};
    }
    return token;
  };
  return reading("token", body, read, Holds::secrets);
}

RevocationAnswer revocation_from(std::string_view body, std::string_view field) {
  return reading("revocation", body, [&](const Json& json) {
    RevocationAnswer answer;
    const Json* data = member(json, "data");
    for (const Json& entry : list(json, "errors")) {
      RevocationAnswer::Trouble trouble;
      const Json* message = member(entry, "message");
      trouble.message = shown(message != nullptr && message->is_string() ? message->as_string() : entry.dump());
      if (const Json* more = member(entry, "extensions"); more != nullptr) {
        const Json* code = member(*more, "code");
        if (code == nullptr) code = member(*more, "classification");
        if (code != nullptr && code->is_string()) trouble.code = code->as_string();
      }
      answer.troubles.push_back(std::move(trouble));
    }
    if (json.find("data") == nullptr && answer.troubles.empty()) {
      throw Error{ErrorKind::corrupt, "it has neither data nor errors"};
    }
    const Json* certificate = data == nullptr ? nullptr : member(*data, field);
    if (certificate == nullptr) return answer;
    answer.present = true;
    answer.fingerprint = text(*certificate, "fingerprint");
    if (const Json* revocation = member(*certificate, "revocation"); revocation != nullptr) {
      answer.status = printable(text(*revocation, "status").substr(0, 60));
      answer.error = error_text(member(*revocation, "error"));
      if (const Json* details = member(*revocation, "approvalDetails"); details != nullptr) {
        if (std::string why = text(*details, "rejectionReason"); !why.empty()) {
          answer.error += (answer.error.empty() ? "" : "; ") + shown(why);
        }
      }
    }
    if (const Json* global = member(*certificate, "globalRevocation"); global != nullptr) {
      answer.listed = text(*global, "status") == "REVOKED";
    }
    return answer;
  });
}

}  // namespace hsmbridge::venafi
