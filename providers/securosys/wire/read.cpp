#include "base/error.h"
#include "providers/json_fields.h"
#include "providers/securosys/wire/wire.h"
#include "x509/names/name.h"
#include "x509/objects/certificate.h"
#include "x509/objects/pem.h"
#include "x509/objects/spki.h"

#include <fmt/core.h>

#include <algorithm>
#include <charconv>

namespace hsmbridge::securosys {
namespace {

// More approvers than any policy has; comparing them with each other must not take minutes.
constexpr std::size_t kMostPeople = 1000;

template <class Read>
auto reading(std::string_view what, std::string_view body, Read read) {
  return providers::read_answer("the TSB", what, body, read);
}

std::string text_or_empty(const Json& json, std::string_view name) {
  return json.string_or(name, "");
}

std::vector<std::string> texts(const Json& json, std::string_view name) {
  std::vector<std::string> result;
  for (const Json& item : providers::list(json, name, kMostPeople)) result.push_back(item.as_string());
  return result;
}

std::optional<Bytes> octets(const Json& json, std::string_view name) {
  const std::string text = text_or_empty(json, name);
  if (text.empty()) return std::nullopt;
  try {
    return from_base64(text);
  } catch (const Error&) {
    throw Error{ErrorKind::corrupt, fmt::format("{} is no base64", name)};
  }
}

// "approvals" entry: a public key, a certificate, or a name alone.
approval::Person person_from(const Json& json) {
  approval::Person person;
  person.name = text_or_empty(json, "name");
  const std::optional<Bytes> value = octets(json, "value");
  if (!value) return person;
  if (json.string_or("type", "public_key") == "certificate") {
    const x509::Certificate certificate = x509::parse_certificate(*value);
    person.key = x509::spki_hash(certificate.spki());
    if (person.name.empty()) person.name = certificate.subject().find(x509::oids::kCommonName).value_or("");
  } else {
    person.key = x509::spki_hash(*value);
  }
  return person;
}

// An id becomes part of a path, of the journal and of what a person sees: nothing but what ids are made of.
bool is_id(std::string_view text) {
  return !text.empty() && text.size() <= 100 && text != "." && text != ".." &&
         text.find_first_not_of("0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_.") ==
             std::string_view::npos;
}

// Seconds in the server's JSON. Bounded, so that no sum with a time overflows.
Duration seconds_from(const Json& json, std::string_view name) {
  constexpr std::int64_t kMost = 100L * 366 * 24 * 3600;
  const std::int64_t value = json.integer_or(name, 0);
  if (value < 0 || value > kMost) {
    throw Error{ErrorKind::corrupt, fmt::format("{} of {} s is no such time", name, value)};
  }
  return std::chrono::seconds(value);
}

approval::Alternative alternative_from(const Json& json) {
  approval::Alternative alternative;
  alternative.name = text_or_empty(json, "name");
  alternative.timelock = seconds_from(json, "timelock");
  alternative.timeout = seconds_from(json, "timeout");
  const Json* groups = providers::member(json, "groups");
  if (groups == nullptr) return alternative;
  for (const Json& group : groups->as_array()) {
    const std::int64_t quorum = group.at("quorum").as_integer();
    approval::Group read;
    read.name = text_or_empty(group, "name");
    read.quorum = quorum < 0 || quorum > 1'000'000 ? 0U : static_cast<unsigned>(quorum);
    for (const Json& approver : group.at("approvals").as_array()) read.members.push_back(person_from(approver));
    alternative.groups.push_back(std::move(read));
  }
  return alternative;
}

// A rule of null is always fulfilled; one with "tokens": null never is.
approval::Policy rule_from(const Json* rule) {
  approval::Policy policy;
  if (rule == nullptr || rule->is_null()) {
    policy.alternatives.emplace_back();
    return policy;
  }
  const Json* tokens = providers::member(*rule, "tokens");
  if (tokens == nullptr) return policy;
  std::size_t people = 0;
  for (const Json& token : tokens->as_array()) {
    policy.alternatives.push_back(alternative_from(token));
    for (const approval::Group& group : policy.alternatives.back().groups) people += group.members.size();
    if (people > kMostPeople) throw Error{ErrorKind::corrupt, "a rule with more approvers than a policy has"};
  }
  return policy;
}

void read_task(const Json& item, Task& task) {
  const std::string id = item.at("id").as_string();
  if (!is_id(id)) throw Error{ErrorKind::corrupt, "its id is no id"};
  task.id = id;
  if (std::optional<Bytes> bytes = octets(item, "approvalToBeSigned")) task.approval_to_be_signed = std::move(*bytes);
  task.approver_public_key = text_or_empty(item, "approverPublicKey");
  task.meta_data = octets(item, "metaData");
  task.meta_data_signature = octets(item, "metaDataSignature");
  task.payload = octets(item, "payload");
  if (const Json* status = item.find("requestStatus"); status != nullptr && status->is_object()) {
    const std::string request = status->at("id").as_string();
    if (!is_id(request)) throw Error{ErrorKind::corrupt, "the id of its request is no id"};
    task.request_id = request;
  }
}

Task task_from(const Json& item) {
  Task task;
  try {
    read_task(item, task);
  } catch (const Error& error) {
    task.fault = "the server's answer about this task cannot be read: " + error.message();
  }
  return task;
}

// A result that is no text is kept as the JSON it is: reading it will say what is wrong with it.
std::optional<std::string> result_from(const Json& json) {
  const Json* result = providers::member(json, "result");
  if (result == nullptr) return std::nullopt;
  std::string text = result->is_string() ? result->as_string() : result->dump();
  if (text.empty()) return std::nullopt;
  return text;
}

SignRequestStatus status_from(const Json& json) {
  SignRequestStatus status;
  status.result = result_from(json);
  try {
    status.id = json.at("id").as_string();
    status.status = json.at("status").as_string();
    status.execution_time = text_or_empty(json, "executionTime");
    status.approved_by = texts(json, "approvedBy");
    status.not_yet_approved_by = texts(json, "notYetApprovedBy");
    status.rejected_by = texts(json, "rejectedBy");
  } catch (const Error&) {
    // A result may be handed out only once: it is never thrown away for a fault beside it.
    if (!status.result) throw;
  }
  return status;
}

}  // namespace

VersionInfo version_info_from(std::string_view body) {
  return reading("versionInfo", body, [](const Json& json) {
    return VersionInfo{json.at("Version").as_string(), text_or_empty(json, "Vendor")};
  });
}

Generation generation_of(std::string_view version) {
  int major = 0;
  int minor = 0;
  const char* const end = version.data() + version.size();
  const auto first = std::from_chars(version.data(), end, major);
  const bool dotted = first.ec == std::errc{} && first.ptr != end && *first.ptr == '.';
  if (!dotted || std::from_chars(first.ptr + 1, end, minor).ec != std::errc{}) {
    throw Error{ErrorKind::corrupt, fmt::format("the TSB calls its version \"{}\"", version)}.hint(
        "state `generation: classic` or `generation: modern` in the configuration");
  }
  return major > 2 || (major == 2 && minor >= 4) ? Generation::modern : Generation::classic;
}

std::vector<std::string> license_flags_from(std::string_view body) {
  return reading("licenseInfo", body, [](const Json& json) { return texts(json, "clientFlags"); });
}

std::optional<Refusal> refusal_from(std::string_view body) {
  try {
    const Json json = Json::parse(body);
    const Json* code = json.find("errorCode");
    if (code == nullptr || !code->is_integer()) return std::nullopt;
    const std::int64_t value = code->as_integer();
    if (value < 0 || value > 99'999) return std::nullopt;
    return Refusal{static_cast<int>(value), text_or_empty(json, "reason"), text_or_empty(json, "message")};
  } catch (const Error&) {
    return std::nullopt;  // no JSON, or not of this form
  }
}

bool is_framework_error(std::string_view body, long status) {
  try {
    const Json json = Json::parse(body);
    return json.integer_or("status", 0) == status && !text_or_empty(json, "timestamp").empty() &&
           !text_or_empty(json, "path").empty();
  } catch (const Error&) {
    return false;
  }
}

Created created_from(std::string_view body) {
  return reading("to a submission", body, [](const Json& json) {
    Created created;
    created.request_id = text_or_empty(json, "signRequestId");
    if (created.request_id.empty()) {
      created.result = text_or_empty(json, "signature");
      if (created.result.empty()) created.result = text_or_empty(json, "certificate");
      if (created.result.empty()) throw Error{ErrorKind::corrupt, "it holds neither signRequestId nor a result"};
      return created;
    }
    if (!is_id(created.request_id)) throw Error{ErrorKind::corrupt, "its signRequestId is no request id"};
    return created;
  });
}

SignRequestStatus sign_request_status_from(std::string_view body) {
  return reading("request status", body, [](const Json& json) { return status_from(json); });
}

bool may_hold_any_of(std::initializer_list<std::string_view> members, std::string_view body) {
  constexpr std::string_view kBlanks = " \t\r\n";
  const auto after_blanks = [&](std::size_t at) { return std::min(body.find_first_not_of(kBlanks, at), body.size()); };
  if (body.substr(after_blanks(0)).starts_with("<")) return false;
  for (const std::string_view member : members) {
    const std::string name = fmt::format("\"{}\"", member);
    for (std::size_t at = body.find(name); at != std::string_view::npos; at = body.find(name, at + 1)) {
      std::size_t value = after_blanks(at + name.size());
      if (!body.substr(value).starts_with(":")) continue;
      value = after_blanks(value + 1);
      if (value < body.size() && !body.substr(value).starts_with("null") && !body.substr(value).starts_with("\"\"")) {
        return true;
      }
    }
  }
  return false;
}

Bytes certificate_from(std::string_view body) {
  return reading("certificate", body, [](const Json& json) {
    if (const std::optional<Bytes> raw = octets(json, "rawCertificate")) return *raw;
    return x509::read_certificate(as_bytes(json.at("certificate").as_string()));
  });
}

Imported imported_from(std::string_view body) {
  return reading("to an import", body, [](const Json& json) {
    Imported imported;
    imported.label = text_or_empty(json, "label");
    // base64 as it was sent, or PEM as GET /v1/certificate gives it.
    const std::string text = text_or_empty(json, "certificate");
    if (text.find("-----BEGIN") != std::string::npos) {
      imported.certificate = x509::read_certificate(as_bytes(text));
    } else {
      imported.certificate = octets(json, "certificate").value_or(Bytes{});
    }
    if (imported.label.empty() && imported.certificate.empty()) {
      throw Error{ErrorKind::corrupt, "it holds neither a label nor a certificate"};
    }
    return imported;
  });
}

KeyAttributes key_attributes_from(std::string_view body) {
  return reading("key attributes", body, [](const Json& json) {
    const Json& attributes = json.at("json");
    KeyAttributes result;
    result.public_key = octets(attributes, "publicKey").value_or(Bytes{});
    const Json* policy = attributes.find("policy");
    if (policy == nullptr || policy->is_null()) return result;
    if (const Json* status = policy->find("keyStatus"); status != nullptr && !status->is_null()) {
      result.blocked = status->bool_or("blocked", false);
    }
    result.rule_use = rule_from(policy->find("ruleUse"));
    return result;
  });
}

std::vector<Task> tasks_from(std::string_view body) {
  return reading("task list", body, [](const Json& json) {
    std::vector<Task> result;
    for (const Json& item : json.at("tasks").as_array()) result.push_back(task_from(item));
    return result;
  });
}

}  // namespace hsmbridge::securosys
