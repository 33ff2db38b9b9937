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

using providers::Members;

// More approvers than any policy has; comparing them with each other must not take minutes.
constexpr std::size_t kMostPeople = 1000;

template <class Read>
auto reading(std::string_view what, std::string_view body, Read read) {
  return providers::read_answer("the TSB", what, body, providers::Types::exact, read);
}

// "approvals" entry: a public key, a certificate, or a name alone.
approval::Person person_from(const Members& in) {
  approval::Person person;
  person.name = in.text("name");
  const std::optional<Bytes> value = in.octets("value");
  if (!value) return person;
  if (in.text("type") == "certificate") {
    const x509::Certificate certificate = x509::parse_certificate(*value);
    person.key = x509::spki_hash(certificate.spki());
    if (person.name.empty()) person.name = certificate.subject().find(x509::oids::kCommonName).value_or("");
  } else {
    person.key = x509::spki_hash(*value);
  }
  return person;
}

// An id becomes part of a path, of the journal and of what a person sees: nothing but what ids are made of. "" where it
// is absent.
std::string id_in(const Members& in, std::string_view path) {
  std::string id = in.text(path);
  if (id.size() > 100 || id == "." || id == ".." ||
      id.find_first_not_of("0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_.") != std::string::npos) {
    throw Error{ErrorKind::corrupt, fmt::format("{}: this is not a valid id", path)};
  }
  return id;
}

// Seconds in the server's JSON. Bounded, so that no sum with a time overflows.
Duration seconds_in(const Members& in, std::string_view path) {
  constexpr std::int64_t kMost = 100L * 366 * 24 * 3600;
  const std::int64_t value = in.number(path).value_or(0);
  if (value >= 0 && value <= kMost) return std::chrono::seconds(value);
  throw Error{ErrorKind::corrupt, fmt::format("{}: {} s is out of range", path, value)};
}

approval::Group group_from(const Members& in) {
  const std::int64_t quorum = in.number("quorum").value_or(0);
  return {in.text("name"), quorum < 0 || quorum > 1'000'000 ? 0U : static_cast<unsigned>(quorum),
          in.each("approvals", person_from)};
}

approval::Alternative alternative_from(const Members& in) {
  return {in.text("name"), seconds_in(in, "timelock"), seconds_in(in, "timeout"), in.each("groups", group_from)};
}

// A rule of null is always fulfilled; one with "tokens": null never is.
approval::Policy rule_in(const Members& in, std::string_view path) {
  approval::Policy policy;
  const Json* rule = in.find(path);
  if (rule == nullptr) {
    policy.alternatives.emplace_back();
    return policy;
  }
  std::size_t people = 0;
  const Members tokens = in.inside(*rule);
  for (const Json& token : tokens.list("tokens")) {
    policy.alternatives.push_back(alternative_from(in.inside(token)));
    for (const approval::Group& group : policy.alternatives.back().groups) people += group.members.size();
    if (people > kMostPeople) throw Error{ErrorKind::corrupt, "a rule with more approvers than a policy has"};
  }
  return policy;
}

Task task_from(const Members& in) {
  Task task;
  try {
    task.id = id_in(in, "id");
    if (task.id.empty()) throw Error{ErrorKind::corrupt, "it has no id"};
    task.approval_to_be_signed = in.octets("approvalToBeSigned").value_or(Bytes{});
    task.approver_public_key = in.text("approverPublicKey");
    task.meta_data = in.octets("metaData");
    task.meta_data_signature = in.octets("metaDataSignature");
    task.payload = in.octets("payload");
    if (const Json* const of = in.find("requestStatus"); of != nullptr && of->is_object()) {
      task.request_id = id_in(in, "requestStatus.id");
      if (task.request_id->empty()) throw Error{ErrorKind::corrupt, "its request has no id"};
    }
  } catch (const Error& error) {
    task.fault = "the server's answer about this task cannot be read: " + error.message();
  }
  return task;
}

SignRequestStatus status_from(const Members& in) {
  SignRequestStatus status;
  // A result that is not a text is kept as the JSON it is: reading it will say what is wrong with it.
  const Json* const result = in.find("result");
  if (result != nullptr) status.result = result->is_string() ? result->as_string() : result->dump();
  if (status.result == "") status.result.reset();
  const auto people = [&](std::string_view path) {
    in.list(path, kMostPeople);
    return in.texts(path);
  };
  try {
    status.id = in.needed("id");
    if (in.find("status") == nullptr) throw Error{ErrorKind::corrupt, "it has no status"};
    status.status = in.text("status");
    status.approved_by = people("approvedBy");
    status.not_yet_approved_by = people("notYetApprovedBy");
    status.rejected_by = people("rejectedBy");
  } catch (const Error&) {
    // A result may be handed out only once: it is never thrown away for a fault in another member.
    if (!status.result) throw;
  }
  return status;
}

// A refusal may be read from anything: nothing of what is not JSON, or not of the form.
template <class Read>
auto tried(std::string_view body, Read read) -> decltype(read(std::declval<Members>())) {
  try {
    const Json json = Json::parse(body);
    return read(Members(json, providers::Types::exact));
  } catch (const Error&) {
    return {};
  }
}

}  // namespace

VersionInfo version_info_from(std::string_view body) {
  return reading("versionInfo", body, [](const Members& in) {
    return VersionInfo{in.needed("Version"), in.text("Vendor")};
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
  return reading("licenseInfo", body, [](const Members& in) { return in.texts("clientFlags"); });
}

std::optional<Refusal> refusal_from(std::string_view body) {
  return tried(body, [](const Members& in) -> std::optional<Refusal> {
    const std::int64_t code = in.number("errorCode").value_or(-1);
    if (code < 0 || code > 99'999) return std::nullopt;
    return Refusal{static_cast<int>(code), in.text("reason"), in.text("message")};
  });
}

bool is_framework_error(std::string_view body, long status) {
  return tried(body, [&](const Members& in) {
    return in.number("status") == status && !in.text("timestamp").empty() && !in.text("path").empty();
  });
}

Created created_from(std::string_view body) {
  return reading("to a submission", body, [](const Members& in) {
    Created created{id_in(in, "signRequestId"), {}};
    if (created.request_id.empty()) created.result = in.text("signature|certificate");
    if (!created.request_id.empty() || !created.result.empty()) return created;
    throw Error{ErrorKind::corrupt, "it holds neither signRequestId nor a result"};
  });
}

SignRequestStatus sign_request_status_from(std::string_view body) {
  return reading("request status", body, status_from);
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
  return reading("certificate", body, [](const Members& in) {
    if (const std::optional<Bytes> raw = in.octets("rawCertificate")) return *raw;
    return x509::read_certificate(as_bytes(in.needed("certificate")));
  });
}

Imported imported_from(std::string_view body) {
  return reading("to an import", body, [](const Members& in) {
    // base64 as it was sent, or PEM as GET /v1/certificate gives it.
    const std::string text = in.text("certificate");
    const bool is_pem = text.find("-----BEGIN") != std::string::npos;
    Imported imported{in.text("label"),
                      is_pem ? x509::read_certificate(as_bytes(text)) : in.octets("certificate").value_or(Bytes{})};
    if (!imported.label.empty() || !imported.certificate.empty()) return imported;
    throw Error{ErrorKind::corrupt, "it holds neither a label nor a certificate"};
  });
}

KeyAttributes key_attributes_from(std::string_view body) {
  return reading("key attributes", body, [](const Members& all) {
    const Members in = all.inside(all.json().at("json"));
    KeyAttributes result{
        in.octets("publicKey").value_or(Bytes{}), in.truth("policy.keyStatus.blocked").value_or(false), {}};
    if (in.find("policy") != nullptr) result.rule_use = rule_in(in, "policy.ruleUse");
    return result;
  });
}

std::vector<Task> tasks_from(std::string_view body) {
  return reading("task list", body, [](const Members& in) {
    if (in.find("tasks") == nullptr) throw Error{ErrorKind::corrupt, "tasks is missing"};
    return in.each("tasks", task_from);
  });
}

}  // namespace hsmbridge::securosys
