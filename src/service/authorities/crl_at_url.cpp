#include "service/authorities/crl_at_url.h"

#include "base/error.h"
#include "base/unicode.h"
#include "ca/crl.h"
#include "x509/objects/crl.h"

#include <fmt/core.h>

#include <filesystem>
#include <optional>
#include <string_view>
#include <system_error>
#include <utility>
#include <variant>

namespace hsmbridge::service {
namespace {

using Gives = CrlAtUrl::Gives;

constexpr Duration kReadBackLimit = std::chrono::seconds{20};

// An older one may be longer: what ended is not on the next one.
std::size_t most_octets(const std::filesystem::path& file) {
  constexpr std::size_t kLeast = std::size_t{1} << 20U;
  std::error_code unknown;
  const auto size = std::filesystem::file_size(file, unknown);
  return kLeast + (unknown ? 0 : 2 * static_cast<std::size_t>(size));
}

// " (Age: 240 of Cache-Control: max-age=3600)": what the answer says of a cache.
std::string cache_words(const net::Response& response) {
  std::string words;
  for (const char* name : {"Age", "Cache-Control"}) {
    const auto value = response.header(name);
    if (value) words += fmt::format("{}{}: {}", words.empty() ? " (" : ", ", name, printable(std::string(*value)));
  }
  return words.empty() ? "" : words + ")";
}

// Of an answer that is not the last CRL.
CrlAtUrl another_at_url(const workflow::PlacedCrl& crl, const x509::Certificate& issuer,
                        const net::Response& response) {
  const std::string& url = crl.place.url;
  const std::uint64_t published = crl.last->number;
  std::uint64_t number = 0;
  x509::TbsCertList list;
  try {
    number = ca::crl_number_of(as_bytes(response.body), issuer);
    list = x509::parse_crl(as_bytes(response.body)).tbs;
  } catch (const Error& error) {
    return {Gives::something_else,
            fmt::format("{} does not give CRL number {}, but {} octets that are not a CRL of "
                        "{} in DER ({})",
                        url, published, response.body.size(), issuer.subject().to_string(), error.message())};
  }
  if (const std::string point = ca::distribution_point_of(list);
      point != crl.place.distribution_point() && !(point == url && crl.place.shard.empty())) {
    return {Gives::something_else, fmt::format("{} gives {} (number {}), and not its own", url,
                                               point.empty() ? "the complete CRL" : "the CRL of " + point, number)};
  }
  if (number < published) {
    return {
        Gives::an_older_one,
        fmt::format("{} still gives CRL number {} of {}, and number {} is published: a cache in front of it may "
                    "keep it for a while{}; else the web server does not serve {}",
                    url, number, rfc3339(list.this_update), published, cache_words(response), crl.place.file.string())};
  }
  return {Gives::something_else,
          number == published
              ? fmt::format("{} gives another CRL with the number {} than the one that was published", url, number)
              : fmt::format("{} gives CRL number {}, and number {} is the last one that was published here: another "
                            "program publishes there",
                            url, number, published)};
}

CrlAtUrl answer_at_url(const workflow::PlacedCrl& crl, const x509::Certificate& issuer, const net::Response& response) {
  constexpr long kOk = 200;
  constexpr long kRedirect = 300;
  constexpr long kRefused = 400;
  constexpr long kServerError = 500;
  const std::string& url = crl.place.url;
  if (response.status == kOk) {
    if (hex(sha256(as_bytes(response.body))) == crl.last->sha256) {
      return {Gives::the_same, fmt::format("{} gives it", url)};
    }
    return another_at_url(crl, issuer, response);
  }
  if (response.status >= kServerError) {
    return {Gives::nothing,
            fmt::format("{} cannot be read now: the server answers with status {}", url, response.status)};
  }
  if (response.status >= kRedirect && response.status < kRefused) {
    return {Gives::something_else,
            fmt::format("{} answers with a redirect (status {} to {}), which is not followed: not all who verify "
                        "certificates would",
                        url, response.status, printable(std::string(response.header("Location").value_or("?"))))};
  }
  return {Gives::something_else, fmt::format("{} does not give CRL number {}: the server answers with status {}", url,
                                             crl.last->number, response.status)};
}

}  // namespace

bool is_read_back(const workflow::PlacedCrl& crl) {
  return crl.place.read_back == workflow::CrlPlace::ReadBack::yes && !crl.place.url.empty() && crl.last &&
         crl.last->sha256 != workflow::kLostCrl;
}

CrlAtUrl look_at_url(const workflow::PlacedCrl& crl, const x509::Certificate& issuer, const net::FetchPublic& fetch) {
  const net::Exchange exchange =
      fetch(net::PublicUrl::parse(crl.place.url), {kReadBackLimit, most_octets(crl.place.file)});
  const std::string& url = crl.place.url;
  if (const auto* response = std::get_if<net::Response>(&exchange)) return answer_at_url(crl, issuer, *response);
  if (const auto* not_sent = std::get_if<net::NotSent>(&exchange)) {
    return {Gives::nothing, fmt::format("{} cannot be read: {}", url, not_sent->spoken())};
  }
  const auto& lost = std::get<net::OutcomeUnknown>(exchange);
  return {lost.too_large ? Gives::something_else : Gives::nothing, fmt::format("{} cannot be read: {}", url, lost.why)};
}

std::vector<std::optional<CrlAtUrl>> look_at_urls(const std::vector<workflow::PlacedCrl>& crls,
                                                  const x509::Certificate& issuer, const net::FetchPublic& fetch) {
  std::vector<std::optional<CrlAtUrl>> all;
  bool answers = true;
  for (const workflow::PlacedCrl& crl : crls) {
    auto& one = all.emplace_back();
    if (!is_read_back(crl)) continue;
    one = answers ? look_at_url(crl, issuer, fetch)
                  : CrlAtUrl{Gives::nothing, fmt::format("{} was not asked, after the one before", crl.place.url)};
    answers = one->gives != Gives::nothing;
  }
  return all;
}

}  // namespace hsmbridge::service
