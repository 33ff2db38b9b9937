#include "providers/digicert/client.h"

#include "base/error.h"
#include "net/url.h"
#include "providers/credential.h"

#include <fmt/core.h>

#include <algorithm>
#include <set>

namespace hsmbridge::digicert {
namespace {

constexpr std::string_view kApi = "/mpki/api/v1";
// The documented default of the list. A larger limit might be cut down silently, and a page shorter than asked is the
// only sign of the list's end.
constexpr std::size_t kProfilesPerPage = 20;
constexpr std::size_t kMostPages = 500;

// "/certificate/{serial}{more}", with the thumbprint where one is given.
std::string certificate_path(const std::string& serial, std::string_view more, const std::string& thumbprint) {
  std::string path = fmt::format("{}/certificate/{}{}", kApi, net::percent_encode(serial), more);
  if (!thumbprint.empty()) path += "?thumbprint_sha256=" + upper(thumbprint);
  return path;
}

std::string query_of(const SearchFilter& filter, std::size_t offset, std::size_t most) {
  std::string query = fmt::format("offset={}&limit={}", offset, most);
  const std::pair<std::string_view, const std::string*> parts[] = {
      {"seat_id", &filter.seat}, {"common_name", &filter.common_name}, {"status", &filter.status}};
  for (const auto& [name, value] : parts) {
    if (!value->empty()) query += fmt::format("&{}={}", name, net::percent_encode(*value));
  }
  return query;
}

}  // namespace

Client::Client(std::shared_ptr<net::Transport> transport, ClientOptions options, const Clock& clock)
    : transport_(std::move(transport)), options_(std::move(options)), clock_(clock) {}

std::optional<Secret> Client::key() {
  if (!options_.api_key) return std::nullopt;
  if (auto known = key_at_hand()) return known;
  const std::lock_guard asking(asking_);
  if (auto known = key_at_hand()) return known;
  Secret read = providers::read_credential(options_.api_key);
  const std::lock_guard lock(mutex_);
  key_ = read;
  return read;
}

std::optional<Secret> Client::key_at_hand() {
  const std::lock_guard lock(mutex_);
  return key_;
}

net::Exchange Client::exchange(const Call& call, Duration limit) {
  if (limit <= Duration::zero()) return net::NotSent{"the time limit was over before it was sent"};
  net::Request request{call.method, call.path,      {{"Accept", "application/json"}}, call.body, call.repeat,
                       limit,       call.call_until};
  if (!call.body.empty()) request.headers.emplace_back("Content-Type", "application/json");
  const std::optional<Secret> value = key();
  if (value) request.headers.emplace_back("x-api-key", std::string(value->reveal()));
  net::Exchange result = transport_->send(request);
  server_clock_.note(result, clock_.now());
  if (!value) return result;
  const auto* answer = std::get_if<net::Response>(&result);
  if (answer != nullptr && answer->status == 401 && options_.reread) {
    // A refused key is read anew next time: somebody may have renewed it. Unless that has happened meanwhile.
    const std::lock_guard lock(mutex_);
    if (key_ && key_->reveal() == value->reveal()) key_.reset();
  }
  return result;
}

std::string Client::body_of(const Call& call, Duration limit) {
  const std::string what = call.method + " " + call.path.substr(0, call.path.find('?'));
  return success_of(what, exchange(call, limit), clock_.now()).body;
}

std::string Client::hello(Duration limit) {
  std::string body = body_of({"GET", fmt::format("{}/hello", kApi)}, limit);
  // The product was renamed and its greeting with it: only the beginning is alike.
  if (!body.starts_with("Hello from DigiCert ONE")) {
    throw Error{ErrorKind::unavailable, "GET /mpki/api/v1/hello: whoever answers there is not DigiCert ONE"}.hint(
        "check `url`");
  }
  return body;
}

WhoAmI Client::who_am_i(Duration limit) {
  return who_am_i_from(body_of({"GET", "/account/api/v1/user/me"}, limit));
}

std::vector<Profile> Client::profiles(Duration limit) {
  const Duration end = clock_.since_boot() + limit;
  std::vector<Profile> all;
  std::set<std::string> seen;
  std::size_t offset = 0;
  for (std::size_t page = 0; page < kMostPages; ++page) {
    // v2: v1 leaves out profiles of public S/MIME templates.
    const std::string path = fmt::format("/mpki/api/v2/profile?offset={}&limit={}", offset, kProfilesPerPage);
    ProfilePage read = profiles_from(body_of({"GET", path}, end - clock_.since_boot()));
    const std::size_t before = all.size();
    for (Profile& one : read.profiles) {
      if (seen.insert(lower(one.id)).second) all.push_back(std::move(one));
    }
    // No total is told. A page that repeats what was there comes from a server that does not page.
    if (read.entries < kProfilesPerPage || (!read.profiles.empty() && all.size() == before)) return all;
    offset += read.entries;
  }
  throw Error{ErrorKind::corrupt, fmt::format("DigiCert's list of profiles does not end after {} pages", kMostPages)};
}

Profile Client::profile(const std::string& id, Duration limit) {
  return profile_from(body_of({"GET", "/mpki/api/v2/profile/" + net::percent_encode(id)}, limit));
}

Verdict Client::request_certificate(const std::string& body, const Once& once) {
  const Call call{"POST", fmt::format("{}/certificate", kApi), body, net::Repeat::never, once.until};
  return classify_submission("POST " + call.path, exchange(call, once.limit), clock_.now());
}

Verdict Client::renew(const std::string& serial, const std::string& thumbprint, const std::string& body,
                      const Once& once) {
  const Call call{"POST", certificate_path(serial, "/renew", thumbprint), body, net::Repeat::never, once.until};
  return classify_submission("POST " + certificate_path(serial, "/renew", ""), exchange(call, once.limit),
                             clock_.now());
}

RevocationVerdict Client::revoke(const std::string& serial, const std::string& thumbprint, std::string_view reason,
                                 const Once& once) {
  const Call call{"PUT", certificate_path(serial, "/revoke", thumbprint), revocation_text(reason), net::Repeat::never,
                  once.until};
  return classify_revocation("PUT " + certificate_path(serial, "/revoke", ""), exchange(call, once.limit),
                             clock_.now());
}

Client::Pickup Client::pick_up(const std::string& request_id, const std::string& profile, Duration limit) {
  const Call call{"POST", fmt::format("{}/certificate-pickup/{}", kApi, net::percent_encode(request_id)),
                  pickup_text(profile), net::Repeat::never};
  const net::Exchange result = exchange(call, limit);
  const net::Response& answer = success_of("POST " + call.path, result, clock_.now());
  return {certificate_answer_from(answer.body), answer.body, answer.retry_after(clock_.now())};
}

Client::Details Client::certificate(const std::string& serial, const std::string& thumbprint, Duration limit) {
  std::string body = body_of({"GET", certificate_path(serial, "", thumbprint)}, limit);
  return {certificate_details_from(body), std::move(body)};
}

AdditionalFormats Client::additional_formats(const std::string& serial, Duration limit) {
  return additional_formats_from(body_of({"GET", certificate_path(serial, "/additional-formats", "")}, limit));
}

SearchPage Client::search(const SearchFilter& filter, std::size_t offset, std::size_t most, Duration limit) {
  return search_page_from(
      body_of({"GET", fmt::format("{}/certificate-search?{}", kApi, query_of(filter, offset, most))}, limit));
}

}  // namespace hsmbridge::digicert
