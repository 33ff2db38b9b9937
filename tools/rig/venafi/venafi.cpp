#include "tools/rig/venafi/venafi.h"

#include "base/error.h"

#include <fmt/core.h>

#include <algorithm>
#include <utility>

namespace hsmbridge::rig::venafi {
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
  //   G    Venafi/vcert, its GraphQL schema included     OA  Venafi's OpenAPI "Certificate Manager, SaaS"
  //   DOC  docs.venafi.cloud                             VCP maelvls/vcpctl
  // A fixed segment stands before a placeholder.
  static const std::vector<Route> table{
      {"GET", "/v1/useraccounts", &Venafi::user_account},                                 // G, OA
      {"POST", "/v1/serviceaccounts", &Venafi::make_service_account},                     // DOC, VCP
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
  return fmt::format("{}.{:03}{}", text, (instant - seconds).count(),
                     words_of(knobs_.dates)[static_cast<std::size_t>(knobs_.dates)]);
}

Answer Venafi::answer(const Call& call) {
  std::vector<std::string> segments = call.segments();
  const bool ngts = !segments.empty() && segments.front() == "ngts";
  if (ngts) segments.erase(segments.begin());
  const std::lock_guard lock(mutex_);
  if (call.method == "POST" && match("/v1/oauth/token/serviceaccount", segments)) return service_account_token(call);
  if (const auto tenant = match("/v1/oauth2/v2.0/{}/token", segments); tenant && call.method == "POST") {
    return federated_token(call, tenant->front());
  }
  const Caller caller = caller_of(call, ngts);
  const Found<Venafi> to = find_endpoint(routes(), call.method, segments);
  if (to.endpoint == nullptr) return {404, "<html><body><h1>404 Not Found</h1></body></html>", "text/html"};
  return (this->*to.endpoint->handler)({call, to.captured, caller});
}

std::optional<Json> Venafi::control(const std::string& what, const Json& body) {
  const std::lock_guard lock(mutex_);
  if (what == "POST /rig/approve") return control_decision(body, true);
  if (what == "POST /rig/reject") return control_decision(body, false);
  if (what == "POST /rig/knobs") {
    Knobs next = knobs_;
    change(body, next);
    knobs_ = next;
    return Json::object();
  }
  if (what == "POST /rig/expire-tokens") {
    tokens_.clear();
    return Json::object();
  }
  if (what == "POST /rig/jwt") {
    return Json::object({{"jwt", own_jwt(body.string_or("subject", "hsmbridge"))}});
  }
  return std::nullopt;
}

Json Venafi::requests() const {
  const std::lock_guard lock(mutex_);
  Json list = Json::array();
  for (const CloudRequest& request : requests_) list.push(to_json(request, false));
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
  return answer_in(refusal(500, 1000, "Internal server error"))->body;
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
    certificates_.put(std::move(record));
  }
}

// ---- what handlers share --------------------------------------------------------------------------------------------

Json error_entry(int code, const std::string& message, Json args) {
  return Json::object({{"code", code}, {"message", message}, {"args", std::move(args)}});
}

Error refusal(int status, Json::Array errors) {
  std::string message = errors.front().at("message").as_string();
  return rig::refusal(std::move(message), {status, Json::object({{"errors", Json(std::move(errors))}})});
}

Error refusal(int status, int code, const std::string& message, Json args) {
  return refusal(status, Json::Array{error_entry(code, message, std::move(args))});
}

Error wrong_parameters(Json args) {
  return refusal(400, 1006, "Invalid or missing request parameters", std::move(args));
}

Error unknown_id(const std::string& type, const std::string& id) {
  return refusal(404, 10051, fmt::format("Unable to find {} for key [{}]", type, id),
                 Json::array({type, Json::array({id})}));
}

Json body_of(const Asked& asked, const std::vector<std::string_view>& known) {
  Json json;
  try {
    json = Json::parse(asked.call.body);
  } catch (const Error&) {
    // falls through to the same refusal
  }
  if (!json.is_object()) throw refusal(400, 10006, "Malformed JSON request body");
  only(json, known);
  return json;
}

void only(const Json& json, const std::vector<std::string_view>& known) {
  if (!json.is_object()) throw wrong_parameters();
  for (const auto& member : json.as_object()) {
    if (std::find(known.begin(), known.end(), member.first) != known.end()) continue;
    throw wrong_parameters(Json::array({fmt::format("json: unknown field \"{}\"", member.first)}));
  }
}

std::string text_in(const Json& json, std::string_view name) {
  const Json* member = json.find(name);
  if (member == nullptr || member->is_null()) return "";
  if (!member->is_string()) throw wrong_parameters(Json::array({name}));
  return member->as_string();
}

std::vector<std::string> list_in(const std::map<std::string, std::vector<std::string>>& lists,
                                 const std::string& name) {
  const auto found = lists.find(name);
  return found == lists.end() ? std::vector<std::string>{} : found->second;
}

void must_be_uuid(const std::string& id) {
  if (!is_uuid(id)) throw refusal(400, 10055, fmt::format("Invalid UUID string: {}", id), Json::array({id}));
}

}  // namespace hsmbridge::rig::venafi
