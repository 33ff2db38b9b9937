#include "tools/rig/digicert/digicert.h"

#include "base/error.h"
#include "base/text.h"
#include "tools/rig/server/uuid.h"

#include <fmt/core.h>

#include <algorithm>

namespace hsmbridge::rig {
namespace {

constexpr std::string_view kHello = "Hello from DigiCert ONE - Trust Lifecycle Manager REST API!";
constexpr const char* kText = "text/plain;charset=utf-8";

bool accepts_json(const std::string& accept) {
  if (accept.empty()) return true;
  for (const std::string_view type : {"application/json", "application/*", "*/*"}) {
    if (accept.find(type) != std::string::npos) return true;
  }
  return false;
}

constexpr const char* kKeyNames[] = {"service", "other"};

DigicertOptions with_api_keys(DigicertOptions options) {
  if (!options.api_keys.empty()) return options;
  const Json json = kept_json(options.dir / "digicert-api-keys.json", [] {
    Json made = Json::object();
    for (const char* name : kKeyNames) {
      made.set(name, Json::object({{"id", new_uuid()}, {"key", hex(random_bytes(16)) + "_" + hex(random_bytes(32))}}));
    }
    return made;
  });
  for (const char* name : kKeyNames) {
    options.api_keys.push_back({json.at(name).at("id").as_string(), json.at(name).at("key").as_string()});
  }
  return options;
}

}  // namespace

Digicert::Digicert(DigicertOptions options, const Clock& clock)
    : Simulator(clock, options.dir / "digicert-state.jsonl"),
      options_(with_api_keys(std::move(options))),
      ca_((options_.dir / "digicert-ca/").string(), "Rig Trust Lifecycle", "hsmbridge-rig", clock.now()),
      profiles_(
          seeded_profiles(options_.api_keys.size() > 1 ? options_.api_keys[1].id : "none", options_.more_profiles)) {
  for (const Json& line : kept_lines()) {
    certificates_.read(line, "certificate");
    requests_.read(line, "request");
  }
}

const std::vector<Digicert::Route>& Digicert::routes() {
  // Method, path, handler, and what it follows:
  //   S  dev.digicert.com, tutorial "Request a TLS certificate"    G  dev.digicert.com, "Make your first API call"
  //   T  digicert/terraform-provider-digicert                      P  digicert/product-solutions (scripts)
  //   F  fleetdm/fleet                                             K  Keyfactor/digicert-mpki-caplugin
  //   O  DigiCert's OpenAPI of 2022
  // Longer paths with words before shorter ones with placeholders.
  static const std::vector<Route> table{
      {"GET", "/mpki/api/v1/hello", &Digicert::hello},                       // T, O
      {"GET", "/account/api/v1/user/me", &Digicert::who_am_i},               // S, G
      {"GET", "/mpki/api/v2/profile", &Digicert::list_profiles},             // S
      {"GET", "/mpki/api/v1/profile", &Digicert::list_profiles},             // K, P, O
      {"GET", "/mpki/api/v2/profile/{}", &Digicert::show_profile},           // T, F
      {"GET", "/mpki/api/v1/profile/{}", &Digicert::show_profile},           // K, P, O
      {"POST", "/mpki/api/v1/certificate", &Digicert::request_certificate},  // S, T, F, P, O
      {"POST", "/mpki/api/v1/certificate-pickup/{}", &Digicert::pick_up},    // S, T
      {"GET", "/mpki/api/v1/certificate-search", &Digicert::search},         // O; ours after a lost answer
      {"GET", "/mpki/api/v1/certificate/{}", &Digicert::show_certificate},   // S, T, K, O
      {"GET", "/mpki/api/v1/certificate/{}/additional-formats", &Digicert::show_formats},  // S
      {"POST", "/mpki/api/v1/certificate/{}/renew", &Digicert::renew},                     // K, O
      {"PUT", "/mpki/api/v1/certificate/{}/revoke", &Digicert::revoke},                    // T, K, O
  };
  return table;
}

// ---- the way of a request: credentials, Accept, path, JSON, handler -------------------------------------------------

Answer Digicert::worded(Answer refused) const {
  if (refused.status == 401 && options_.wrong_key == DigicertWrongKey::text) return {401, "Unauthorized", "text/plain"};
  if (options_.envelope == DigicertEnvelope::array) return refused;
  const Json entry = Json::parse(refused.body).at("errors").as_array().front();
  return {refused.status,
          Json::object({{"error", Json::object({{"code", entry.at("code")}, {"message", entry.at("message")}})}})};
}

std::string Digicert::authenticated(const Call& call) const {
  const std::string given = call.header("x-api-key");
  if (given.empty()) {
    if (options_.client_certificates) return "";
    throw digicert_error(401, "AUTHORIZATION_ERROR", "No authentication data provided");
  }
  for (const DigicertApiKey& one : options_.api_keys) {
    if (one.key == given) return one.id;
  }
  throw digicert_error(401, "invalid_api_key", "The API key is not valid");
}

Answer Digicert::answer(const Call& call) {
  const std::lock_guard lock(mutex_);
  const std::string token = authenticated(call);
  if (!accepts_json(call.header("accept"))) {
    throw digicert_error(406, "invalid_request", "Only application/json is served");
  }
  Found<Digicert> to = find_endpoint(routes(), call.method, call.segments());
  if (to.endpoint == nullptr && to.path_known) throw digicert_error(405, "invalid_request", "Method not allowed");
  if (to.endpoint == nullptr) throw digicert_error(404, "resource_not_found", "There is no such resource");
  Json body;
  if (!call.body.empty()) {
    try {
      body = Json::parse(call.body);
    } catch (const Error&) {
      throw wrong_input("");
    }
  }
  return (this->*to.endpoint->handler)({call, std::move(to.captured), {token}, std::move(body)});
}

// ---- who and what ---------------------------------------------------------------------------------------------------

Answer Digicert::hello(const Asked&) {
  return {200, std::string(kHello), kText};
}

Answer Digicert::who_am_i(const Asked& asked) {
  return {200, Json::object({{"id", asked.caller.id.empty() ? "d0c9f8a1-6d4e-4a3b-9a63-6f1b1f0a2c11" : asked.caller.id},
                             {"email", "bridge@example.com"},
                             {"name", "hsmbridge service user"},
                             {"type", "service_user"},
                             {"roles", Json::array({"EM_EPKI_USER_&_CERT_MANAGER"})}})};
}

const DigicertProfile& Digicert::profile_of(const std::string& id) const {
  return *std::find_if(profiles_.begin(), profiles_.end(), [&](const DigicertProfile& one) { return one.id == id; });
}

const DigicertProfile& Digicert::visible_profile(const std::string& id, const std::string& token) const {
  for (const DigicertProfile& profile : profiles_) {
    if (profile.id != id) continue;
    const auto& tokens = profile.token_ids;
    if (!tokens.empty() && std::find(tokens.begin(), tokens.end(), token) == tokens.end()) break;
    return profile;
  }
  // Not 404: one does not learn which ids exist.
  throw digicert_error(403, "no_access", "Not enough permissions");
}

const DigicertProfile& Digicert::usable_profile(const std::string& id, const std::string& token,
                                                std::string_view field) const {
  const DigicertProfile& profile = visible_profile(id, token);
  if (profile.status != "Active") throw digicert_error(400, "invalid_input_field", "The profile is not active", field);
  if (profile.enrollment_method != "rest_api") {
    throw digicert_error(400, "invalid_input_field", "The enrollment method of the profile is not REST API", field);
  }
  return profile;
}

std::pair<std::size_t, std::size_t> Digicert::page_of(const Call& call) {
  const auto number = [&](std::string_view name, std::size_t fallback) {
    const std::string text = call.query_value(name);
    if (text.find_first_not_of("0123456789") != std::string::npos || text.size() > 9) throw wrong_input(name);
    return text.empty() ? fallback : std::stoul(text);
  };
  return {number("offset", 0), number("limit", 20)};
}

Answer Digicert::list_profiles(const Asked& asked) {
  const auto [offset, limit] = page_of(asked.call);
  Json list = Json::array();
  // Every profile of the account, those bound to other tokens too.
  for (std::size_t i = offset; i < profiles_.size() && i < offset + limit; ++i) {
    list.push(digicert_profile_json(profiles_[i], {}));
  }
  return {200, list};
}

Answer Digicert::show_profile(const Asked& asked) {
  std::vector<std::string> chain;
  for (const Bytes& der : ca_.chain()) {
    if (options_.formats == DigicertFormats::none) break;
    chain.push_back(to_pem("CERTIFICATE", der));
  }
  return {200, digicert_profile_json(visible_profile(asked.captured.at(0), asked.caller.id), chain)};
}

// ---- the rig's own controls -----------------------------------------------------------------------------------------

Digicert::Request& Digicert::open_request(const Json& body) {
  const std::string id = body.string_or("id", "");
  std::vector<Request*> open;
  for (Request& request : requests_) {
    const std::string state = state_of(request);
    const bool waits = state == "pending" || state == "pending_second_approval";
    if (!id.empty() && request.id == id && !waits) {
      throw Error{ErrorKind::conflict, fmt::format("request {} is {}", id, state)};
    }
    if (waits && (id.empty() || request.id == id)) open.push_back(&request);
  }
  if (open.empty())
    throw Error{ErrorKind::not_found, id.empty() ? "no request is waiting for approval" : "there is no request " + id};
  if (open.size() > 1) {
    throw Error{ErrorKind::ambiguous, fmt::format("{} requests are waiting; name one with --id", open.size())};
  }
  return *open.front();
}

std::optional<Json> Digicert::control(const std::string& what, const Json& body) {
  const std::lock_guard lock(mutex_);
  if (what != "POST /rig/approve" && what != "POST /rig/reject") return std::nullopt;
  Request& request = open_request(body);
  if (what == "POST /rig/reject") {
    request.state = "rejected";
    request.message = body.string_or("reason", "Rejected by an administrator");
  } else {
    const std::string by = body.string_or("by", request.approved_by.empty() ? "admin1" : "admin2");
    if (std::find(request.approved_by.begin(), request.approved_by.end(), by) != request.approved_by.end()) {
      throw Error{ErrorKind::conflict, by + " has approved already"};
    }
    request.approved_by.push_back(by);
    const std::size_t needed = profile_of(request.order.profile).dual_approval ? 2 : 1;
    request.state = request.approved_by.size() < needed ? "pending_second_approval" : "approved";
    settle(request);
  }
  save(request);
  return Json::object({{"id", request.id}, {"state", request.state}});
}

Json Digicert::requests() const {
  const std::lock_guard lock(mutex_);
  Json list = Json::array();
  for (const Request& request : requests_) {
    list.push(Json::object({{"kind", "request"},
                            {"id", request.id},
                            {"state", state_of(request)},
                            {"profile", request.order.profile},
                            {"seat", request.order.seat},
                            {"shape", request.order.shape},
                            {"created", rfc3339(request.created)},
                            {"approved_by", Json(request.approved_by)},
                            {"serial_number", request.serial}}));
  }
  for (const Certificate& certificate : certificates_) {
    list.push(Json::object({{"kind", "certificate"},
                            {"serial_number", certificate.serial},
                            {"state", status_of(certificate)},
                            {"profile", certificate.profile},
                            {"seat", certificate.seat},
                            {"created", rfc3339(certificate.created)},
                            {"reason", certificate.reason}}));
  }
  return list;
}

std::optional<Bytes> Digicert::certificate_for_another_key(ByteView certificate) {
  const std::lock_guard lock(mutex_);
  const bool ours = std::any_of(certificates_.begin(), certificates_.end(),
                                [&](const Certificate& one) { return equal(one.der, certificate); });
  if (!ours) return std::nullopt;
  return ca_.for_another_key(certificate);
}

std::string Digicert::word(std::string_view text) const {
  return options_.words == DigicertWords::usual ? std::string(text) : (text == lower(text) ? upper(text) : lower(text));
}

Json Digicert::about() const {
  Json keys = Json::object();
  for (std::size_t i = 0; i < options_.api_keys.size() && i < std::size(kKeyNames); ++i) {
    keys.set(kKeyNames[i], Json::array({options_.api_keys[i].key}));
  }
  Json profiles = Json::array();
  for (const DigicertProfile& profile : profiles_) {
    profiles.push(Json::object({{"id", profile.id}, {"name", profile.name}}));
  }
  return Json::object({{"api_keys", keys}, {"root", ca_.root_file().string()}, {"profiles", profiles}});
}

std::string Digicert::trouble() const {
  return worded(*answer_in(digicert_error(500, "InternalServerError", "Something went wrong"))).body;
}

void Digicert::reset() {
  const std::lock_guard lock(mutex_);
  certificates_.clear();
  requests_.clear();
  forget_all();
}

}  // namespace hsmbridge::rig
