#include "base/error.h"
#include "base/text.h"
#include "base/unicode.h"
#include "providers/json_fields.h"
#include "providers/venafi/wire/wire.h"
#include "providers/verdict.h"

#include <fmt/core.h>

#include <algorithm>
#include <utility>

namespace hsmbridge::venafi {
namespace {

using providers::Form;
using providers::Members;
using providers::shown;

template <class Read>
auto reading(std::string_view what, std::string_view body, Read read,
             providers::Holds holds = providers::Holds::facts) {
  return providers::read_answer("the service", what, body, providers::Types::words, read, holds);
}

std::string in_words(const Json* json) {
  return json == nullptr ? "" : json->is_string() ? json->as_string() : json->dump();
}

// errorInformation and GraphQL's error: {"code","message","args" or "arguments","type"}, each of any type.
std::string error_text(const Members& in, std::string_view path) {
  const Json* json = in.find(path);
  if (json == nullptr || !json->is_object()) return shown(in_words(json));
  const Members error = in.inside(*json);
  std::vector<std::string> words;
  if (std::string message = in_words(error.find("message")); !message.empty()) words.push_back(std::move(message));
  for (const char* name : {"args", "arguments"}) {
    const Json* args = error.find(name);
    if (args != nullptr && !(args->is_array() && args->as_array().empty())) words.push_back(args->dump());
  }
  const Json* code = error.find("code");
  if (code != nullptr && (code->is_number() || code->is_string())) {
    words.push_back(fmt::format("(code {})", in_words(code)));
  }
  return shown(joined(words, " "));
}

// subjectAlternativeNamesByType. A value of an unknown shape is kept as it is written: it counts as a name.
std::optional<std::map<std::string, std::vector<std::string>>> names_by_type(const Members& in) {
  constexpr std::size_t kMostNames = 10'000;
  const Json* types = in.find("subjectAlternativeNamesByType");
  if (types == nullptr || !types->is_object()) return std::nullopt;
  std::map<std::string, std::vector<std::string>> names;
  for (const auto& [type, values] : types->as_object()) {
    if (!values.is_array()) continue;
    for (const Json& value : values.as_array()) {
      if (names[type].size() == kMostNames) break;
      names[type].push_back(in_words(&value));
    }
  }
  return names;
}

// {"dnsNames":[…],"overwriteSans":true}. Anything that is not plainly empty counts.
std::string other_names(const Members& in) {
  const Json* attributes = in.find("customAttributesInformation|customAttributes");
  if (attributes == nullptr) return "";
  if (!attributes->is_object()) return shown(attributes->dump());
  std::vector<std::string> names;
  for (const auto& [name, value] : attributes->as_object()) {
    const bool empty =
        value.is_null() || (value.is_array() && value.as_array().empty()) || (value.is_bool() && !value.as_bool());
    if (!empty) names.push_back(fmt::format("{} {}", name, value.dump()));
  }
  return shown(joined(names));
}

CertificateRequest read_request(const Members& in) {
  CertificateRequest request{
      .id = in.needed("id", Form::id),
      .status = in.text("status", Form::line),
      .certificate_ids = in.texts("certificateIds", Form::id),
      .csr = in.text("certificateSigningRequest"),
      .created = in.date("creationDate"),
      .applications = in.texts("applicationIds"),
      .tags = in.only_texts("tags"),
      .client_type = in.text("apiClientInformation.type"),
      .client_identifier = in.text("apiClientInformation.identifier"),
      .subject = in.text("subjectDN"),
      .names = names_by_type(in),
      .other_names = other_names(in),
      .validity = {},
      .error = error_text(in, "errorInformation"),
  };
  if (std::string one = in.text("applicationId"); !one.empty()) request.applications.push_back(std::move(one));
  if (const Json* term = in.find("validityPeriod"); term != nullptr && term->is_string()) {
    request.validity = term->as_string();
  }
  return request;
}

KeyTypeRule read_key_type(const Members& in) {
  return {in.text("keyType"), in.numbers("keyLengths"), in.texts("keyCurves")};
}

Template::Expressions expressions(const Members& in, std::string_view path) {
  return in.find(path) == nullptr ? std::nullopt : std::optional(in.texts(path));
}

Template read_template(const Members& in) {
  Template result{
      .id = in.needed("id", Form::id),
      .name = in.text("name"),
      .authority = in.text("certificateAuthority|product.certificateAuthority"),
      .status = in.text("status"),
      .reason = in.text("reason"),
      .product = in.text("product.productName"),
      // The template's own field is the older one.
      .validity = in.text("product.validityPeriod|validityPeriod"),
      .csr_upload_allowed = in.truth("csrUploadAllowed"),
      .key_reuse = in.truth("keyReuse"),
      .common_name = expressions(in, "subjectCNRegexes"),
      .organization = expressions(in, "subjectORegexes"),
      .unit = expressions(in, "subjectOURegexes"),
      .state = expressions(in, "subjectSTRegexes"),
      .locality = expressions(in, "subjectLRegexes"),
      .country = expressions(in, "subjectCValues"),
      .dns = expressions(in, "sanRegexes|sanDnsNameRegexes"),
      .email = expressions(in, "sanRfc822NameRegexes"),
      .ip = expressions(in, "sanIpAddressRegexes"),
      .uri = expressions(in, "sanUniformResourceIdentifierRegexes"),
      .key_types = in.each("keyTypes", read_key_type),
      .extended_usages = in.texts("extendedKeyUsageValues"),
  };
  // Newer answers carry it under a second name too.
  for (std::string& one : in.texts("sanDnsNameRegexes")) {
    if (std::find(result.dns->begin(), result.dns->end(), one) == result.dns->end()) {
      result.dns->push_back(std::move(one));
    }
  }
  return result;
}

CertificateDetails read_details(const Members& in) {
  return {
      .id = in.needed("id", Form::id),
      .fingerprint = in.text("fingerprint"),
      .status = in.text("certificateStatus"),
      .version = in.text("versionType"),
      .tags = in.only_texts("tags"),
  };
}

std::optional<ApprovalRequest::Person> read_person(const Members& in, const Json* json) {
  if (json == nullptr) return std::nullopt;
  if (json->is_string()) return ApprovalRequest::Person{json->as_string(), "USER"};
  if (!json->is_object()) return std::nullopt;
  ApprovalRequest::Person person{in.inside(*json).text("id"), in.inside(*json).text("type")};
  return person.id.empty() ? std::nullopt : std::optional(std::move(person));
}

RevocationAnswer::Trouble read_trouble(const Members& in) {
  const Json* message = in.find("message");
  const Json* code = in.find("extensions.code|extensions.classification");
  return {
      .message = shown(message != nullptr && message->is_string() ? message->as_string() : in.json().dump()),
      .code = code != nullptr && code->is_string() ? code->as_string() : "",
  };
}

// ---- refusals -------------------------------------------------------------------------------------------------------

// What a body says in one of the service's forms; empty for another.
std::vector<ServiceError> errors_in(std::string_view body, bool of_token_endpoint) {
  std::vector<ServiceError> errors;
  try {
    const Json json = Json::parse(body);
    const Members in(json, providers::Types::loose);
    if (std::string word = in.text("error"); of_token_endpoint && !word.empty()) {
      const std::string more = in.text("error_description");
      return {{0, shown(more.empty() ? word : word + ": " + more), {}}};
    }
    for (const Json& entry : in.list("errors")) {
      if (errors.size() == 50) break;
      const Members one = in.inside(entry);
      const Json* args = one.find("args");
      ServiceError error{one.number("code").value_or(0), shown(in_words(one.find("message"))),
                         args == nullptr ? Json() : *args};
      if (error.code != 0 || !error.message.empty()) errors.push_back(std::move(error));
    }
    if (!errors.empty()) return errors;
    const std::string code = in.text("_error.code");
    std::string words = in.text("_error.message");
    if (!code.empty()) words += fmt::format("{}({})", words.empty() ? "" : " ", code);
    if (!words.empty()) errors.push_back({0, shown(words), {}});
  } catch (const Error&) {
    // Not JSON: the caller looks at the other forms.
  }
  return errors;
}

}  // namespace

std::optional<Refusal> refusal_from(long status, std::string_view content_type, std::string_view body) {
  if (auto errors = errors_in(body, false); !errors.empty()) return Refusal{std::move(errors)};
  // Whoever says 401 looked at the credentials and did nothing else; what it says of an expired token is nowhere
  // documented, so any form will do that is not a page of a proxy.
  if (status != 401 || providers::is_html(content_type, body)) return std::nullopt;
  std::string words = shown(body.substr(0, 200));
  while (!words.empty() && (words.back() == ' ' || words.back() == '\n')) words.pop_back();
  return Refusal{{{0, words.empty() ? "not authenticated" : words, {}}}};
}

std::optional<Refusal> token_refusal_from(long status, std::string_view content_type, std::string_view body) {
  if (auto errors = errors_in(body, true); !errors.empty()) return Refusal{std::move(errors)};
  // What else the endpoint says is not shown: it may be a token.
  return refusal_from(status, content_type, providers::is_html("", body) ? body : "");
}

UserAccount user_account_from(std::string_view body) {
  return reading("user account", body, [](const Members& in) {
    const std::string user = in.text("user.id");
    const std::string company = in.text("company.id");
    return UserAccount{
        .username = in.text("user.username"),
        .company = in.text("company.urlPrefix|company.id"),
        .ids = user.empty() || company.empty() ? "" : fmt::format("user {}, company {}", user, company),
        .valid_until = in.date("apiKey.validityEndDate"),
    };
  });
}

ApplicationInfo application_from(std::string_view body) {
  constexpr std::string_view kTemplates = "certificateIssuingTemplateAliasIdMap";
  return reading("application", body, [&](const Members& in) {
    ApplicationInfo application{in.needed("id", Form::id), {}};
    const Json* map = in.find(kTemplates);
    if (map == nullptr) return application;
    if (!map->is_object()) throw Error{ErrorKind::corrupt, fmt::format("{}: an object was expected", kTemplates)};
    for (const auto& [alias, id] : map->as_object()) {
      if (!id.is_null()) application.templates[alias] = *in.word(id, kTemplates, Form::id);
    }
    return application;
  });
}

Template template_from(std::string_view body) {
  return reading("issuing template", body, read_template);
}

std::vector<Template> templates_from(std::string_view body) {
  return reading("issuing templates", body,
                 [](const Members& in) { return in.each("certificateIssuingTemplates", read_template); });
}

CertificateRequest certificate_request_from(std::string_view body) {
  return reading("certificate request", body, read_request);
}

CertificateRequest created_from(std::string_view body) {
  return reading("new certificate request", body, [](const Members& in) {
    auto all = in.each("certificateRequests", read_request);
    if (all.size() == 1) return std::move(all.front());
    throw Error{ErrorKind::corrupt, fmt::format("certificateRequests has {} entries, not one", all.size())};
  });
}

void check_validated(std::string_view body) {
  reading("dry run", body, [](const Members& in) {
    // {"subjectDN","keyType",…}: what the service made of the CSR. Anything else has judged nothing.
    if (in.find("subjectDN|keyType") == nullptr) {
      throw Error{ErrorKind::corrupt, "it does not say what was validated"};
    }
  });
}

SearchPage search_page_from(std::string_view body) {
  return reading("search for requests", body, [](const Members& in) {
    if (in.find("certificateRequests") == nullptr) throw Error{ErrorKind::corrupt, "certificateRequests is missing"};
    return SearchPage{in.each("certificateRequests", read_request), in.number("numFound"), {}};
  });
}

ApprovalRequest approval_request_from(std::string_view body) {
  return reading("approval request", body, [](const Members& in) {
    ApprovalRequest approval{
        .entity = in.text("entityId"),
        .status = in.text("status"),
        .required = in.number("requiredApprovalsCount").value_or(0),
        .approvers = {},
        .final_approver = read_person(in, in.find("finalApprover")),
        .outcomes =
            in.each("approversOutcome",
                    [](const Members& one) {
                      return ApprovalRequest::Outcome{one.text("userId"), one.text("status"), one.text("reason")};
                    }),
        .rejected_after_days = in.number("autoRejectionThreshold"),
        .created = in.date("creationDate"),
    };
    for (const Json& item : in.list("approvers")) {
      if (auto person = read_person(in, &item)) approval.approvers.push_back(std::move(*person));
    }
    return approval;
  });
}

CertificateDetails certificate_details_from(std::string_view body) {
  return reading("certificate", body, read_details);
}

std::vector<CertificateDetails> certificate_search_from(std::string_view body) {
  return reading("search for certificates", body,
                 [](const Members& in) { return in.each("certificates", read_details); });
}

Token token_from(std::string_view body) {
  const auto read = [](const Members& in) {
    Token token{in.needed("access_token"), {}};
    const std::string type = in.text("token_type", Form::lower);
    if (!type.empty() && type != "bearer") {
      throw Error{ErrorKind::corrupt, fmt::format("token_type is {}, not bearer", printable(type))};
    }
    if (token.value.find_first_of("\r\n") != std::string::npos) {
      throw Error{ErrorKind::corrupt, "access_token has a line break"};
    }
    if (const auto seconds = in.number("expires_in"); seconds && *seconds > 0) {
      token.lifetime = std::chrono::seconds{std::min<std::int64_t>(*seconds, 86400)};
    }
    return token;
  };
  return reading("token", body, read, providers::Holds::secrets);
}

RevocationAnswer revocation_from(std::string_view body, std::string_view field) {
  return reading("revocation", body, [&](const Members& in) {
    RevocationAnswer answer;
    answer.troubles = in.each("errors", read_trouble);
    if (in.json().find("data") == nullptr && answer.troubles.empty()) {
      throw Error{ErrorKind::corrupt, "it has neither data nor errors"};
    }
    const Json* certificate = in.find(fmt::format("data.{}", field));
    if (certificate == nullptr) return answer;
    const Members shown_there = in.inside(*certificate);
    answer.present = true;
    answer.fingerprint = shown_there.text("fingerprint");
    answer.status = shown_there.text("revocation.status", Form::line);
    answer.error = error_text(shown_there, "revocation.error");
    if (const std::string why = shown_there.text("revocation.approvalDetails.rejectionReason"); !why.empty()) {
      answer.error += (answer.error.empty() ? "" : "; ") + shown(why);
    }
    answer.listed = shown_there.text("globalRevocation.status") == "REVOKED";
    return answer;
  });
}

}  // namespace hsmbridge::venafi
