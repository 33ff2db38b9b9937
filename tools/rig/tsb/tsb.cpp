#include "tools/rig/tsb/tsb.h"

#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
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

}  // namespace

const std::vector<std::string>& api_key_roles() {
  static const std::vector<std::string> roles{"keyManagementToken", "keyOperationToken", "approverToken",
                                              "serviceToken", "approverKeyManagementToken"};
  return roles;
}

ApiKeys read_api_keys(const Json& json) {
  ApiKeys keys;
  for (const auto& [role, values] : json.as_object()) {
    const auto& roles = api_key_roles();
    if (std::find(roles.begin(), roles.end(), role) == roles.end()) {
      throw Error{ErrorKind::invalid_input, fmt::format("'{}' is no role of an API key", role)};
    }
    for (const Json& value : values.as_array()) keys[role].push_back(value.as_string());
  }
  return keys;
}

ApiKeys kept_api_keys(const std::filesystem::path& file) {
  if (std::filesystem::exists(file)) return read_api_keys(Json::parse(as_text(read_file(file))));
  ApiKeys keys;
  for (const std::string& role : api_key_roles()) keys[role] = {"tsb-x-token_" + hex(random_bytes(24))};
  write_file(file, as_bytes(to_json(keys).pretty() + "\n"), FileMode::private_0600, Existing::refuse);
  return keys;
}

const std::vector<Tsb::Route>& Tsb::routes() {
  constexpr auto kBearer = Route::Bearer::needed;
  constexpr auto kNoBearer = Route::Bearer::ignored;
  // Method, path, role of the API key, bearer token, handler, and what it follows:
  //   D   docs.securosys.com, TSB tutorials and release notes     PY  its Python sample of a signature with approvals
  //   GO  securosys-com/tsb-client-go                             FB  securosys-com/fireblocks-external-key-store
  //   KSS securosys-com/keycloak-securosys-simple-sign-provider   VLT securosys-com/hcvault-plugin-secrets-engine
  // A fixed segment stands before a placeholder.
  static const std::vector<Route> table{
      {"GET", "/v1/versionInfo", kService, kBearer, &Tsb::version_info},                 // D
      {"GET", "/v1/licenseInfo", kService, kBearer, &Tsb::license_info},                 // D
      {"GET", "/v1/keystore/statistics", kService, kBearer, &Tsb::keystore_statistics},  // GO

      {"POST", "/v1/key", kManagement, kBearer, &Tsb::create_key},                    // PY, FB
      {"GET", "/v1/key", kManagement, kBearer, &Tsb::list_keys},                      // GO
      {"POST", "/v1/key/attributes", kManagement, kBearer, &Tsb::key_attributes},     // D, GO
      {"POST", "/v1/key/deleteKey", kManagement, kBearer, &Tsb::delete_key_by_body},  // KSS
      {"DELETE", "/v1/key/{}", kManagement, kBearer, &Tsb::delete_key},               // FB

      {"POST", "/v1/certificate/synchronous/request", kOperation, kBearer, &Tsb::certificate_request_now},  // KSS
      {"POST", "/v1/certificate/synchronous/selfsign", kOperation, kBearer, &Tsb::self_sign_now},           // KSS
      {"POST", "/v1/certificate/synchronous/sign", kOperation, kBearer, &Tsb::certificate_sign_now},        // KSS, FB
      {"POST", "/v1/certificate/request", kOperation, kBearer, &Tsb::certificate_request},                  // D
      {"POST", "/v1/certificate/selfsign", kOperation, kBearer, &Tsb::self_sign},                           // D
      {"POST", "/v1/certificate/sign", kOperation, kBearer, &Tsb::certificate_sign},                        // D
      {"POST", "/v1/certificate/import/plain", kOperation, kBearer, &Tsb::import_certificate},              // D, GO
      {"GET", "/v1/certificate/{}", kOperation, kBearer, &Tsb::get_certificate},                            // D

      {"POST", "/v1/sign", kOperation, kBearer, &Tsb::sign},                    // D, PY
      {"POST", "/v1/synchronousSign", kOperation, kBearer, &Tsb::sign_now},     // D
      {"GET", "/v1/request/{}", kOperation, kBearer, &Tsb::get_request},        // D, PY, GO
      {"DELETE", "/v1/request/{}", kOperation, kBearer, &Tsb::delete_request},  // GO

      // The body proves who speaks; the bearer token is ignored here since 1.13.0.
      {"POST", "/v1/filteredSignApprovalTask", kApprover, kNoBearer, &Tsb::list_sign_tasks},      // D, PY
      {"POST", "/v1/filteredAllApprovalTask", kApprover, kNoBearer, &Tsb::list_all_tasks},        // D
      {"POST", "/v1/filteredDecryptApprovalTask", kApprover, kNoBearer, &Tsb::list_no_tasks},     // VLT
      {"POST", "/v1/filteredUnwrapKeyApprovalTask", kApprover, kNoBearer, &Tsb::list_no_tasks},   // VLT
      {"POST", "/v1/filteredBlockKeyApprovalTask", kApprover, kNoBearer, &Tsb::list_no_tasks},    // VLT
      {"POST", "/v1/filteredUnblockKeyApprovalTask", kApprover, kNoBearer, &Tsb::list_no_tasks},  // VLT
      {"POST", "/v1/filteredModifyKeyApprovalTask", kApprover, kNoBearer, &Tsb::list_no_tasks},   // VLT
      {"POST", "/v1/approval", kApprover, kNoBearer, &Tsb::approve},                              // D, PY
      {"PATCH", "/v1/task", kApprover, kNoBearer, &Tsb::reject},                                  // D
      {"DELETE", "/v1/task", kApprover, kNoBearer, &Tsb::reject},                                 // D
  };
  return table;
}

Tsb::Tsb(TsbOptions options, const Clock& clock)
    : Simulator(clock),
      options_(std::move(options)),
      state_(options_.dir / "tsb-state.jsonl"),
      timestamp_key_(load_or_make_key("timestamp-key")),
      attestation_key_(load_or_make_key("attestation-key")) {
  if (options_.pki) {
    options_.timestamp_signers.push_back(certificate_from_pem(as_text(read_file(options_.pki->task_reader))));
  }
  // Later lines replace earlier ones: the file is the history of every key and request.
  for (const Json& line : LineFile::read(state_.path())) {
    const auto& [what, value] = line.as_object().front();
    if (what == "key") {
      KeyRecord key;
      restore(value, key);
      if (!key.policy.is_null()) key.rule = stored_rule(key.policy);
      keys_.insert_or_assign(key.label, std::move(key));
    } else if (what == "key_removed") {
      keys_.erase(value.as_string());
    } else if (what == "request") {
      RequestRecord request;
      restore(value, request);
      requests_.insert_or_assign(request.id, std::move(request));
    } else if (what == "advanced_seconds") {
      advanced_ = std::chrono::seconds{value.as_integer()};
    } else {
      throw Error{ErrorKind::corrupt, fmt::format("{} holds an unknown line '{}'", state_.path().string(), what)};
    }
  }
  Json::Array lines{Json::object({{"advanced_seconds", static_cast<std::int64_t>(advanced_.count())}})};
  for (auto& [label, key] : keys_) {
    const Bytes pem = read_file(key_file(key.uuid));
    key.key = std::make_shared<const SoftwareKey>(SoftwareKey::from_pem(as_text(pem)));
    lines.push_back(Json::object({{"key", kept(key)}}));
  }
  for (const auto& [id, request] : requests_) {
    next_sequence_ = std::max(next_sequence_, request.sequence + 1);
    for (const TaskRecord& task : request.tasks) request_of_task_[task.id] = id;
    lines.push_back(Json::object({{"request", kept(request)}}));
  }
  state_.rewrite(lines);
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
  if (!options_.bearer.empty() && route.bearer == Route::Bearer::needed) {
    const std::string given = call.header("authorization");
    if (given.empty()) throw business_error(406, "Missing access token.");
    if (!equal_in_constant_time(given, fmt::format("Bearer {}", options_.bearer.reveal()))) {
      throw business_error(617, "Invalid access token.");
    }
  }
}

std::string_view to_string(Generation generation) {
  switch (generation) {
    case Generation::v2_0:
      return "2.0";
    case Generation::v2_2:
      return "2.2";
    case Generation::v2_5:
      break;
  }
  return "2.5";
}

std::optional<Generation> generation_from(std::string_view word) {
  for (const Generation generation : {Generation::v2_0, Generation::v2_2, Generation::v2_5}) {
    if (word == to_string(generation)) return generation;
  }
  return std::nullopt;
}

Answer Tsb::dispatch(const Call& call) {
  const Routed<Route> to = find_route(routes(), call.method, call.segments());
  if (to.route == nullptr) {
    const int status = to.path_known ? 405 : 404;
    return {status, spring_body(status, call.path(), rfc3339(clock_.now()))};
  }
  check_credentials(call, *to.route);
  if (!call.body.empty()) {
    const std::string type = call.header("content-type");
    if (type.substr(0, type.find(';')) != "application/json") {
      return {415, spring_body(415, call.path(), rfc3339(clock_.now()))};
    }
  }
  // Making an RSA key takes long and must not hold up everybody else: that handler locks for itself.
  if (to.route->handler == &Tsb::create_key) return create_key(call, to.parameters);
  const std::lock_guard lock(mutex_);
  run_due_jobs();
  return (this->*to.route->handler)(call, to.parameters);
}

Answer Tsb::handle(const Call& call) {
  try {
    return dispatch(call);
  } catch (...) {
    const Error error = current_error();
    if (const int code = business_code(error); code != 0) {
      return {http_status_of(code), business_body(code, error.message())};
    }
    log::error(fmt::format("{} {}: {}", call.method, call.path(), error.message()));
    return {500, Json::object({{"message", "Internal server error"}}).dump()};
  }
}

void Tsb::keep_advanced() {
  state_.append(Json::object({{"advanced_seconds", static_cast<std::int64_t>(advanced_.count())}}));
}

Json Tsb::about() const {
  Json json = Json::object(
      {{"generation", to_string(options_.generation)}, {"api_keys", to_json(options_.api_keys.value_or(ApiKeys{}))}});
  if (options_.pki) {
    json.set("task_reader", Json::object({{"certificate", options_.pki->task_reader.string()},
                                          {"key", options_.pki->task_reader_key.string()}}));
  }
  return json;
}

void Tsb::skew(std::chrono::seconds approver_clock) {
  const std::lock_guard lock(mutex_);
  skew_ = approver_clock;
}

void Tsb::run_due_jobs() {
  const Instant time = now();
  if (time - last_execution_ >= kExecutionInterval) {
    last_execution_ = time;
    for (auto& [id, request] : requests_) {
      if (request.status == RequestStatus::approved) settle(request);
    }
  }
  if (time - last_cleanup_ >= options_.cleanup_interval) {
    last_cleanup_ = time;
    for (auto& [id, request] : requests_) {
      if (!is_open(request.status)) continue;
      const auto key = keys_.find(request.key_label);
      if (key == keys_.end()) continue;
      const RuleVerdict verdict = judge(key->second.rule, request.created, time, request.approved, request.rejected);
      if (verdict.state == RuleState::expired) finish(request, RequestStatus::expired);
    }
  }
}

void Tsb::save(const RequestRecord& request) {
  state_.append(Json::object({{"request", kept(request)}}));
}

void Tsb::save(const KeyRecord& key) {
  state_.append(Json::object({{"key", kept(key)}}));
}

Answer Tsb::version_info(const Call&, const Parameters&) {
  if (options_.generation == Generation::v2_0) return {200, R"({"Version":"2.0.0"})"};
  if (options_.generation == Generation::v2_2) return {200, R"({"Version":"2.2.0"})"};
  return {200, R"({"Version":"2.5.1","Vendor":"Securosys SA"})"};
}

Answer Tsb::license_info(const Call&, const Parameters&) {
  return {200, R"({"clientFlags":["KEY_AUTH","REST_API","TSB_ENGINE"]})"};
}

Answer Tsb::keystore_statistics(const Call&, const Parameters&) {
  const std::string text = fmt::format(
      "user RIG, private keys {0}, public keys {0}, secret keys 0, certificates {1}, used size {2} bytes, "
      "max size 104857600 bytes",
      keys_.size(),
      std::count_if(keys_.begin(), keys_.end(), [](const auto& key) { return !key.second.certificate.empty(); }),
      keys_.size() * 4096);
  return {200, Json::object({{"keyStoreStatistics", text}}).dump()};
}

}  // namespace hsmbridge::rig
