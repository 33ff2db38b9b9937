#include "tools/rig/venafi/venafi.h"

#include "base/error.h"
#include "base/log.h"

#include <fmt/core.h>

#include <algorithm>
#include <utility>

namespace hsmbridge::rig::venafi {
namespace {

bool flag(const Json& json, std::string_view name, bool now) {
  return json.bool_or(name, now);
}

template <class Value>
void set_word(const Json& json, std::string_view name, Value& value,
              std::initializer_list<std::pair<std::string_view, Value>> words) {
  const Json* member = json.find(name);
  if (member == nullptr) return;
  for (const auto& [word, meaning] : words) {
    if (member->as_string() == word) {
      value = meaning;
      return;
    }
  }
  throw Error{ErrorKind::invalid_input, fmt::format("the knob '{}' has no '{}'", name, member->as_string())};
}

}  // namespace

Venafi::Venafi(const std::filesystem::path& dir, const Clock& clock) : dir_(dir), clock_(clock), ca_(dir, clock.now()) {
  load_credentials();
  make_templates();
  reset();
}

const std::vector<Venafi::Route>& Venafi::routes() {
  // A fixed segment stands before a placeholder.
  static const std::vector<Route> table{
      {"GET", "/v1/useraccounts", &Venafi::user_account},
      {"POST", "/v1/serviceaccounts", &Venafi::make_service_account},
      {"GET", "/v1/users/{}", &Venafi::user_by_id},
      {"GET", "/v1/teams", &Venafi::all_teams},
      {"GET", "/v1/certificateauthorities/{}/accounts", &Venafi::ca_accounts},
      {"GET", "/v1/certificateauthorities/{}/accounts/{}", &Venafi::ca_account},
      {"GET", "/outagedetection/v1/applications/name/{}", &Venafi::application_by_name},
      {"GET", "/outagedetection/v1/applications/{}/certificateissuingtemplates/{}", &Venafi::template_of_application},
      {"GET", "/v1/certificateissuingtemplates", &Venafi::all_templates},
      {"GET", "/v1/certificateissuingtemplates/{}", &Venafi::template_by_id},
      {"POST", "/outagedetection/v1/certificaterequests", &Venafi::create_request},
      {"POST", "/outagedetection/v1/certificaterequests/validation", &Venafi::validate_request},
      {"GET", "/outagedetection/v1/certificaterequests/{}", &Venafi::get_request},
      {"POST", "/outagedetection/v1/certificaterequestssearch", &Venafi::search_requests},
      {"GET", "/v1/certificaterequests/approvalrequests/{}", &Venafi::approval_request},
      {"POST", "/v1/certificaterequests/{}/approval/{}", &Venafi::decide},
      {"GET", "/outagedetection/v1/certificates/{}/contents", &Venafi::contents},
      {"POST", "/outagedetection/v1/certificates/retirement", &Venafi::retire},
      {"GET", "/outagedetection/v1/certificates/{}", &Venafi::certificate},
      {"POST", "/outagedetection/v1/certificatesearch", &Venafi::search_certificates},
      {"POST", "/graphql", &Venafi::graphql},
  };
  return table;
}

Instant Venafi::now() const {
  return clock_.now() + advanced_;
}

std::string Venafi::new_uuid() {
  Bytes octets = random_bytes(16);
  octets[6] = static_cast<std::uint8_t>((octets[6] & 0x0FU) | 0x40U);  // RFC 9562 §5.4
  octets[8] = static_cast<std::uint8_t>((octets[8] & 0x3FU) | 0x80U);
  const std::string text = hex(octets);
  return fmt::format("{}-{}-{}-{}-{}", text.substr(0, 8), text.substr(8, 4), text.substr(12, 4), text.substr(16, 4),
                     text.substr(20));
}

std::string Venafi::date(Instant instant) const {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(instant);
  std::string text = rfc3339(Instant{seconds});
  text.pop_back();  // Z
  return fmt::format("{}.{:03}{}", text, (instant - seconds).count(), knobs_.dates_with_colon ? "+00:00" : "+0000");
}

Answer Venafi::dispatch(Call call) {
  std::vector<std::string> segments = call.segments();
  const bool ngts = !segments.empty() && segments.front() == "ngts";
  if (ngts) segments.erase(segments.begin());
  const std::lock_guard lock(mutex_);
  if (call.method == "POST" && match("/v1/oauth/token/serviceaccount", segments)) return service_account_token(call);
  if (const auto tenant = match("/v1/oauth2/v2.0/{}/token", segments); tenant && call.method == "POST") {
    return federated_token(call, tenant->front());
  }
  const Caller caller = caller_of(call, ngts);
  for (const Route& route : routes()) {
    if (route.method != call.method) continue;
    if (const std::optional<Parameters> parameters = match(route.path, segments)) {
      return (this->*route.handler)(call, caller, *parameters);
    }
  }
  return {404, "<html><body><h1>404 Not Found</h1></body></html>", "text/html"};
}

Answer Venafi::handle(const Call& call) {
  try {
    return dispatch(call);
  } catch (...) {
    const Error error = current_error();
    const std::string status(error.detail("status"));
    if (!status.empty()) {
      const std::string type(error.detail("type"));
      return {std::stoi(status), std::string(error.detail("body")), type.empty() ? "application/json" : type};
    }
    log::error(fmt::format("{} {}: {}", call.method, call.path(), error.message()));
    return {500, trouble()};
  }
}

std::optional<Answer> Venafi::control(const std::string& what, const Json& body) {
  const std::lock_guard lock(mutex_);
  if (what == "POST /rig/approve") return control_decision(body, true);
  if (what == "POST /rig/reject") return control_decision(body, false);
  if (what == "POST /rig/knobs") {
    set_knobs(body);
    return Answer{200, "{}"};
  }
  if (what == "POST /rig/expire-tokens") {
    tokens_.clear();
    return Answer{200, "{}"};
  }
  if (what == "POST /rig/jwt") {
    return Answer{200, Json::object({{"jwt", own_jwt(body.string_or("subject", "hsmbridge"))}}).dump()};
  }
  return std::nullopt;
}

void Venafi::set_knobs(const Json& json) {
  for (const auto& member : json.as_object()) {
    static const std::vector<std::string_view> known{"inventory_lag_seconds", "not_signed", "nested_args",   "dates",
                                                     "token_seconds",         "wrong_key",  "chain",         "validity",
                                                     "without_ids",           "drops_tags", "hides_requests"};
    if (std::find(known.begin(), known.end(), member.first) == known.end()) {
      throw Error{ErrorKind::invalid_input, fmt::format("there is no knob '{}'", member.first)};
    }
  }
  Knobs next = knobs_;
  next.inventory_lag = std::chrono::seconds{json.integer_or("inventory_lag_seconds", next.inventory_lag.count())};
  next.not_signed = static_cast<int>(json.integer_or("not_signed", next.not_signed));
  next.token_lifetime = std::chrono::seconds{json.integer_or("token_seconds", next.token_lifetime.count())};
  next.nested_args = flag(json, "nested_args", next.nested_args);
  next.wrong_key = flag(json, "wrong_key", next.wrong_key);
  next.without_ids = flag(json, "without_ids", next.without_ids);
  next.drops_tags = flag(json, "drops_tags", next.drops_tags);
  next.hides_requests = flag(json, "hides_requests", next.hides_requests);
  set_word(json, "dates", next.dates_with_colon, {{"+00:00", true}, {"+0000", false}});
  set_word(
      json, "chain", next.chain,
      {{"as-asked", Knobs::Chain::as_asked}, {"reversed", Knobs::Chain::reversed}, {"missing", Knobs::Chain::missing}});
  set_word(
      json, "validity", next.validity,
      {{"kept", Knobs::Validity::kept}, {"clipped", Knobs::Validity::clipped}, {"ignored", Knobs::Validity::ignored}});
  knobs_ = next;
}

Json Venafi::requests() const {
  const std::lock_guard lock(mutex_);
  std::map<std::int64_t, const CloudRequest*> ordered;
  for (const auto& [id, request] : requests_) ordered[request.sequence] = &request;
  Json list = Json::array();
  for (const auto& [sequence, request] : ordered) list.push(to_json(*request, false));
  return list;
}

Json Venafi::about() const {
  Json keys = Json::object();
  Json ids = Json::object();
  for (const auto& [name, user] : users_) {
    keys.set(name, Json::array({user.api_key}));
    ids.set(name, user.id);
  }
  Json zones = Json::array();
  for (const ApplicationRecord& application : applications_) {
    for (const auto& [alias, id] : application.templates) zones.push(application.name + "\\" + alias);
  }
  return Json::object({{"company", company_},
                       {"api_keys", keys},
                       {"users", ids},
                       {"issuing_root", ca_.root_file().string()},
                       {"zones", zones}});
}

std::string Venafi::trouble() const {
  return Json::object({{"errors", Json::array({error_entry(1000, "Internal server error", Json::array())})}}).dump();
}

std::optional<Bytes> Venafi::certificate_for_another_key(ByteView certificate) {
  return ca_.for_another_key(certificate);
}

void Venafi::advance(std::chrono::seconds by) {
  const std::lock_guard lock(mutex_);
  advanced_ += by;
}

std::chrono::seconds Venafi::advanced() const {
  const std::lock_guard lock(mutex_);
  return advanced_;
}

void Venafi::reset() {
  const std::lock_guard lock(mutex_);
  requests_.clear();
  certificates_.clear();
  tokens_.clear();
  knobs_ = {};
  root_id_ = new_uuid();
  issuing_id_ = new_uuid();
  for (const auto& [id, der] : {std::pair{root_id_, ca_.root()}, std::pair{issuing_id_, ca_.issuing()}}) {
    CloudCertificate record;
    record.id = id;
    record.der = der;
    certificates_[id] = std::move(record);
  }
}

// ---- what handlers share --------------------------------------------------------------------------------------------

Json error_entry(int code, const std::string& message, Json args) {
  return Json::object({{"code", code}, {"message", message}, {"args", std::move(args)}});
}

Error refusal(int status, Json::Array errors) {
  const std::string body = Json::object({{"errors", Json(std::move(errors))}}).dump();
  return Error{ErrorKind::refused, body}.with("status", std::to_string(status)).with("body", body);
}

Error refusal(int status, int code, const std::string& message, Json args) {
  return refusal(status, Json::Array{error_entry(code, message, std::move(args))});
}

Error unknown_id(const std::string& type, const std::string& id) {
  return refusal(404, 10051, fmt::format("Unable to find {} for key [{}]", type, id),
                 Json::array({type, Json::array({id})}));
}

Json body_of(const Call& call) {
  try {
    Json json = Json::parse(call.body);
    if (json.is_object()) return json;
  } catch (const Error&) {
    // falls through to the same refusal
  }
  throw refusal(400, 10006, "Malformed JSON request body");
}

void only(const Json& json, const std::vector<std::string_view>& known) {
  if (!json.is_object()) throw refusal(400, 1006, "Invalid or missing request parameters");
  for (const auto& member : json.as_object()) {
    if (std::find(known.begin(), known.end(), member.first) != known.end()) continue;
    throw refusal(400, 1006, "Invalid or missing request parameters",
                  Json::array({fmt::format("json: unknown field \"{}\"", member.first)}));
  }
}

std::string text_in(const Json& json, std::string_view name) {
  const Json* member = json.find(name);
  if (member == nullptr || member->is_null()) return "";
  if (!member->is_string()) throw refusal(400, 1006, "Invalid or missing request parameters", Json::array({name}));
  return member->as_string();
}

void must_be_uuid(const std::string& id) {
  const bool good = id.size() == 36 && id[8] == '-' && id[13] == '-' && id[18] == '-' && id[23] == '-' &&
                    std::all_of(id.begin(), id.end(), [](char c) {
                      return c == '-' || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
                    });
  if (!good) throw refusal(400, 10055, fmt::format("Invalid UUID string: {}", id), Json::array({id}));
}

}  // namespace hsmbridge::rig::venafi
