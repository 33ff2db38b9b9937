#include "tools/rig/digicert/digicert.h"

#include "base/error.h"
#include "base/log.h"
#include "tools/rig/pki/certificates.h"

#include <fmt/core.h>

#include <algorithm>

namespace hsmbridge::rig {
namespace {

constexpr std::string_view kHello = "Hello from DigiCert ONE - Trust Lifecycle Manager REST API!";
constexpr const char* kText = "text/plain;charset=utf-8";

std::string swapped_case(std::string_view text) {
  std::string result(text);
  for (char& c : result) {
    if (c >= 'a' && c <= 'z') {
      c = static_cast<char>(c - 'a' + 'A');
    } else if (c >= 'A' && c <= 'Z') {
      c = static_cast<char>(c - 'A' + 'a');
    }
  }
  return result;
}

bool accepts_json(const std::string& accept) {
  if (accept.empty()) return true;
  for (const std::string_view type : {"application/json", "application/*", "*/*"}) {
    if (accept.find(type) != std::string::npos) return true;
  }
  return false;
}

std::size_t number_of(const std::map<std::string, std::string, std::less<>>& query, std::string_view name,
                      std::size_t fallback) {
  const auto found = query.find(name);
  if (found == query.end()) return fallback;
  if (found->second.empty() || found->second.size() > 9 ||
      found->second.find_first_not_of("0123456789") != std::string::npos) {
    throw wrong_input(name);
  }
  return std::stoul(found->second);
}

}  // namespace

Digicert::Digicert(DigicertOptions options, const Clock& clock)
    : options_(std::move(options)),
      clock_(clock),
      ca_(options_.dir),
      profiles_(
          seeded_profiles(options_.api_keys.size() > 1 ? options_.api_keys[1].id : "none", options_.more_profiles)),
      state_(options_.dir / "digicert-state.jsonl") {
  load();
}

const std::vector<Digicert::Route>& Digicert::routes() {
  // Longer paths with words before shorter ones with stars.
  static const std::vector<Route> table{
      {"GET", "/mpki/api/v1/hello", &Digicert::hello},
      {"GET", "/account/api/v1/user/me", &Digicert::who_am_i},
      {"GET", "/mpki/api/v2/profile", &Digicert::list_profiles},
      {"GET", "/mpki/api/v1/profile", &Digicert::list_profiles},
      {"GET", "/mpki/api/v2/profile/{}", &Digicert::show_profile},
      {"GET", "/mpki/api/v1/profile/{}", &Digicert::show_profile},
      {"POST", "/mpki/api/v1/certificate", &Digicert::request_certificate},
      {"POST", "/mpki/api/v1/certificate-pickup/{}", &Digicert::pick_up},
      {"GET", "/mpki/api/v1/certificate-search", &Digicert::search},
      {"GET", "/mpki/api/v1/certificate/{}", &Digicert::show_certificate},
      {"GET", "/mpki/api/v1/certificate/{}/additional-formats", &Digicert::show_formats},
      {"POST", "/mpki/api/v1/certificate/{}/renew", &Digicert::renew},
      {"PUT", "/mpki/api/v1/certificate/{}/revoke", &Digicert::revoke},
  };
  return table;
}

// ---- the way of a request: credentials, Accept, path, JSON, handler -------------------------------------------------

Answer Digicert::handle(const Call& call) {
  const std::lock_guard lock(mutex_);
  try {
    return answer(call);
  } catch (...) {
    const Error error = current_error();
    if (error.detail("status") == "401" && options_.wrong_key == DigicertOptions::WrongKey::text) {
      return {401, "Unauthorized", "text/plain"};
    }
    return digicert_error_answer(error, options_.envelope);
  }
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
  const std::string token = authenticated(call);
  if (!accepts_json(call.header("accept"))) {
    throw digicert_error(406, "invalid_request", "Only application/json is served");
  }
  const std::vector<std::string> path = call.segments();
  bool known = false;
  for (const Route& route : routes()) {
    auto captured = match(route.path, path);
    if (!captured) continue;
    known = true;
    if (route.method != call.method) continue;
    Json body;
    if (!call.body.empty()) {
      try {
        body = Json::parse(call.body);
      } catch (const Error&) {
        throw wrong_input("");
      }
    }
    return (this->*route.handler)(Asked{call, std::move(*captured), token, std::move(body), call.query()});
  }
  if (known) throw digicert_error(405, "invalid_request", "Method not allowed");
  throw digicert_error(404, "resource_not_found", "There is no such resource");
}

// ---- who and what ---------------------------------------------------------------------------------------------------

Answer Digicert::hello(const Asked&) {
  return {200, std::string(kHello), kText};
}

Answer Digicert::who_am_i(const Asked& asked) {
  return {200, Json::object({{"id", asked.token.empty() ? "d0c9f8a1-6d4e-4a3b-9a63-6f1b1f0a2c11" : asked.token},
                             {"email", "bridge@example.com"},
                             {"name", "hsmbridge service user"},
                             {"type", "service_user"},
                             {"roles", Json::array({"EM_EPKI_USER_&_CERT_MANAGER"})}})
                   .dump()};
}

const DigicertProfile& Digicert::visible_profile(const std::string& id, const std::string& token) const {
  for (const DigicertProfile& profile : profiles_) {
    if (swapped_case(profile.id) != swapped_case(id)) continue;
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

Answer Digicert::list_profiles(const Asked& asked) {
  const std::size_t offset = number_of(asked.query, "offset", 0);
  const std::size_t limit = number_of(asked.query, "limit", 20);
  Json list = Json::array();
  // Every profile of the account, those bound to other tokens too.
  for (std::size_t i = offset; i < profiles_.size() && i < offset + limit; ++i) {
    list.push(digicert_profile_json(profiles_[i], {}));
  }
  return {200, list.dump()};
}

Answer Digicert::show_profile(const Asked& asked) {
  std::vector<std::string> chain;
  for (const Bytes& der : ca_.chain()) {
    if (options_.formats == DigicertOptions::Formats::none) break;
    chain.push_back(to_pem("CERTIFICATE", der, PemLayout::lines));
  }
  return {200, digicert_profile_json(visible_profile(asked.captured.at(0), asked.token), chain).dump()};
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
  if (open.empty()) throw Error{ErrorKind::not_found, id.empty() ? "no request waits" : "there is no request " + id};
  if (open.size() > 1) {
    throw Error{ErrorKind::ambiguous, fmt::format("{} requests wait: name one with --id", open.size())};
  }
  return *open.front();
}

std::optional<Answer> Digicert::control(const std::string& what, const Json& body) {
  const std::lock_guard lock(mutex_);
  if (what == "POST /rig/approve") {
    Request& request = open_request(body);
    const std::string by = body.string_or("by", request.approved_by.empty() ? "admin1" : "admin2");
    if (std::find(request.approved_by.begin(), request.approved_by.end(), by) != request.approved_by.end()) {
      throw Error{ErrorKind::conflict, by + " has approved already"};
    }
    request.approved_by.push_back(by);
    const DigicertProfile& profile = visible_profile(request.order.profile, options_.api_keys.front().id);
    const std::size_t needed = profile.dual_approval ? 2 : 1;
    request.state = request.approved_by.size() < needed ? "pending_second_approval" : "approved";
    settle(request);
    keep(request);
    return Answer{200, Json::object({{"id", request.id}, {"state", request.state}}).dump()};
  }
  if (what == "POST /rig/reject") {
    Request& request = open_request(body);
    request.state = "rejected";
    request.message = body.string_or("reason", "Rejected by an administrator");
    keep(request);
    return Answer{200, Json::object({{"id", request.id}, {"state", request.state}}).dump()};
  }
  return std::nullopt;
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
  const auto own = std::find_if(certificates_.begin(), certificates_.end(),
                                [&](const Certificate& one) { return equal(one.der, certificate); });
  if (own == certificates_.end()) return std::nullopt;
  CertificateContent content;
  content.subject = {{"CN", "another key"}};
  content.subject_public_key = SoftwareKey::generate("EC", 256).public_key();
  content.serial = from_hex(own->serial);
  content.not_before = now() - std::chrono::minutes{5};
  content.not_after = now() + std::chrono::days{90};
  content.key_usage = {"DIGITAL_SIGNATURE"};
  return ca_.issue(std::move(content));
}

std::string Digicert::word(std::string_view text) const {
  return options_.words == DigicertOptions::Words::usual ? std::string(text) : swapped_case(text);
}

std::string Digicert::new_id() {
  const std::string digits = hex(random_bytes(16));
  return fmt::format("{}-{}-4{}-8{}-{}", digits.substr(0, 8), digits.substr(8, 4), digits.substr(13, 3),
                     digits.substr(17, 3), digits.substr(20));
}

Instant Digicert::now() const {
  return clock_.now() + advanced_;
}

void Digicert::advance(std::chrono::seconds by) {
  const std::lock_guard lock(mutex_);
  advanced_ += by;
  state_.append(Json::object({{"advanced", static_cast<std::int64_t>(advanced_.count())}}));
}

std::chrono::seconds Digicert::advanced() const {
  const std::lock_guard lock(mutex_);
  return advanced_;
}

void Digicert::reset() {
  const std::lock_guard lock(mutex_);
  certificates_.clear();
  requests_.clear();
  advanced_ = std::chrono::seconds{0};
  state_.rewrite({});
}

}  // namespace hsmbridge::rig
