#include "providers/digicert/client.h"

#include "base/error.h"
#include "base/text.h"
#include "base/unicode.h"
#include "net/url.h"

#include <fmt/core.h>

#include <set>

namespace hsmbridge::digicert {
namespace {

constexpr std::string_view kApi = "/mpki/api/v1";
// The documented default of the list. A larger limit might be cut down silently, and a page shorter than asked is the
// only sign of the list's end.
constexpr std::size_t kProfilesPerPage = 20;
constexpr std::size_t kMostPages = 500;

std::string certificate_path(const std::string& serial, std::string_view more = "") {
  return fmt::format("{}/certificate/{}{}", kApi, net::percent_encode(serial), more);
}
std::string thumbprint_query(const std::string& thumbprint) {
  return thumbprint.empty() ? std::string{} : "?thumbprint_sha256=" + upper(thumbprint);
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

Client::Client(std::shared_ptr<net::Transport> transport, const providers::Source& api_key, const Clock& clock)
    : api_(std::move(transport), dialect(),
           api_key.get
               ? std::vector<providers::CredentialHeader>{{"x-api-key", "", providers::stored_credentials({api_key})}}
               : std::vector<providers::CredentialHeader>{},
           clock) {}

std::string Client::get(std::string path, Duration limit) {
  return api_.get(std::move(path), limit).success().body;
}

providers::Answer Client::once(std::string method, std::string path, std::string body, const Once& bounds) {
  return api_.once(std::move(method), std::move(path), std::move(body), bounds.limit, bounds.until,
                   {.account = bounds.account});
}

std::string Client::hello(Duration limit) {
  std::string body = get(fmt::format("{}/hello", kApi), limit);
  // The product was renamed and its greeting with it: only the beginning is alike.
  if (!body.starts_with("Hello from DigiCert ONE")) {
    throw Error{ErrorKind::unavailable, "GET /mpki/api/v1/hello: the answer is not from DigiCert ONE"}.hint(
        "check `url`");
  }
  return body;
}

WhoAmI Client::who_am_i(Duration limit) {
  return who_am_i_from(get("/account/api/v1/user/me", limit));
}

std::string Client::account(Duration age, Duration limit) {
  // Another part of DigiCert ONE, which a service user of this part alone may not see.
  return api_.asked_account(age, limit, [this](Duration left) { return printable(who_am_i(left).account); });
}

std::vector<Profile> Client::profiles(Duration limit) {
  const Duration end = clock().since_boot() + limit;
  std::vector<Profile> all;
  std::set<std::string> seen;
  std::size_t offset = 0;
  for (std::size_t page = 0; page < kMostPages; ++page) {
    // v2: v1 leaves out profiles of public S/MIME templates.
    const std::string path = fmt::format("/mpki/api/v2/profile?offset={}&limit={}", offset, kProfilesPerPage);
    ProfilePage read = profiles_from(get(path, end - clock().since_boot()));
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
  return profile_from(get("/mpki/api/v2/profile/" + net::percent_encode(id), limit));
}

Verdict Client::request_certificate(const std::string& body, const Once& bounds) {
  return submission_verdict(once("POST", fmt::format("{}/certificate", kApi), body, bounds));
}

Verdict Client::renew(const std::string& serial, const std::string& thumbprint, const std::string& body,
                      const Once& bounds) {
  return submission_verdict(
      once("POST", certificate_path(serial, "/renew") + thumbprint_query(thumbprint), body, bounds));
}

RevocationVerdict Client::revoke(const std::string& serial, const std::string& thumbprint, std::string_view reason,
                                 const Once& bounds) {
  return revocation_verdict(
      once("PUT", certificate_path(serial, "/revoke") + thumbprint_query(thumbprint), revocation_text(reason), bounds));
}

Client::Pickup Client::pick_up(const std::string& request_id, const std::string& profile, Duration limit) {
  const providers::Answer answer =
      once("POST", fmt::format("{}/certificate-pickup/{}", kApi, net::percent_encode(request_id)), pickup_text(profile),
           {limit});
  const std::string& body = answer.success().body;
  return {certificate_answer_from(body), body, answer.retry_after()};
}

Client::Details Client::certificate(const std::string& serial, const std::string& thumbprint, Duration limit) {
  std::string body = get(certificate_path(serial) + thumbprint_query(thumbprint), limit);
  return {certificate_details_from(body), std::move(body)};
}

AdditionalFormats Client::additional_formats(const std::string& serial, Duration limit) {
  return additional_formats_from(get(certificate_path(serial, "/additional-formats"), limit));
}

SearchPage Client::search(const SearchFilter& filter, std::size_t offset, std::size_t most, Duration limit) {
  return search_page_from(get(fmt::format("{}/certificate-search?{}", kApi, query_of(filter, offset, most)), limit));
}

}  // namespace hsmbridge::digicert
