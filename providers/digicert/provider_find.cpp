#include "base/error.h"
#include "base/log.h"
#include "base/text.h"
#include "providers/bundle.h"
#include "providers/digicert/certificates.h"
#include "providers/digicert/fields.h"
#include "providers/digicert/provider.h"
#include "providers/following.h"
#include "x509/objects/csr.h"
#include "x509/objects/spki.h"

#include <fmt/core.h>

#include <set>

// Looking for a certificate after a lost answer.
namespace hsmbridge::digicert {

using namespace workflow;

namespace {

constexpr std::size_t kSearchPage = 50;
constexpr std::size_t kMostSearchPages = 200;
// Where a search index usually stops counting: a total of so many may be one of any size.
constexpr std::size_t kUsualCap = 10'000;
// Items without their certificate, each of which costs a call.
constexpr std::size_t kMostAskedFor = 500;
// How far a CA may date a certificate back.
constexpr Duration kDatedBack = std::chrono::hours{48};

const char* const kByHand =
    "look into the console of Trust Lifecycle Manager, then `hsmbridge request resolve ID` with --serial NUMBER, "
    "--reference REQUEST_ID, --certificate FILE or --not-there";

Report found_as(Pinned pinned, const std::string& serial, ByteView certificate) {
  pinned.serial = serial;
  Report report;
  report.status = RequestStatus::handed_out;
  report.provider_status = "ISSUED";
  report.provider_state = to_text(pinned);
  report.reference = ProviderReference("serial:" + serial);
  report.message = "found by its key as certificate " + serial;
  const std::string text = base64(certificate);
  report.result = result_of(text, Json::object({{"serial_number", serial}, {"certificate", text}}).dump());
  return report;
}

// A search by name and status may be refused or misunderstood where one of the whole seat is not.
bool is_about_the_filter(const Error& error) {
  // A page of something before the service (a filter for web traffic) may dislike the words of the search too.
  return error.kind() == ErrorKind::invalid_input || error.kind() == ErrorKind::corrupt ||
         error.detail("http") == "400";
}

// Whether the key was born for this very order: then no certificate for it can be older than the order.
bool key_is_new(const ProviderCall& call) {
  return call.order.enrolment()->key.source == KeyWish::Source::make;
}

}  // namespace

struct DigicertProvider::Search {
  struct Match {
    CertificateDetails details;
    x509::Certificate certificate;
  };
  std::vector<Match> ours;       // with our key, and made for this order
  std::vector<Match> ambiguous;  // with our key, and possibly older than this order
  bool complete = true;          // every certificate of the search was seen and could be compared
};

// All pages. What makes a match ours is an equal public key, that our store does not have it as another request's
// answer, and either
// - that key was born for this order, so that no certificate for it can be older, or
// - the certificate says what was asked, and its notBefore is not before our draft was built. An answer to an earlier
//   request for the same was dated before that (there is never more than one open request for the same certificate and
//   key), unless the service's clock is ahead of ours by more than the time between the two.
// Everything else with our key is ambiguous (a CA may date back; another request for other names may be open), and a
// person decides; only what is dated days before the draft is certainly older. The certificate that a renewal replaces
// is known and never the answer.
DigicertProvider::Search DigicertProvider::search(const ProviderCall& call, const SearchFilter& filter,
                                                  Duration limit) {
  const Duration end = clock_.since_boot() + limit;
  const x509::Csr csr = x509::parse_csr(call.draft.csr);
  const Bytes& spki = csr.spki;
  const x509::Content& asked = csr.content;
  const Instant built = std::chrono::floor<std::chrono::seconds>(call.draft.built_at);
  Search result;
  std::set<std::string> seen;
  std::size_t asked_for = 0;
  const auto left = [&] {
    const Duration rest = end - clock_.since_boot();
    if (rest > Duration::zero()) return rest;
    throw Error{ErrorKind::unavailable,
                fmt::format("the search among the certificates of seat {} did not end in time: {} were read",
                            filter.seat, seen.size())}
        .hint("a longer `time_limit` of the provider may help");
  };
  const auto judge = [&](const CertificateDetails& details) {
    std::string text = details.certificate;
    if (text.empty()) {
      if (++asked_for > kMostAskedFor) throw Error{ErrorKind::corrupt, "too many items come without their certificate"};
      text = client_->certificate(details.serial, details.thumbprint, left()).details.certificate;
    }
    std::vector<x509::Certificate> all = providers::parsed(certificates_in(text));
    x509::Certificate certificate = std::move(all[leaf_among(all, spki, details.serial)]);
    if (!same_serial(serial_text(certificate.serial()), details.serial)) {
      throw Error{ErrorKind::corrupt, "none of its certificates has its number"};
    }
    if (!x509::same_key(certificate.spki(), spki)) return;
    if (call.order.predecessor() && equal(certificate.der, call.order.predecessor()->der)) return;
    if (call.answers_another && call.answers_another(certificate.der)) return;
    const Instant not_before = certificate.tbs.validity.not_before;
    if (key_is_new(call) || (not_before >= built && same_names(certificate.content(), asked))) {
      result.ours.push_back({details, std::move(certificate)});
    } else if (not_before >= built - kDatedBack) {
      result.ambiguous.push_back({details, std::move(certificate)});
    }
  };
  std::size_t offset = 0;
  for (std::size_t page = 0; page < kMostSearchPages; ++page) {
    const SearchPage read = client_->search(filter, offset, kSearchPage, left());
    result.complete = result.complete && read.items.size() == read.entries;
    const std::size_t before = seen.size();
    for (const CertificateDetails& details : read.items) {
      if (!seen.insert(lower(details.serial) + "/" + details.thumbprint).second) continue;
      try {
        judge(details);
      } catch (const Error& error) {
        if (error.kind() == ErrorKind::unavailable) throw;
        log::debug(fmt::format("provider {}: certificate {} cannot be compared: {}", settings_.name, details.serial,
                               error.message()));
        result.complete = false;
      }
    }
    offset += read.entries;
    // With a total the end is where so many are read; without one, an empty page is. Pages that repeat what was there
    // (the list moved, or the server does not page) have hidden something else.
    const bool ends = read.entries == 0 || (read.total && offset >= static_cast<std::size_t>(*read.total));
    const bool repeats = !ends && seen.size() == before;
    if (!ends && !repeats) continue;
    const bool all_seen = !read.total || seen.size() >= static_cast<std::size_t>(*read.total);
    result.complete = result.complete && !repeats && all_seen && offset < kUsualCap;
    return result;
  }
  result.complete = false;
  return result;
}

std::optional<Report> DigicertProvider::found_by_key(const ProviderCall& call, Duration limit) {
  const Pinned pinned = pinned_for(call);
  const std::string common_name = common_name_of(x509::parse_csr(call.draft.csr).content);
  const Search found = search(call, {pinned.seat, common_name, "issued"}, limit);
  if (found.ours.size() != 1 || !found.ambiguous.empty()) return std::nullopt;
  return found_as(pinned, found.ours.front().details.serial, found.ours.front().certificate.der);
}

LookUpAnswer DigicertProvider::look_up(const ProviderCall& call) {
  if (call.order.kind() == Kind::revoke) return look_up_revocation(call);
  try {
    return look_up_certificate(call);
  } catch (const Error& error) {
    // Trouble passes, and a refused key may be renewed. A search that we may not make will not be allowed automatically.
    const std::string_view http = error.detail("http");
    const bool foreign_no = http == "400" || http == "409" || http == "410" || http == "422";
    if ((error.kind() == ErrorKind::unavailable && !foreign_no) || http == "401") throw;
    return CannotTell{fmt::format("the search for it failed: {}; {}", error.message(), kByHand)};
  }
}

LookUpAnswer DigicertProvider::look_up_certificate(const ProviderCall& call) {
  const Duration end = clock_.since_boot() + call.time_limit;
  const auto left = [&] { return end - clock_.since_boot(); };
  try {
    if (auto report = found_by_key(call, call.time_limit / 3)) return Found{std::move(*report)};
  } catch (const Error& error) {
    if (!is_about_the_filter(error)) throw;
    log::debug(fmt::format("provider {}: {}", settings_.name, error.message()));
  }
  const Pinned pinned = pinned_for(call);
  const Profile now = profile(pinned.profile, Freshness::read_now, left() / 4);
  // The whole seat, whatever its status and name: the service may build the common name otherwise than we asked, and a
  // revoked certificate is one too.
  const Search found = search(call, {pinned.seat, "", ""}, left());
  if (found.ours.size() == 1 && found.ambiguous.empty() && found.complete &&
      found.ours.front().details.status == "issued") {
    return Found{found_as(pinned, found.ours.front().details.serial, found.ours.front().certificate.der)};
  }
  const auto cannot_tell = [](const std::string& why) { return CannotTell{fmt::format("{}; {}", why, kByHand)}; };
  if (!found.ours.empty() || !found.ambiguous.empty()) {
    std::vector<std::string> list;
    for (const auto* matches : {&found.ours, &found.ambiguous}) {
      for (const Search::Match& one : *matches) {
        list.push_back(fmt::format("{} ({}, from {})", one.details.serial, one.details.status,
                                   rfc3339(one.certificate.tbs.validity.not_before)));
      }
    }
    return cannot_tell(
        "certificates with this key are there, and which of them answers this request, if any, is not "
        "certain: " +
        joined(list));
  }
  if (!found.complete) {
    return cannot_tell(
        fmt::format("DigiCert's search for the certificates of seat {} could not be read completely", pinned.seat));
  }
  const std::string nothing = "no certificate with this key is there, which proves nothing: ";
  if (!issues_at_once(now)) {
    return cannot_tell(nothing + fmt::format("the profile \"{}\" issues after {}, and DigiCert has no search for "
                                             "pending requests",
                                             now.name, what_is_awaited(&now)));
  }
  if (!pinned.issued_at_once) {
    return cannot_tell(nothing + fmt::format("it is not known that the profile \"{}\" issued at once when this was "
                                             "ordered, and DigiCert has no search for pending requests",
                                             now.name));
  }
  const unsigned refused = remembered_from(call.remembered).refused;
  // An earlier attempt's certificate may be what this one was refused for as a duplicate, and not be in the index yet.
  if (call.attempt > 1 + refused && !now.duplicates_allowed.value_or(false)) {
    return cannot_tell(
        fmt::format("no certificate with this key is there, and it was ordered {} times under the "
                    "profile \"{}\", which may refuse duplicates of one that the search does not show "
                    "yet",
                    call.attempt, now.name));
  }
  const std::string here = pinned.account.empty() ? "" : client_->account(Duration::zero(), left());
  if (const std::string why = providers::seen_by_another("DigiCert", here, pinned.account); !why.empty()) {
    return cannot_tell(nothing + why);
  }
  return Absent{};
}

}  // namespace hsmbridge::digicert
