#include "providers/securosys/client.h"

#include "base/error.h"
#include "net/url.h"
#include "providers/credential.h"
#include "x509/names/name.h"

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

constexpr int kWrongToken = 617;
constexpr int kWrongApiKey = 631;
// res.error.missing.access.token, invalid.access.token, insufficient.login.information
constexpr auto kTokenCodes = std::to_array<int>({406, kWrongToken, 618});
// res.error.missing.api.key, invalid.api.key
constexpr auto kKeyCodes = std::to_array<int>({416, kWrongApiKey});
constexpr int kTimestampOff = 404;
constexpr int kUnknownRequest = 651;
constexpr int kUnknownTask = 652;
// What it means depends on the call: nothing is attached to the key, or what was sent is no certificate.
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

bool is_refused_key(const net::Exchange& exchange) {
  const auto* answer = std::get_if<net::Response>(&exchange);
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

Client::Client(std::shared_ptr<net::Transport> transport, ClientOptions options, const Clock& clock)
    : transport_(std::move(transport)), options_(std::move(options)), clock_(clock) {
  for (const auto& [role, sources] : options_.api_keys) {
    rings_[role] = KeyRing{sources, std::vector<std::optional<Secret>>(sources.size()), 0};
  }
}

bool Client::may_call(Endpoint endpoint) const {
  const auto has_some = [](const auto& role) { return !role.second.empty(); };
  if (std::none_of(options_.api_keys.begin(), options_.api_keys.end(), has_some)) return true;
  const auto keys = options_.api_keys.find(role_of(endpoint));
  return keys != options_.api_keys.end() && has_some(*keys);
}

Role Client::role_of(Endpoint endpoint) const {
  if (const auto own = options_.roles.find(endpoint); own != options_.roles.end()) return own->second;
  for (const EndpointRow& row : kEndpoints) {
    if (row.endpoint == endpoint) return row.role;
  }
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
  const auto& source = ring->second.sources.at(index);
  if (!read) read = role == role_of(Endpoint::request) ? providers::read_credential(source) : source();
  return read;
}

bool Client::note_refused(Role role, std::size_t index) {
  const std::lock_guard lock(mutex_);
  const auto found = rings_.find(role);
  if (found == rings_.end() || found->second.sources.empty()) return false;
  KeyRing& ring = found->second;
  // Several threads may meet the same refused key: only the first moves on.
  if (ring.current != index) return true;
  ring.current = (index + 1) % ring.sources.size();
  if (++ring.refused < ring.sources.size()) return true;
  // The next call reads them again: somebody may have renewed them.
  for (std::optional<Secret>& read : ring.read) read.reset();
  ring.refused = 0;
  return false;
}

bool Client::another_key(Role role) {
  const std::lock_guard lock(mutex_);
  const auto ring = rings_.find(role);
  return ring != rings_.end() && ring->second.refused > 0;
}

void Client::note_taken(Role role, std::size_t index) {
  const std::lock_guard lock(mutex_);
  const auto ring = rings_.find(role);
  if (ring != rings_.end() && ring->second.current == index) ring->second.refused = 0;
}

std::optional<Secret> Client::bearer() {
  if (!options_.bearer_token) return std::nullopt;
  const std::lock_guard lock(mutex_);
  if (!bearer_) bearer_ = providers::read_credential(options_.bearer_token);
  return bearer_;
}

void Client::leave_out(const Secret& secret) {
  constexpr std::size_t kMost = 8;  // passwords that were changed meanwhile
  const std::lock_guard lock(mutex_);
  const auto known = std::find_if(left_out_.begin(), left_out_.end(),
                                  [&](const Secret& one) { return one.reveal() == secret.reveal(); });
  if (secret.empty() || known != left_out_.end()) return;
  if (left_out_.size() == kMost) left_out_.erase(left_out_.begin());
  left_out_.push_back(secret);
}

// What this server was told in whatever call: it may repeat any of it in any other.
std::vector<Secret> Client::secrets_at_hand() {
  const std::lock_guard lock(mutex_);
  std::vector<Secret> secrets = left_out_;
  for (const auto& [role, ring] : rings_) {
    for (const std::optional<Secret>& read : ring.read) {
      if (read) secrets.push_back(*read);
    }
  }
  if (bearer_) secrets.push_back(*bearer_);
  return secrets;
}

net::Exchange Client::exchange(const Call& call, Duration limit) {
  const Role role = role_of(call.endpoint);
  const Duration end = clock_.since_boot() + limit;
  for (;;) {
    const std::size_t index = current_key(role);
    net::Request request{call.method,    call.path, {}, std::string(call.body), call.repeat, end - clock_.since_boot(),
                         call.call_until};
    if (request.time_limit <= Duration::zero()) return net::NotSent{"the time limit was over before it was sent"};
    // The vendor's own clients send it even with GET.
    request.headers.emplace_back("Content-Type", "application/json");
    if (const std::optional<Secret> value = key(role, index)) {
      request.headers.emplace_back("X-API-KEY", std::string(value->reveal()));
    }
    if (const std::optional<Secret> value = bearer()) {
      request.headers.emplace_back("Authorization", "Bearer " + std::string(value->reveal()));
    }
    request.secrets = secrets_at_hand();

    net::Exchange result = transport_->send(request);
    if (!is_refused_key(result)) {
      if (const auto* answer = std::get_if<net::Response>(&result)) {
        note_taken(role, index);
        forget_refused_bearer(*answer);
      }
      return result;
    }
    const bool another = note_refused(role, index);
    // What creates something is one request in one attempt, whoever says that the first was refused at the gate.
    if (!another || call.repeat == net::Repeat::never) return result;
  }
}

// A refused token is read again next time: somebody may have renewed it.
void Client::forget_refused_bearer(const net::Response& answer) {
  if ((answer.status != 401 && answer.status != 400) || !options_.bearer_token) return;
  const std::optional<Refusal> refusal = refusal_from(answer.body);
  if (refusal && refusal->code != kWrongToken) return;
  const std::lock_guard lock(mutex_);
  bearer_.reset();
}

VersionInfo Client::version_info(Duration limit) {
  const net::Exchange result = exchange({Endpoint::version_info, "GET", "/v1/versionInfo"}, limit);
  return version_info_from(success_of("GET /v1/versionInfo", result, clock_.now()).body);
}

std::vector<std::string> Client::license_flags(Duration limit) {
  const net::Exchange result = exchange({Endpoint::license_info, "GET", "/v1/licenseInfo"}, limit);
  return license_flags_from(success_of("GET /v1/licenseInfo", result, clock_.now()).body);
}

KeyAttributes Client::key_attributes(const std::string& label, const Secret& password, Duration limit) {
  leave_out(password);
  const Secret body = key_attributes_text(label, password);
  const net::Exchange result = exchange({Endpoint::key_attributes, "POST", "/v1/key/attributes", body.reveal()}, limit);
  return key_attributes_from(success_of("POST /v1/key/attributes", result, clock_.now()).body);
}

Bytes Client::certificate(const std::string& label, Duration limit) {
  const std::string path = "/v1/certificate/" + net::percent_encode(label);
  const net::Exchange result = exchange({Endpoint::certificate, "GET", path}, limit);
  try {
    return certificate_from(success(Endpoint::certificate, "GET " + path, result).body);
  } catch (Error& error) {
    if (error.detail("errorCode") == kInvalidCertificate) {
      error.hint(
          "name the CA's certificate in `issuer`, or attach it to the key at the TSB (certificate/import/plain)");
    }
    throw;
  }
}

Verdict Client::submit(Endpoint endpoint, const std::string& path, std::string_view body, Duration limit,
                       std::optional<Duration> call_until) {
  const net::Exchange result = exchange({endpoint, "POST", path, body, net::Repeat::never, call_until}, limit);
  Verdict verdict = classify_submission("POST " + path, result, clock_.now());
  auto* again = std::get_if<workflow::NotAccepted>(&verdict);
  if (again != nullptr && is_refused_key(result) && another_key(role_of(endpoint))) {
    again->error.hint("the next attempt uses the next configured API key of this role");
  } else if (again != nullptr && is_about_credentials(endpoint, again->error)) {
    again->error = providers::about_credentials(again->error);
  }
  return verdict;
}

// Whether the TSB refuses what every request needs: the bearer token, or the API key of the role that orders. Another
// role's key may be wrong while requests go on.
bool Client::is_about_credentials(Endpoint endpoint, const Error& error) const {
  const std::string_view code = error.detail("errorCode");
  const bool orders = role_of(endpoint) == role_of(Endpoint::request);
  if (code.empty()) return orders && error.detail("http") == "401";
  return std::any_of(kTokenCodes.begin(), kTokenCodes.end(), [&](int one) { return code == std::to_string(one); }) ||
         (orders &&
          std::any_of(kKeyCodes.begin(), kKeyCodes.end(), [&](int one) { return code == std::to_string(one); }));
}

const net::Response& Client::success(Endpoint endpoint, std::string_view what, const net::Exchange& exchange) const {
  try {
    return success_of(what, exchange, clock_.now());
  } catch (const Error& error) {
    if (!is_about_credentials(endpoint, error)) throw;
    throw Error(providers::about_credentials(error));
  }
}

Verdict Client::sign(std::string_view body, Duration limit, std::optional<Duration> call_until) {
  return submit(Endpoint::sign, "/v1/sign", body, limit, call_until);
}

Verdict Client::certificate_sign(std::string_view body, Duration limit, std::optional<Duration> call_until) {
  return submit(Endpoint::certificate_sign, "/v1/certificate/sign", body, limit, call_until);
}

RequestAnswer Client::request(const std::string& id, Duration limit) {
  const std::string path = "/v1/request/" + net::percent_encode(id);
  const net::Exchange result = exchange({Endpoint::request, "GET", path}, limit);
  RequestAnswer answer;
  try {
    const net::Response& taken = success(Endpoint::request, "GET " + path, result);
    answer.body = taken.body;
    answer.retry_after = taken.retry_after(clock_.now());
  } catch (const Error& error) {
    const std::string_view code = error.detail("errorCode");
    if (code != std::to_string(kUnknownRequest) && code != std::to_string(kNoUuid)) throw;
    return {std::nullopt, error.message(), std::nullopt, std::get<net::Response>(result).body, std::nullopt};
  }
  try {
    answer.status = sign_request_status_from(answer.body);
  } catch (const Error& error) {
    answer.fault = error;
  }
  return answer;
}

void Client::delete_request(const std::string& id, Duration limit) {
  const std::string path = "/v1/request/" + net::percent_encode(id);
  const net::Exchange result = exchange({Endpoint::request_delete, "DELETE", path}, limit);
  if (const auto* answer = std::get_if<net::Response>(&result); answer != nullptr && answer->status == 204) return;
  success(Endpoint::request_delete, "DELETE " + path, result);
}

void Client::import_certificate(const std::string& label, ByteView certificate, Duration limit) {
  const std::string what = "POST /v1/certificate/import/plain";
  // It overwrites without a question: the transport does not repeat it by itself. Whoever tries again after a lost
  // answer looks first at what is attached by then.
  const net::Exchange result = exchange({Endpoint::certificate_import, "POST", "/v1/certificate/import/plain",
                                         import_text(label, certificate), net::Repeat::never},
                                        limit);
  const Imported imported = [&] {
    try {
      return imported_from(success(Endpoint::certificate_import, what, result).body);
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
                                                what, label, x509::printable(imported.label))};
  }
  if (!imported.certificate.empty() && !equal(imported.certificate, certificate)) {
    throw Error{ErrorKind::corrupt,
                fmt::format("{}: the TSB answers that key {} has another certificate than the one sent", what, label)};
  }
}

std::vector<Task> Client::filtered(const std::string& path, const std::string& body, Duration limit) {
  const net::Exchange result = exchange({Endpoint::tasks, "POST", path, body}, limit);
  try {
    return tasks_from(success_of("POST " + path, result, clock_.now()).body);
  } catch (Error& error) {
    const auto* answer = std::get_if<net::Response>(&result);
    const auto date = answer == nullptr ? std::nullopt : answer->date(clock_.now());
    if (date && error.detail("errorCode") == std::to_string(kTimestampOff)) {
      error.with("server-date", rfc3339(*date));
    }
    throw;
  }
}

std::vector<Task> Client::tasks(const TimestampProof& proof, const TaskFilter& filter, Duration limit) {
  const std::string body = tasks_text(proof, filter);
  const Duration end = clock_.since_boot() + limit;
  const auto left = [&] { return std::max(end - clock_.since_boot(), Duration{0}); };
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
  expect_decided(
      "POST /v1/approval",
      exchange({Endpoint::approval, "POST", "/v1/approval", approval_text(approval), net::Repeat::never}, limit),
      clock_.now(), "list the tasks again: the approval arrived when this task is gone");
}

void Client::reject(const TimestampProof& proof, const std::string& task_id, Duration limit) {
  const char* method = options_.reject_verb == ClientOptions::RejectVerb::patch_task ? "PATCH" : "DELETE";
  expect_decided(
      fmt::format("{} /v1/task", method),
      exchange({Endpoint::task_reject, method, "/v1/task", reject_text(proof, task_id), net::Repeat::never}, limit),
      clock_.now(), "list the tasks again: the rejection arrived when this task is gone");
}

}  // namespace hsmbridge::securosys
