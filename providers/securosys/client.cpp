#include "providers/securosys/client.h"

#include "base/error.h"
#include "base/unicode.h"
#include "net/url.h"
#include "providers/following.h"
#include "providers/securosys/error_code.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>

namespace hsmbridge::securosys {
namespace {

// endpoint, its name in the configuration, the role of its API key
constexpr auto kEndpoints = std::to_array<EndpointRow>({
    {Endpoint::version_info, "version_info", Role::service},
    {Endpoint::license_info, "license_info", Role::service},
    {Endpoint::key_attributes, "key_attributes", Role::key_management},
    {Endpoint::certificate, "certificate", Role::key_operation},
    {Endpoint::certificate_sign, "certificate_sign", Role::key_operation},
    {Endpoint::certificate_import, "certificate_import", Role::key_operation},
    {Endpoint::sign, "sign", Role::key_operation},
    {Endpoint::request, "request", Role::key_operation},
    {Endpoint::request_delete, "request_delete", Role::key_operation},
    {Endpoint::tasks, "tasks", Role::approver},
    {Endpoint::approval, "approval", Role::approver},
    {Endpoint::task_reject, "task_reject", Role::approver},
});

constexpr int kTimestampOff = 404;
constexpr int kUnknownRequest = 651;
constexpr int kUnknownTask = 652;
// What it means depends on the call: nothing is attached to the key, or what was sent is not a certificate.
constexpr std::string_view kInvalidCertificate = "402";
constexpr int kNoUuid = 609;

// The filters by kind of servers before 2.0.1. Those of other kinds than signatures are asked too: an approver must see
// what he would not want, to refuse it.
constexpr auto kOlderFilters = std::to_array<const char*>({
    "/v1/filteredSignApprovalTask",
    "/v1/filteredDecryptApprovalTask",
    "/v1/filteredUnwrapKeyApprovalTask",
    "/v1/filteredModifyKeyApprovalTask",
    "/v1/filteredBlockKeyApprovalTask",
    "/v1/filteredUnblockKeyApprovalTask",
});

net::Request get(std::string path) {
  return {"GET", std::move(path), {}, "", net::Repeat::allowed};
}
// The body may hold a password: the request overwrites its copy.
net::Request post(std::string path, std::string_view body, net::Repeat repeat) {
  return {"POST", std::move(path), {}, std::string(body), repeat};
}

// Every role has its entry, and the bearer token is in each. The keys of the role that orders are needed by every
// request; another role's may be wrong while requests go on.
std::map<Role, std::vector<providers::CredentialHeader>> headers_of(const ClientOptions& options, Role orders) {
  const auto bearer = options.bearer_token ? providers::stored_credentials({*options.bearer_token}) : nullptr;
  std::map<Role, std::vector<providers::CredentialHeader>> headers;
  for (const auto& [role, name] : kRoles) {
    std::vector<providers::CredentialHeader>& list = headers[role];
    if (const auto keys = options.api_keys.find(role); keys != options.api_keys.end() && !keys->second.empty()) {
      const auto needed = role == orders ? providers::NeededBy::every_request : providers::NeededBy::some_calls;
      list.push_back({std::string(kKeyHeader), "", providers::stored_credentials(keys->second, needed)});
    }
    if (bearer) list.push_back({std::string(kTokenHeader), "Bearer ", bearer});
  }
  return headers;
}

std::vector<providers::CredentialHeader> all_of(
    const std::map<Role, std::vector<providers::CredentialHeader>>& headers) {
  std::vector<providers::CredentialHeader> all;
  for (const auto& [role, list] : headers) {
    for (const providers::CredentialHeader& one : list) {
      const auto same = [&](const auto& other) { return other.credentials == one.credentials; };
      if (std::none_of(all.begin(), all.end(), same)) all.push_back(one);
    }
  }
  return all;
}

Role role_in(const ClientOptions& options, Endpoint endpoint) {
  if (const auto own = options.roles.find(endpoint); own != options.roles.end()) return own->second;
  return providers::row_with(kEndpoints, &EndpointRow::endpoint, endpoint)->role;
}

// Nothing, or JSON that is not a refusal.
bool says_nothing(std::string_view body) {
  if (body.find_first_not_of(" \t\r\n") == std::string_view::npos) return true;
  try {
    const Json json = Json::parse(body);
    return !json.is_object() || json.find("errorCode") == nullptr;
  } catch (const Error&) {
    return false;
  }
}

}  // namespace

std::string_view to_string(Role role) {
  return providers::row_with(kRoles, &RoleRow::role, role)->name;
}

std::span<const EndpointRow> endpoints() {
  return kEndpoints;
}

Verdict submission_verdict(const providers::Answer& answer) {
  return answer.verdict<Verdict>([](const net::Response& success) -> Verdict {
    try {
      return Taken{created_from(success.body), success.body, ""};
    } catch (const Error& error) {
      if (may_hold_any_of({"signature", "certificate"}, success.body)) return Taken{{}, success.body, error.message()};
      throw;
    }
  });
}

Client::Client(std::shared_ptr<net::Transport> transport, ClientOptions options, const Clock& clock)
    : options_(std::move(options)),
      headers_(headers_of(options_, role_of(Endpoint::request))),
      api_(std::move(transport), dialect(), all_of(headers_), clock) {}

bool Client::may_call(Endpoint endpoint) const {
  const auto has_some = [](const auto& role) { return !role.second.empty(); };
  if (std::none_of(options_.api_keys.begin(), options_.api_keys.end(), has_some)) return true;
  const auto keys = options_.api_keys.find(role_of(endpoint));
  return keys != options_.api_keys.end() && has_some(*keys);
}

Role Client::role_of(Endpoint endpoint) const {
  return role_in(options_, endpoint);
}

providers::Answer Client::call(Endpoint endpoint, net::Request request, Duration limit) {
  const Role role = role_of(endpoint);
  const bool orders = role == role_of(Endpoint::request);
  using Credential = providers::Answer::Credential;
  providers::Answer answer =
      api_.call(std::move(request), limit,
                {.credentials = &headers_.at(role), .refused = orders ? Credential::of_all : Credential::of_this_call});
  // The bearer token goes with the calls of every role.
  const bool token = answer.refused() && answer.refused()->credential == kTokenHeader;
  if (token && answer.meaning() == Credential::of_this_call) answer.means(Credential::of_all);
  return answer;
}

VersionInfo Client::version_info(Duration limit) {
  return version_info_from(call(Endpoint::version_info, get("/v1/versionInfo"), limit).success().body);
}

std::vector<std::string> Client::license_flags(Duration limit) {
  return license_flags_from(call(Endpoint::license_info, get("/v1/licenseInfo"), limit).success().body);
}

KeyAttributes Client::key_attributes(const std::string& label, const Secret& password, Duration limit) {
  leave_out(password);
  const Secret body = key_attributes_text(label, password);
  return key_attributes_from(
      call(Endpoint::key_attributes, post("/v1/key/attributes", body.reveal(), net::Repeat::allowed), limit)
          .success()
          .body);
}

Bytes Client::certificate(const std::string& label, Duration limit) {
  const providers::Answer answer =
      call(Endpoint::certificate, get("/v1/certificate/" + net::percent_encode(label)), limit);
  try {
    return certificate_from(answer.success().body);
  } catch (Error& error) {
    if (error.detail("errorCode") == kInvalidCertificate) {
      error.hint(
          "name the CA's certificate in `issuer`, or attach it to the key at the TSB (certificate/import/plain)");
    }
    throw;
  }
}

Verdict Client::submit(Creates what, std::string_view body, Duration limit, std::optional<Duration> call_until) {
  const bool signs = what == Creates::signature;
  net::Request request = post(signs ? "/v1/sign" : "/v1/certificate/sign", body, net::Repeat::never);
  request.call_until = call_until;
  return submission_verdict(call(signs ? Endpoint::sign : Endpoint::certificate_sign, std::move(request), limit));
}

RequestAnswer Client::request(const std::string& id, Duration limit) {
  const providers::Answer answer = call(Endpoint::request, get("/v1/request/" + net::percent_encode(id)), limit);
  RequestAnswer result;
  try {
    result.body = answer.success().body;
    result.retry_after = answer.retry_after();
  } catch (const Error& error) {
    const std::string_view code = error.detail("errorCode");
    if (code != std::to_string(kUnknownRequest) && code != std::to_string(kNoUuid)) throw;
    return {std::nullopt, error.message(), std::nullopt, answer.response()->body, std::nullopt};
  }
  try {
    result.status = sign_request_status_from(result.body);
  } catch (const Error& error) {
    result.fault = error;
  }
  return result;
}

void Client::delete_request(const std::string& id, Duration limit) {
  const providers::Answer answer =
      call(Endpoint::request_delete, {"DELETE", "/v1/request/" + net::percent_encode(id), {}, "", net::Repeat::allowed},
           limit);
  if (!answer.has_status(204)) answer.success();
}

void Client::import_certificate(const std::string& label, ByteView certificate, Duration limit) {
  const std::string what = "POST /v1/certificate/import/plain";
  // It overwrites without a question: the transport does not repeat it automatically. Whoever tries again after a lost
  // answer looks first at what is attached by then.
  const providers::Answer answer =
      call(Endpoint::certificate_import,
           post("/v1/certificate/import/plain", import_text(label, certificate), net::Repeat::never), limit);
  const Imported imported = [&] {
    try {
      return imported_from(answer.success().body);
    } catch (Error& error) {
      if (error.detail("errorCode") == kInvalidCertificate) {
        error.hint(
            "the TSB cannot read the certificate sent, or does not take it for this key; look at it with "
            "`hsmbridge cert show`, and check `import_label`");
      }
      throw;
    }
  }();
  if (!imported.label.empty() && imported.label != label) {
    throw Error{ErrorKind::corrupt, fmt::format("{}: the certificate was meant for key {}, the TSB answers about {}",
                                                what, label, printable(imported.label))};
  }
  if (!imported.certificate.empty() && !equal(imported.certificate, certificate)) {
    throw Error{ErrorKind::corrupt,
                fmt::format("{}: the TSB answers that key {} has another certificate than the one sent", what, label)};
  }
}

std::vector<Task> Client::filtered(const std::string& path, const std::string& body, Duration limit) {
  const providers::Answer answer = call(Endpoint::tasks, post(path, body, net::Repeat::allowed), limit);
  try {
    return tasks_from(answer.success().body);
  } catch (Error& error) {
    const auto date = answer.date();
    if (date && error.detail("errorCode") == std::to_string(kTimestampOff)) error.with("server-date", rfc3339(*date));
    throw;
  }
}

std::vector<Task> Client::tasks(const TimestampProof& proof, const TaskFilter& filter, Duration limit) {
  const std::string body = tasks_text(proof, filter);
  const Duration end = clock().since_boot() + limit;
  const auto left = [&] { return std::max(end - clock().since_boot(), Duration{0}); };
  if (!old_filters_) {
    try {
      return filtered("/v1/filteredAllApprovalTask", body, left());
    } catch (const Error& error) {
      // Only the server's own framework can say that it has no such endpoint: a proxy's 404 must not hide the tasks of
      // a newer server from now on.
      if (error.detail("no-handler").empty()) throw;
    }
  }
  std::vector<Task> found;
  std::size_t missing = 0;
  std::optional<Error> not_there;
  for (const char* const path : kOlderFilters) {
    try {
      for (Task& task : filtered(path, body, left())) found.push_back(std::move(task));
    } catch (const Error& error) {
      // The filters by kind say of another kind's task id that it does not exist.
      const bool other_kind = !filter.task_id.empty() && error.detail("errorCode") == std::to_string(kUnknownTask);
      if (error.detail("no-handler").empty() && !other_kind) throw;
      if (other_kind) not_there = error;
      if (!other_kind && ++missing == kOlderFilters.size()) throw;
    }
  }
  old_filters_ = true;
  if (found.empty() && not_there) throw *not_there;
  return found;
}

void Client::approve(const Approval& approval, Duration limit) {
  // Sending it twice does no harm, but the second answer would be 652 "no such task" and read like a failure.
  decide(Endpoint::approval, post("/v1/approval", approval_text(approval), net::Repeat::never), limit,
         "list the tasks again: the approval arrived when this task is gone");
}

void Client::reject(const TimestampProof& proof, const std::string& task_id, Duration limit) {
  const char* method = options_.reject_verb == ClientOptions::RejectVerb::patch_task ? "PATCH" : "DELETE";
  decide(Endpoint::task_reject, {method, "/v1/task", {}, reject_text(proof, task_id), net::Repeat::never}, limit,
         "list the tasks again: the rejection arrived when this task is gone");
}

// A success says nothing: 200 or 204 with nothing in it, or JSON without an errorCode. The last approval executes the
// request, so that a 5xx may come after the decision was recorded.
void Client::decide(Endpoint endpoint, net::Request request, Duration limit, const std::string& look) {
  call(endpoint, std::move(request), limit).decided(look, [](const net::Response& success) {
    if ((success.status == 200 || success.status == 204) && says_nothing(success.body)) return;
    throw Error{ErrorKind::corrupt, fmt::format("it is not an answer of the TSB: {}", providers::described(success))};
  });
}

}  // namespace hsmbridge::securosys
