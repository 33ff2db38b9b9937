#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "base/unicode.h"
#include "ca/crl.h"
#include "providers/local/crl_place.h"
#include "providers/local/provider.h"
#include "x509/objects/crl.h"
#include "x509/objects/pem.h"

#include <fmt/core.h>

#include <filesystem>
#include <system_error>
#include <utility>
#include <variant>

// What is out of a CA that this store knows nothing of, before it adds to that. Where a whole machine was set back, the
// store, the file of the CRL and the serial log agree with each other; the URL is often served by another machine.
namespace hsmbridge::local {

using namespace workflow;

namespace {

constexpr Duration kLookLimit = std::chrono::seconds{5};
constexpr Duration kAskAgain = std::chrono::minutes{1};

// A newer one may be longer.
std::size_t most_at_url(const std::filesystem::path& file) {
  constexpr std::size_t kLeast = std::size_t{4} << 20U;
  std::error_code unknown;
  const auto size = std::filesystem::file_size(file, unknown);
  return kLeast + (unknown ? 0 : 4 * static_cast<std::size_t>(size));
}

// Why nothing could be read; nothing where there was an answer, whatever it is.
std::optional<std::string> silence_of(const net::Exchange& exchange) {
  constexpr long kFaultOfServer = 500;
  if (const auto* response = std::get_if<net::Response>(&exchange)) {
    if (response->status < kFaultOfServer) return std::nullopt;
    return fmt::format("the server answers with status {}", response->status);
  }
  if (const auto* not_sent = std::get_if<net::NotSent>(&exchange)) return not_sent->spoken();
  const auto& lost = std::get<net::OutcomeUnknown>(exchange);
  return lost.too_large ? std::nullopt : std::optional(lost.why);
}

bool holds(const std::filesystem::path& file, const Bytes& octets) {
  try {
    return read_file(file, ca::kLargestCrl) == octets;
  } catch (const Error&) {
    return false;  // what is wrong with it is said where it is published
  }
}

// A CRL that nobody knows what it says has no octets to compare.
bool has_number(const std::optional<PublishedCrl>& crl, std::uint64_t number) {
  return crl && crl->number == number && crl->sha256 != kLostCrl;
}

}  // namespace

void LocalProvider::tell_unknown(const std::string& url, const std::string& why) const {
  log::warning(fmt::format("CA {}: whether a newer CRL than its last one is at {} is not known: {}", settings_.name,
                           url, printable(why)));
}

std::optional<Bytes> LocalProvider::fetched_crl(const CrlPlace& place) {
  constexpr long kGiven = 200;
  constexpr long kNotFound = 404;
  if (!dependencies_.fetch || place.url.empty() || place.read_back == CrlPlace::ReadBack::no) return std::nullopt;
  {
    const std::lock_guard lock(mutex_);
    if (clock_.since_boot() < silent_until_) return std::nullopt;  // of many shards each would be waited for
  }
  const net::Exchange exchange =
      dependencies_.fetch(net::PublicUrl::parse(place.url), {kLookLimit, most_at_url(place.file)});
  if (const auto why = silence_of(exchange)) {
    // What is revoked must be published, whoever does not answer.
    tell_unknown(place.url, *why);
    const std::lock_guard lock(mutex_);
    silent_until_ = clock_.since_boot() + kAskAgain;
    return std::nullopt;
  }
  const auto* response = std::get_if<net::Response>(&exchange);
  if (response != nullptr && response->status == kGiven) return to_bytes(response->body);
  if (response == nullptr) {
    tell_unknown(place.url, "what it gives is too large");
  } else if (response->status != kNotFound) {
    tell_unknown(place.url, fmt::format("the server answers with status {}", response->status));
  }
  return std::nullopt;
}

std::optional<Bytes> LocalProvider::put_before(const CrlPlace& place) {
  if (!dependencies_.put || place.put.empty()) return std::nullopt;
  {
    const std::lock_guard lock(mutex_);
    if (clock_.since_boot() < put_silent_until_) return std::nullopt;
  }
  try {
    return dependencies_.put->there(place.put, kLookLimit);
  } catch (const Error& error) {
    tell_unknown(place.put, error.message());
    const std::lock_guard lock(mutex_);
    put_silent_until_ = clock_.since_boot() + kAskAgain;
    return std::nullopt;
  }
}

void LocalProvider::refuse_elsewhere(const std::string& found) const {
  throw Error{
      ErrorKind::conflict,
      fmt::format("{}, and this store knows of no CRL there: the CA {} was elsewhere before", found, settings_.name)}
      .hint(fmt::format("no number was taken; take over what the CA did there: hsmbridge ca adopt {}; where its store "
                        "was lost: hsmbridge ca resume {}",
                        settings_.name, settings_.name));
}

void LocalProvider::expect_newest(const std::string& shard, const std::optional<PublishedCrl>& last) {
  expect_newest(place_of(shard), certificate(), last);
}

void LocalProvider::expect_newest(const CrlPlace& place, const x509::Certificate& issuer,
                                  const std::optional<PublishedCrl>& last) {
  expect_newest_at_url(place, issuer, last);
  if (const auto there = put_before(place)) expect_not_newer(*there, place.put, place, issuer, last);
}

void LocalProvider::expect_newest_at_url(const CrlPlace& place, const x509::Certificate& issuer,
                                         const std::optional<PublishedCrl>& last) {
  if (const auto there = fetched_crl(place)) expect_not_newer(*there, place.url, place, issuer, last);
}

void LocalProvider::expect_not_newer(const Bytes& there, const std::string& url, const CrlPlace& place,
                                     const x509::Certificate& issuer, const std::optional<PublishedCrl>& last) {
  std::uint64_t number = 0;
  Instant this_update{};
  try {
    number = ca::crl_number_of(there, issuer);
    this_update = x509::parse_crl(there).tbs.this_update;
  } catch (const Error& error) {
    if (!last && ca::is_crl_of(there, issuer)) refuse_elsewhere(url + " gives a CRL");
    return tell_unknown(url, error.message());  // not one of this CA
  }
  const std::string digest = hex(sha256(there));
  const auto known = dependencies_.revocations().published_crl(issuer_id(issuer.subject()), number);
  const bool is_known =
      (has_number(known, number) && known->sha256 == digest) || (has_number(last, number) && last->sha256 == digest);
  // Put there by a process that died before it wrote that down: the file is judged before a number is taken.
  if (is_known || holds(place.file, there)) return;
  const bool is_another = has_number(known, number) || has_number(last, number);
  if (!is_another && last && number <= last->number) return;  // an older one, from before it came here
  const std::string gives = fmt::format("{} gives CRL number {} of {}", url, number, rfc3339(this_update));
  if (!last) refuse_elsewhere(gives);
  throw Error{
      ErrorKind::conflict,
      fmt::format("{}, {}: this store is an older copy of itself, or another program publishes there", gives,
                  is_another ? "and this store has given that number to another one"
                             : fmt::format("and the last one that this store knows is number {}", last->number))}
      .hint(fmt::format("no number was taken; stop the other program, and tell this store what the CA did since: "
                        "hsmbridge ca resume {} --crl FILE, with the CRL that is there",
                        settings_.name));
}

void LocalProvider::expect_begun_here(const x509::Certificate& issuer) {
  const std::string id = issuer_id(issuer.subject());
  const auto places = crl_places();
  if (places.empty() || is_begun_) return;
  if (dependencies_.serials().serials_taken(id) > 0) {
    is_begun_ = true;
    return;
  }
  const CrlPlace& place = places.front();
  if (dependencies_.revocations().last_crl(id, place.distribution_point())) return;
  Bytes there;
  try {
    there = read_file(place.file, ca::kLargestCrl);
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::not_found) throw;
  }
  if (ca::is_crl_of(there, issuer)) {
    std::string which = "a CRL";
    try {
      which = fmt::format("CRL number {}", ca::crl_number_of(x509::read_crl(there), issuer));
    } catch (const Error&) {
      which += " without a number";
    }
    std::error_code unknown;
    const bool has_log =
        settings_.serial_log && std::filesystem::file_size(*settings_.serial_log, unknown) > 0 && !unknown;
    throw Error{ErrorKind::conflict, fmt::format("{} holds {} of the CA {}, which this store has not published: it was "
                                                 "elsewhere before",
                                                 place.file.string(), which, settings_.name)}
        .hint(fmt::format("nothing was issued; {}: hsmbridge ca {} {}",
                          has_log ? "it has signed with another store of this program (serial_log)"
                                  : "take over what the CA did there",
                          has_log ? "resume" : "adopt", settings_.name));
  }
  expect_newest(place, issuer, std::nullopt);
}

}  // namespace hsmbridge::local
