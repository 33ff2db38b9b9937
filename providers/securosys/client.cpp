#include "providers/securosys/client.h"

#include "base/error.h"
#include "net/url.h"

#include <fmt/format.h>

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

constexpr int kWrongApiKey = 631;
constexpr int kTimestampOff = 404;
constexpr int kUnknownRequest = 651;
constexpr int kNoUuid = 609;

bool is_refused_key(const Exchange& exchange) {
  const auto* answer = std::get_if<HttpAnswer>(&exchange);
  if (answer == nullptr || answer->status != 401) return false;
  const std::optional<Refusal> refusal = refusal_from(answer->body);
  return refusal && refusal->code == kWrongApiKey;
}

}  // namespace

std::string_view to_string(Role role) {
  switch (role) {
    case Role::key_operation:
      return "key_operation";
    case Role::key_management:
      return "key_management";
    case Role::approver:
      return "approver";
    case Role::service:
      break;
  }
  return "service";
}

std::span<const EndpointRow> endpoints() {
  return kEndpoints;
}

Client::Client(std::shared_ptr<Transport> transport, ClientOptions options, const Clock& clock)
    : transport_(std::move(transport)), options_(std::move(options)), clock_(clock) {
  for (const auto& [role, sources] : options_.api_keys)
    rings_[role] = KeyRing{sources, std::vector<std::optional<Secret>>(sources.size()), 0};
}

bool Client::has_keys_for(Role role) const {
  const auto keys = options_.api_keys.find(role);
  return keys != options_.api_keys.end() && !keys->second.empty();
}

Role Client::role_of(Endpoint endpoint) const {
  if (const auto own = options_.roles.find(endpoint); own != options_.roles.end()) return own->second;
  for (const EndpointRow& row : kEndpoints)
    if (row.endpoint == endpoint) return row.role;
  return Role::key_operation;
}

std::size_t Client::current_key(Role role) {
  const std::lock_guard lock(mutex_);
  const auto ring = rings_.find(role);
  return ring == rings_.end() ? 0 : ring->second.current;
}

std::optional<Secret> Client::key(Role role, std::size_t index) {
  const std::lock_guard lock(mutex_);
  const auto ring = rings_.find(role);
  if (ring == rings_.end() || ring->second.sources.empty()) return std::nullopt;
  std::optional<Secret>& read = ring->second.read.at(index);
  if (!read) read = ring->second.sources.at(index)();
  return read;
}

void Client::note_refused(Role role, std::size_t index) {
  const std::lock_guard lock(mutex_);
  KeyRing& ring = rings_[role];
  // Several threads may meet the same refused key: only the first moves on.
  if (ring.current == index) ring.current = (index + 1) % ring.sources.size();
}

void Client::forget_keys(Role role) {
  const std::lock_guard lock(mutex_);
  for (std::optional<Secret>& read : rings_[role].read) read.reset();
}

std::optional<Secret> Client::bearer() {
  if (!options_.bearer_token) return std::nullopt;
  const std::lock_guard lock(mutex_);
  if (!bearer_) bearer_ = options_.bearer_token();
  return bearer_;
}

Exchange Client::exchange(const Call& call, Duration limit) {
  const Role role = role_of(call.endpoint);
  const Duration end = clock_.since_boot() + limit;
  const auto ring = options_.api_keys.find(role);
  const std::size_t keys = ring == options_.api_keys.end() ? 0 : ring->second.size();

  std::size_t index = current_key(role);
  for (std::size_t tried = 1;; ++tried) {
    HttpRequest request{call.method, call.path, {}, call.body, call.repeat, end - clock_.since_boot(), call.call_until};
    if (request.time_limit <= Duration::zero()) return NotSent{"the time limit was over before it was sent"};
    // The vendor's own clients send it even with GET.
    request.headers.emplace_back("Content-Type", "application/json");
    if (const std::optional<Secret> value = key(role, index))
      request.headers.emplace_back("X-API-KEY", std::string(value->reveal()));
    if (const std::optional<Secret> value = bearer())
      request.headers.emplace_back("Authorization", "Bearer " + std::string(value->reveal()));

    Exchange result = transport_->send(request);
    if (!is_refused_key(result) || keys == 0) {
      const auto* answer = std::get_if<HttpAnswer>(&result);
      if (answer != nullptr && (answer->status == 401 || answer->status == 400) && options_.bearer_token) {
        // A refused token is read anew next time: somebody may have renewed it.
        const std::optional<Refusal> refusal = refusal_from(answer->body);
        if (!refusal || refusal->code == 617) {
          const std::lock_guard lock(mutex_);
          bearer_.reset();
        }
      }
      return result;
    }
    note_refused(role, index);
    if (tried == keys) {
      forget_keys(role);  // the next call reads them anew: somebody may have renewed them
      return result;
    }
    index = (index + 1) % keys;
  }
}

VersionInfo Client::version_info(Duration limit) {
  const Exchange result = exchange({Endpoint::version_info, "GET", "/v1/versionInfo"}, limit);
  return version_info_from(success_of("GET /v1/versionInfo", result).body);
}

std::vector<std::string> Client::license_flags(Duration limit) {
  const Exchange result = exchange({Endpoint::license_info, "GET", "/v1/licenseInfo"}, limit);
  return license_flags_from(success_of("GET /v1/licenseInfo", result).body);
}

KeyAttributes Client::key_attributes(const std::string& label, const Secret& password, Duration limit) {
  const Exchange result =
      exchange({Endpoint::key_attributes, "POST", "/v1/key/attributes", key_attributes_text(label, password)}, limit);
  return key_attributes_from(success_of("POST /v1/key/attributes", result).body);
}

Bytes Client::certificate(const std::string& label, Duration limit) {
  const std::string path = "/v1/certificate/" + net::percent_encode(label);
  const Exchange result = exchange({Endpoint::certificate, "GET", path}, limit);
  return certificate_from(success_of("GET " + path, result).body);
}

Verdict Client::sign(const std::string& body, Duration limit, std::optional<Duration> call_until) {
  return classify_submission(
      "POST /v1/sign",
      exchange({Endpoint::sign, "POST", "/v1/sign", body, HttpRequest::Repeat::never, call_until}, limit));
}

Verdict Client::certificate_sign(const std::string& body, Duration limit, std::optional<Duration> call_until) {
  return classify_submission("POST /v1/certificate/sign",
                             exchange({Endpoint::certificate_sign, "POST", "/v1/certificate/sign", body,
                                       HttpRequest::Repeat::never, call_until},
                                      limit));
}

RequestAnswer Client::request(const std::string& id, Duration limit) {
  const std::string path = "/v1/request/" + net::percent_encode(id);
  const Exchange result = exchange({Endpoint::request, "GET", path}, limit);
  try {
    const HttpAnswer& answer = success_of("GET " + path, result);
    RequestStatus status = request_status_from(answer.body);
    return {std::move(status), "", answer.body, answer.retry_after};
  } catch (const Error& error) {
    const std::string_view code = error.detail("errorCode");
    if (code != std::to_string(kUnknownRequest) && code != std::to_string(kNoUuid)) throw;
    return {std::nullopt, error.message(), std::get<HttpAnswer>(result).body, std::nullopt};
  }
}

void Client::delete_request(const std::string& id, Duration limit) {
  const std::string path = "/v1/request/" + net::percent_encode(id);
  const Exchange result = exchange({Endpoint::request_delete, "DELETE", path}, limit);
  if (const auto* answer = std::get_if<HttpAnswer>(&result); answer != nullptr && answer->status == 204) return;
  success_of("DELETE " + path, result);
}

void Client::import_certificate(const std::string& label, ByteView certificate, Duration limit) {
  const Exchange result = exchange(
      {Endpoint::certificate_import, "POST", "/v1/certificate/import/plain", import_text(label, certificate)}, limit);
  success_of("POST /v1/certificate/import/plain", result);
}

std::vector<Task> Client::tasks(const TimestampProof& proof, const TaskFilter& filter, Duration limit) {
  const std::string body = tasks_text(proof, filter);
  const std::string newer = "/v1/filteredAllApprovalTask";
  const std::string older = "/v1/filteredSignApprovalTask";
  const auto ask = [&](const std::string& path) {
    const Exchange result = exchange({Endpoint::tasks, "POST", path, body}, limit);
    try {
      return tasks_from(success_of("POST " + path, result).body);
    } catch (Error& error) {
      const auto* answer = std::get_if<HttpAnswer>(&result);
      if (error.detail("errorCode") == std::to_string(kTimestampOff) && answer != nullptr && answer->date)
        error.with("server-date", rfc3339(*answer->date));
      throw;
    }
  };
  if (old_filter_) return ask(older);
  try {
    return ask(newer);
  } catch (const Error& error) {
    // Servers before 2.0.1 do not have it; a 404 of the TSB itself carries an errorCode.
    const std::string_view http = error.detail("http");
    if (!error.detail("errorCode").empty() || (http != "404" && http != "405")) throw;
  }
  std::vector<Task> found = ask(older);
  old_filter_ = true;
  return found;
}

void Client::approve(const Approval& approval, Duration limit) {
  // Sending it twice does no harm, but the second answer would be 652 "no such task" and read like a failure.
  const Exchange result = exchange(
      {Endpoint::approval, "POST", "/v1/approval", approval_text(approval), HttpRequest::Repeat::never}, limit);
  if (const auto* lost = std::get_if<AnswerLost>(&result))
    throw Error(ErrorKind::outcome_unknown, fmt::format("POST /v1/approval: no complete answer came: {}", lost->why))
        .hint("list the tasks again: the approval arrived when this task is gone");
  if (const auto* answer = std::get_if<HttpAnswer>(&result); answer != nullptr && answer->status == 204) return;
  success_of("POST /v1/approval", result);
}

void Client::reject(const TimestampProof& proof, const std::string& task_id, Duration limit) {
  const char* method = options_.reject_verb == ClientOptions::RejectVerb::patch_task ? "PATCH" : "DELETE";
  const Exchange result = exchange(
      {Endpoint::task_reject, method, "/v1/task", reject_text(proof, task_id), HttpRequest::Repeat::never}, limit);
  if (const auto* lost = std::get_if<AnswerLost>(&result))
    throw Error(ErrorKind::outcome_unknown, fmt::format("{} /v1/task: no complete answer came: {}", method, lost->why))
        .hint("list the tasks again: the rejection arrived when this task is gone");
  if (const auto* answer = std::get_if<HttpAnswer>(&result); answer != nullptr && answer->status == 204) return;
  success_of(fmt::format("{} /v1/task", method), result);
}

}  // namespace hsmbridge::securosys
