#include "tools/rig/venafi/venafi.h"

#include "base/error.h"
#include "base/log.h"

#include <fmt/core.h>

#include <algorithm>
#include <utility>

namespace hsmbridge::rig::venafi {
namespace {

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

Venafi::Venafi(const std::filesystem::path& dir, const Clock& clock)
    : Simulator(clock),
      dir_(dir),
      ca_((dir / "venafi-").string(), "Simulated", "Simulated Certificate Manager", clock.now()) {
  load_credentials();
  make_templates();
  reset();
}

const std::vector<Venafi::Route>& Venafi::routes() {
  // Method, path, handler, and what it follows:
  //   G   Venafi/vcert               OA  Venafi's OpenAPI "Certificate Manager, SaaS"
  //   DOC docs.venafi.cloud          VCP maelvls/vcpctl
  //   GQL the GraphQL schema in Venafi/vcert
  // Method, path, handler, and what it follows:
  //   G    Venafi/vcert, its GraphQL schema included     OA  Venafi's OpenAPI "Certificate Manager, SaaS"
  //   DOC  docs.venafi.cloud                             VCP maelvls/vcpctl
  // A fixed segment stands before a placeholder.
  static const std::vector<Route> table{
      {"GET", "/v1/useraccounts", &Venafi::user_account},                                 // G, OA
      {"POST", "/v1/serviceaccounts", &Venafi::make_service_account},                     // DOC, VCP
      {"GET", "/v1/users/{}", &Venafi::user_by_id},                                       // G
      {"GET", "/v1/teams", &Venafi::all_teams},                                           // G
      {"GET", "/v1/certificateauthorities/{}/accounts", &Venafi::ca_accounts},            // G
      {"GET", "/v1/certificateauthorities/{}/accounts/{}", &Venafi::ca_account},          // G
      {"GET", "/outagedetection/v1/applications/name/{}", &Venafi::application_by_name},  // G
      {"GET", "/outagedetection/v1/applications/{}/certificateissuingtemplates/{}",
       &Venafi::template_of_application},                                                         // G
      {"GET", "/v1/certificateissuingtemplates", &Venafi::all_templates},                         // OA
      {"GET", "/v1/certificateissuingtemplates/{}", &Venafi::template_by_id},                     // OA
      {"POST", "/outagedetection/v1/certificaterequests", &Venafi::create_request},               // G, DOC
      {"POST", "/outagedetection/v1/certificaterequests/validation", &Venafi::validate_request},  // OA
      {"GET", "/outagedetection/v1/certificaterequests/{}", &Venafi::get_request},                // G, DOC
      {"POST", "/outagedetection/v1/certificaterequestssearch", &Venafi::search_requests},        // OA, DOC
      {"GET", "/v1/certificaterequests/approvalrequests/{}", &Venafi::approval_request},          // OA
      {"POST", "/v1/certificaterequests/{}/approval/{}", &Venafi::decide},                        // OA
      {"GET", "/outagedetection/v1/certificates/{}/contents", &Venafi::contents},                 // G
      {"POST", "/outagedetection/v1/certificates/retirement", &Venafi::retire},                   // G
      {"GET", "/outagedetection/v1/certificates/{}", &Venafi::certificate},                       // G, OA
      {"POST", "/outagedetection/v1/certificatesearch", &Venafi::search_certificates},            // G, DOC
      {"POST", "/graphql", &Venafi::graphql},                                                     // G
  };
  return table;
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
  if (const Routed<Route> to = find_route(routes(), call.method, segments); to.route != nullptr) {
    return (this->*to.route->handler)(call, caller, to.parameters);
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
  next.nested_args = json.bool_or("nested_args", next.nested_args);
  next.wrong_key = json.bool_or("wrong_key", next.wrong_key);
  next.without_ids = json.bool_or("without_ids", next.without_ids);
  next.drops_tags = json.bool_or("drops_tags", next.drops_tags);
  next.hides_requests = json.bool_or("hides_requests", next.hides_requests);
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

void Venafi::reset() {
  const std::lock_guard lock(mutex_);
  requests_.clear();
  certificates_.clear();
  tokens_.clear();
  knobs_ = {};
  root_id_ = new_uuid();
  issuing_id_ = new_uuid();
  for (const auto& [id, der] : {std::pair{issuing_id_, ca_.chain().front()}, std::pair{root_id_, ca_.chain().back()}}) {
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
  if (!is_uuid(id)) throw refusal(400, 10055, fmt::format("Invalid UUID string: {}", id), Json::array({id}));
}

}  // namespace hsmbridge::rig::venafi
