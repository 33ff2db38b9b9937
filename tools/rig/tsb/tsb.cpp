#include "tools/rig/tsb/tsb.h"

#include "base/error.h"
#include "base/file.h"
#include "base/text.h"
#include "tools/rig/pki/authority.h"
#include "tools/rig/tsb/business_error.h"
#include "tools/rig/tsb/fields.h"

#include <fmt/core.h>

#include <algorithm>

namespace hsmbridge::rig {
namespace {

constexpr std::string_view kManagement = "keyManagementToken";
constexpr std::string_view kOperation = "keyOperationToken";
constexpr std::string_view kApprover = "approverToken";
constexpr std::string_view kService = "serviceToken";

// The interval of the job that executes what a timelock held back.
constexpr std::chrono::seconds kExecutionInterval{60};

bool equal_in_constant_time(std::string_view a, std::string_view b) {
  unsigned difference = a.size() == b.size() ? 0U : 1U;
  for (std::size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
    difference |= static_cast<unsigned char>(a[i]) ^ static_cast<unsigned char>(b[i]);
  }
  return difference == 0;
}

Json to_json(const ApiKeys& keys) {
  Json json = Json::object();
  for (const auto& [role, values] : keys) json.set(role, Json(values));
  return json;
}

constexpr std::array<std::string_view, 5> kRoles{kManagement, kOperation, kApprover, kService,
                                                 "approverKeyManagementToken"};

}  // namespace

ApiKeys read_api_keys(const Json& json) {
  ApiKeys keys;
  for (const auto& [role, values] : json.as_object()) {
    if (std::find(kRoles.begin(), kRoles.end(), role) == kRoles.end()) {
      throw Error{ErrorKind::invalid_input, fmt::format("'{}' is not a role of an API key", role)}.hint("roles are " +
                                                                                                        joined(kRoles));
    }
    for (const Json& value : values.as_array()) keys[role].push_back(value.as_string());
  }
  return keys;
}

ApiKeys kept_api_keys(const std::filesystem::path& file) {
  return read_api_keys(kept_json(file, [] {
    ApiKeys keys;
    for (const std::string_view role : kRoles) keys[std::string(role)] = {"tsb-x-token_" + hex(random_bytes(24))};
    return to_json(keys);
  }));
}

const std::vector<Tsb::Route>& Tsb::routes() {
  // Method, path, handler, role of the API key, and what it follows:
  //   D   docs.securosys.com, TSB tutorials and release notes     PY  its Python sample of a signature with approvals
  //   GO  securosys-com/tsb-client-go                             FB  securosys-com/fireblocks-external-key-store
  //   VLT securosys-com/hcvault-plugin-secrets-engine
  // A fixed segment stands before a placeholder.
  static const std::vector<Route> table{
      {"GET", "/v1/versionInfo", &Tsb::version_info, kService},  // D
      {"GET", "/v1/licenseInfo", &Tsb::license_info, kService},  // D

      {"POST", "/v1/key", &Tsb::create_key, kManagement},                 // PY, FB
      {"GET", "/v1/key", &Tsb::list_keys, kManagement},                   // GO
      {"POST", "/v1/key/attributes", &Tsb::key_attributes, kManagement},  // D, GO
      {"DELETE", "/v1/key/{}", &Tsb::delete_key, kManagement},            // FB

      {"POST", "/v1/certificate/request", &Tsb::certificate_request, kOperation},      // D
      {"POST", "/v1/certificate/selfsign", &Tsb::self_sign, kOperation},               // D
      {"POST", "/v1/certificate/sign", &Tsb::certificate_sign, kOperation},            // D
      {"POST", "/v1/certificate/import/plain", &Tsb::import_certificate, kOperation},  // D, GO
      {"GET", "/v1/certificate/{}", &Tsb::get_certificate, kOperation},                // D

      {"POST", "/v1/sign", &Tsb::sign, kOperation},                    // D, PY
      {"GET", "/v1/request/{}", &Tsb::get_request, kOperation},        // D, PY, GO
      {"DELETE", "/v1/request/{}", &Tsb::delete_request, kOperation},  // GO

      // The body proves who speaks.
      {"POST", "/v1/filteredSignApprovalTask", &Tsb::list_sign_tasks, kApprover},      // D, PY
      {"POST", "/v1/filteredAllApprovalTask", &Tsb::list_all_tasks, kApprover},        // D
      {"POST", "/v1/filteredDecryptApprovalTask", &Tsb::list_no_tasks, kApprover},     // VLT
      {"POST", "/v1/filteredUnwrapKeyApprovalTask", &Tsb::list_no_tasks, kApprover},   // VLT
      {"POST", "/v1/filteredBlockKeyApprovalTask", &Tsb::list_no_tasks, kApprover},    // VLT
      {"POST", "/v1/filteredUnblockKeyApprovalTask", &Tsb::list_no_tasks, kApprover},  // VLT
      {"POST", "/v1/filteredModifyKeyApprovalTask", &Tsb::list_no_tasks, kApprover},   // VLT
      {"POST", "/v1/approval", &Tsb::approve, kApprover},                              // D, PY
      {"PATCH", "/v1/task", &Tsb::reject, kApprover},                                  // D
      {"DELETE", "/v1/task", &Tsb::reject, kApprover},                                 // D
  };
  return table;
}

Tsb::Tsb(TsbOptions options, const Clock& clock)
    : Simulator(clock, options.dir / "tsb-state.jsonl"),
      options_(std::move(options)),
      timestamp_key_(load_or_make_key("timestamp-key")),
      attestation_key_(load_or_make_key("attestation-key")) {
  if (options_.pki) {
    options_.timestamp_signers.push_back(certificate_from_pem(as_text(read_file(options_.pki->task_reader))));
  }
  for (const Json& line : kept_lines()) {
    keys_.read(line, "key");
    requests_.read(line, "request");
  }
  for (KeyRecord& key : keys_) {
    if (!key.policy.is_null()) key.rule = stored_rule(key.policy);
    const Bytes pem = read_file(key_file(key.uuid));
    key.key = std::make_shared<const SoftwareKey>(SoftwareKey::from_pem(as_text(pem)));
  }
  last_cleanup_ = last_execution_ = now();
}

std::filesystem::path Tsb::key_file(const std::string& name) const {
  return options_.dir / "tsb-keys" / (name + ".pem");
}

SoftwareKey Tsb::load_or_make_key(const std::string& name) {
  const std::filesystem::path path = key_file(name);
  std::filesystem::create_directories(path.parent_path());
  std::filesystem::permissions(path.parent_path(), std::filesystem::perms::owner_all);
  return kept_key(path);
}

void Tsb::check_credentials(const Call& call, const Route& route) const {
  if (options_.api_keys) {
    const std::string given = call.header("x-api-key");
    if (given.empty()) throw business_error(416, "Missing API key.");
    const auto role = options_.api_keys->find(std::string(route.role));
    const bool known = role != options_.api_keys->end() &&
                       std::any_of(role->second.begin(), role->second.end(),
                                   [&](const std::string& key) { return equal_in_constant_time(key, given); });
    if (!known) throw business_error(631, "Invalid API key.");
  }
  // Ignored at approvers' endpoints since 1.13.0.
  if (!options_.bearer.empty() && route.role != kApprover) {
    const std::string given = call.header("authorization");
    if (given.empty()) throw business_error(406, "Missing access token.");
    if (!equal_in_constant_time(given, fmt::format("Bearer {}", options_.bearer.reveal()))) {
      throw business_error(617, "Invalid access token.");
    }
  }
}

Answer Tsb::answer(const Call& call) {
  const Found<Tsb> to = find_endpoint(routes(), call.method, call.segments());
  const auto refused = [&](int status) { return spring_error(status, call.path(), rfc3339(clock_.now())); };
  if (to.endpoint == nullptr) throw refused(to.path_known ? 405 : 404);
  check_credentials(call, *to.endpoint);
  Asked asked{call, to.captured};
  if (!call.body.empty()) {
    const std::string type = call.header("content-type");
    if (type.substr(0, type.find(';')) != "application/json") throw refused(415);
    try {
      asked.body = Json::parse(call.body);
    } catch (const Error&) {
      throw cannot_parse();
    }
  }
  // Making an RSA key takes long and must not hold up everybody else: that handler locks for itself.
  if (to.endpoint->handler == &Tsb::create_key) return create_key(asked);
  const std::lock_guard lock(mutex_);
  run_due_jobs();
  return (this->*to.endpoint->handler)(asked);
}

Json Tsb::about() const {
  Json json = Json::object(
      {{"generation", kept(options_.generation)}, {"api_keys", to_json(options_.api_keys.value_or(ApiKeys{}))}});
  if (options_.pki) {
    json.set("task_reader", Json::object({{"certificate", options_.pki->task_reader.string()},
                                          {"key", options_.pki->task_reader_key.string()}}));
  }
  return json;
}

void Tsb::run_due_jobs() {
  const Instant time = now();
  if (time - last_execution_ >= kExecutionInterval) {
    last_execution_ = time;
    for (RequestRecord& request : requests_) {
      if (request.status == RequestStatus::approved) settle(request);
    }
  }
  if (time - last_cleanup_ >= options_.cleanup_interval) {
    last_cleanup_ = time;
    for (RequestRecord& request : requests_) {
      if (!is_open(request.status)) continue;
      const KeyRecord* key = keys_.find(request.key_label);
      if (key == nullptr) continue;
      const RuleVerdict verdict = judge(key->rule, request.created, time, request.approved, request.rejected);
      if (verdict.state == RuleState::expired) finish(request, RequestStatus::expired);
    }
  }
}

Answer Tsb::version_info(const Asked&) {
  if (options_.generation == Generation::v2_5) return {200, R"({"Version":"2.5.1","Vendor":"Securosys SA"})"};
  return {200, Json::object({{"Version", kept(options_.generation).as_string() + ".0"}})};
}

Answer Tsb::license_info(const Asked&) {
  return {200, R"({"clientFlags":["KEY_AUTH","REST_API","TSB_ENGINE"]})"};
}

}  // namespace hsmbridge::rig
