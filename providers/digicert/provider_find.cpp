#include "base/error.h"
#include "base/log.h"
#include "providers/digicert/certificates.h"
#include "providers/digicert/fields.h"
#include "providers/digicert/provider.h"
#include "x509/csr.h"
#include "x509/name.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

// Asking the service about what was ordered there.
namespace hsmbridge::digicert {

using namespace workflow;

namespace {

constexpr std::string_view kSerialReference = "serial:";
constexpr std::size_t kSearchPage = 50;
constexpr std::size_t kMostSearchPages = 200;

const char* const kByHand =
    "look into the console of Trust Lifecycle Manager, then `hsmbridge request resolve ID` with --reference REQUEST_ID "
    "(or --reference serial:SERIAL_NUMBER), --certificate FILE or --not-there";

// Status of a pick-up, in upper case, and what it means. PENDING and ISSUED are in the service's own client; the others
// are its words for enrolments, and a rejection is shown nowhere: several spellings are listened for.
struct StatusRow {
  std::string_view status;
  Standing standing;
};
constexpr StatusRow kStatuses[] = {
    {"PENDING", Standing::awaiting_approval},
    {"CREATED", Standing::awaiting_approval},
    {"PENDING_APPROVAL", Standing::awaiting_approval},
    {"PENDING_SECOND_APPROVAL", Standing::awaiting_approval},
    {"IN_PROGRESS", Standing::awaiting_issuance},
    {"PROCESSING", Standing::awaiting_issuance},
    {"APPROVED", Standing::awaiting_issuance},
    {"REJECTED", Standing::rejected},
    {"DENIED", Standing::rejected},
    {"DECLINED", Standing::rejected},
    {"EXPIRED", Standing::expired},
    {"CANCELLED", Standing::cancelled},
    {"CANCELED", Standing::cancelled},
    {"FAILED", Standing::failed},
    {"LOCKED", Standing::failed},
};
Standing standing_of(std::string_view status) {
  for (const StatusRow& row : kStatuses)
    if (row.status == status) return row.standing;
  return Standing::unrecognised;
}

// A final word that comes as a refusal of the pick-up: part of the code, in lower case.
struct FinalCode {
  std::string_view part;
  Standing standing;
};
constexpr FinalCode kFinalCodes[] = {
    {"rejected", Standing::rejected}, {"denied", Standing::rejected},     {"declined", Standing::rejected},
    {"expired", Standing::expired},   {"cancelled", Standing::cancelled}, {"canceled", Standing::cancelled},
};
// "access_denied" is about our credentials.
std::optional<Standing> final_word(const Error& error) {
  if (error.detail("http") != "400" && error.detail("http") != "409" && error.detail("http") != "422")
    return std::nullopt;
  const std::string code = lower(error.detail("code"));
  for (const FinalCode& row : kFinalCodes)
    if (code.find(row.part) != std::string::npos && code.find("access") == std::string::npos) return row.standing;
  return std::nullopt;
}

std::string said(const CertificateAnswer& answer) {
  return x509::printable(answer.message.substr(0, 500));
}

Handout handout_of(const std::string& certificate, const std::string& body) {
  return {Handout::Content::certificate, to_bytes(certificate), to_bytes(body)};
}

const Submission& submission_of(const ProviderCall& call) {
  if (call.submission == nullptr || call.submission->reference.empty())
    throw Error(ErrorKind::internal, "DigiCert was asked about a request without its reference");
  return *call.submission;
}

Pinned pinned_of(const ProviderCall& call, const Settings& settings) {
  Pinned pinned;
  if (call.submission != nullptr) pinned = pinned_from(call.submission->provider_state);
  // Without a state of ours (a person resolved it by its reference) the configuration as it is now must do.
  if (pinned.profile.empty()) pinned.profile = settings.profile;
  return pinned;
}

// Whether the key was born for this very order: then no certificate for it can be older than the order.
bool key_is_new(const ProviderCall& call) {
  return call.order.key.source == KeyWish::Source::make;
}

}  // namespace

// ---- by serial number -----------------------------------------------------------------------------------------------

Report DigicertProvider::by_serial(const ProviderCall& call, const std::string& serial, Duration limit) {
  Report report;
  try {
    const Client::Details found = client_->certificate(serial, "", limit);
    Pinned pinned = pinned_of(call, settings_);
    pinned.serial = found.details.serial;
    report.provider_status = upper(found.details.status);
    if (!same_serial(found.details.serial, serial))
      throw Error(ErrorKind::corrupt, fmt::format("DigiCert was asked for certificate {} and answered with {}", serial,
                                                  found.details.serial));
    if (found.details.certificate.empty()) {
      report.standing = Standing::unrecognised;
      report.progress.note = "DigiCert knows the certificate " + serial + " and does not show it";
      return report;
    }
    if (found.details.status == "revoked" || found.details.status == "suspended") {
      // It exists and is of no use; a suspended one may be resumed.
      report.standing = found.details.status == "revoked" ? Standing::failed : Standing::unrecognised;
      report.message = fmt::format("certificate {} was issued and is {} there", serial, found.details.status);
      report.progress.note = report.message;
      return report;
    }
    report.provider_state = to_text(pinned);
    report.standing = Standing::handed_out;
    report.handout = handout_of(found.details.certificate, found.body);
    return report;
  } catch (const Error& error) {
    if (!says_not_there(error)) throw;
    report.standing = Standing::gone;
    report.provider_status = "unknown there";
    report.message = error.message();
    return report;
  }
}

// ---- by key ---------------------------------------------------------------------------------------------------------

struct DigicertProvider::Search {
  struct Match {
    CertificateDetails details;
    x509::Certificate certificate;
  };
  std::vector<Match> ours;       // with our key, and made for this order
  std::vector<Match> ambiguous;  // with our key, and possibly older than this order
  bool complete = true;          // every certificate of the search was seen and could be compared
};

// All pages. What makes a match ours without asking our own store which serial numbers it knows: an equal public key,
// and either
// - that key was born for this order, so that no certificate for it can be older, or
// - the certificate says what was asked, and its notBefore is not before our draft was built. An answer to an earlier
//   request for the same was dated before that (there is never more than one open request for the same certificate and
//   key), unless the service's clock is ahead of ours by more than the time between the two.
// Everything else with our key is ambiguous (a CA may date back; another request for other names may be open), and a
// person decides; only what is dated days before the draft is certainly older. The certificate that a renewal replaces
// is known and never the answer.
DigicertProvider::Search DigicertProvider::search(const ProviderCall& call, const SearchFilter& filter,
                                                  Duration limit) {
  constexpr Duration kDatedBack = std::chrono::hours{48};
  const Duration end = clock_.since_boot() + limit;
  const x509::Csr csr = x509::parse_csr(call.draft.csr);
  const Bytes& spki = csr.spki;
  const x509::Content& asked = csr.content;
  const Instant built = std::chrono::floor<std::chrono::seconds>(call.draft.built_at);
  Search result;
  std::set<std::string> seen;
  const auto judge = [&](const CertificateDetails& details) {
    std::string text = details.certificate;
    if (text.empty())
      text = client_->certificate(details.serial, details.thumbprint, end - clock_.since_boot()).details.certificate;
    x509::Certificate certificate = x509::parse_certificate(certificates_in(text).front());
    if (!equal(certificate.spki(), spki)) return;
    if (call.order.predecessor && equal(certificate.der, call.order.predecessor->der)) return;
    const Instant not_before = certificate.tbs.validity.not_before;
    if (key_is_new(call) || (not_before >= built && same_names(certificate.content(), asked)))
      result.ours.push_back({details, std::move(certificate)});
    else if (not_before >= built - kDatedBack)
      result.ambiguous.push_back({details, std::move(certificate)});
  };
  std::size_t offset = 0;
  for (std::size_t page = 0; page < kMostSearchPages; ++page) {
    const SearchPage read = client_->search(filter, offset, kSearchPage, end - clock_.since_boot());
    result.complete = result.complete && read.items.size() == read.entries;
    for (const CertificateDetails& details : read.items) {
      if (!seen.insert(details.serial + "/" + details.thumbprint).second) continue;
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
    // Without a total an empty page is the end; with one, an empty page before it means that something is missing.
    const bool all = read.total && offset >= static_cast<std::size_t>(*read.total);
    if (all) return result;
    if (read.entries == 0) {
      result.complete = result.complete && !read.total;
      return result;
    }
  }
  result.complete = false;
  return result;
}

std::optional<Report> DigicertProvider::found_by_key(const ProviderCall& call, Duration limit) {
  const std::string common_name = common_name_of(x509::parse_csr(call.draft.csr).content);
  Pinned pinned = pinned_of(call, settings_);
  if (pinned.seat.empty()) pinned.seat = seat_for(settings_, common_name);
  const Search found = search(call, {pinned.seat, common_name, "issued"}, limit);
  if (found.ours.size() != 1 || !found.ambiguous.empty()) return std::nullopt;
  const CertificateDetails& details = found.ours.front().details;
  pinned.serial = details.serial;
  Report report;
  report.standing = Standing::handed_out;
  report.provider_status = "ISSUED";
  report.provider_state = to_text(pinned);
  report.message = "found by its key as certificate " + details.serial;
  const std::string pem = base64(found.ours.front().certificate.der);
  report.handout = handout_of(pem, Json::object({{"serial_number", details.serial}, {"certificate", pem}}).dump());
  return report;
}

LookUpAnswer DigicertProvider::look_up(const ProviderCall& call) {
  if (call.order.kind == Kind::revoke) return look_up_revocation(call);
  try {
    return look_up_certificate(call);
  } catch (const Error& error) {
    // Trouble passes, and a refused key may be renewed. A search that we may not make will not be allowed by itself.
    if (error.kind() == ErrorKind::unavailable || error.detail("http") == "401") throw;
    return CannotTell{fmt::format("the search for it failed: {}; {}", error.message(), kByHand)};
  }
}

LookUpAnswer DigicertProvider::look_up_certificate(const ProviderCall& call) {
  const Duration end = clock_.since_boot() + call.time_limit;
  const auto left = [&] { return end - clock_.since_boot(); };
  if (auto report = found_by_key(call, call.time_limit / 3)) {
    report->reference = ProviderReference("serial:" + pinned_from(report->provider_state).serial);
    return Found{std::move(*report)};
  }
  const Profile now = profile(Freshness::any, left() / 4);
  // The whole seat, whatever its status and name: the service may build the common name otherwise than we asked, and a
  // certificate that was revoked since is one all the same.
  const std::string seat = seat_for(settings_, common_name_of(x509::parse_csr(call.draft.csr).content));
  const Search found = search(call, {seat, "", ""}, left());
  if (!found.ours.empty() || !found.ambiguous.empty()) {
    std::string list;
    for (const auto* matches : {&found.ours, &found.ambiguous})
      for (const Search::Match& one : *matches)
        list += fmt::format("{}{} ({}, from {})", list.empty() ? "" : ", ", one.details.serial, one.details.status,
                            rfc3339(one.certificate.tbs.validity.not_before));
    return CannotTell{
        fmt::format("certificates with this key are there, and which of them answers this request, if any, "
                    "is not certain: {}; {}",
                    list, kByHand)};
  }
  if (!found.complete)
    return CannotTell{fmt::format("DigiCert's search for the certificates of seat {} could not be read completely; {}",
                                  seat, kByHand)};
  if (!issues_at_once(now))
    return CannotTell{
        fmt::format("no certificate with this key is there, which proves nothing: the profile \"{}\" issues "
                    "after {}, and DigiCert has no search for pending requests; {}",
                    now.name, what_is_awaited(&now), kByHand)};
  return Absent{};
}

// ---- poll, retrieve -------------------------------------------------------------------------------------------------

Report DigicertProvider::poll(const ProviderCall& call) {
  if (call.order.kind == Kind::revoke) return revocation_standing(call);
  const Submission& submission = submission_of(call);
  const std::string& reference = submission.reference.str();
  if (reference.starts_with(kSerialReference))
    return by_serial(call, reference.substr(kSerialReference.size()), call.time_limit);

  Pinned pinned = pinned_of(call, settings_);
  Report report;
  try {
    Client::Pickup picked = client_->pick_up(reference, pinned.profile, call.time_limit / 2);
    const CertificateAnswer& answer = picked.answer;
    report.retry_after = picked.retry_after;
    report.provider_status = x509::printable(answer.status.substr(0, 100));
    report.message = said(answer);
    if (answer.issued()) {
      report.standing = Standing::handed_out;
      if (report.provider_status.empty()) report.provider_status = "ISSUED";
      pinned.serial = answer.serial;
      report.provider_state = to_text(pinned);
      report.handout = handout_of(answer.certificate, picked.body);
      return report;
    }
    if (!answer.serial.empty()) {
      // Issued, says the number; the certificate itself is asked for.
      report.standing = Standing::ready;
      pinned.serial = answer.serial;
      report.provider_state = to_text(pinned);
      return report;
    }
    report.standing = standing_of(answer.status);
    if (answer.status.empty()) report.provider_status = "(no status)";
    const std::optional<Profile> known = known_profile();
    const bool same = known && lower(known->id) == lower(pinned.profile);
    if (report.standing == Standing::awaiting_approval)
      report.progress.note = fmt::format("it waits for {}", what_is_awaited(same ? &*known : nullptr));
    // "ISSUED" with nothing beside it is recorded and waited on: it is no certificate, and no refusal either.
    if (report.standing == Standing::unrecognised)
      report.progress.note = fmt::format("DigiCert says '{}' and gives no certificate", report.provider_status);
    return report;
  } catch (const Error& error) {
    if (const std::optional<Standing> word = final_word(error)) {
      report.standing = *word;
      report.provider_status = std::string(error.detail("code"));
      report.message = error.message();
      return report;
    }
    if (!says_not_there(error)) throw;
    // Gone: or picked up already by a poll whose answer was lost. The certificate would be there.
    if (auto found = found_by_key(call, call.time_limit / 2)) return std::move(*found);
    report.standing = Standing::gone;
    report.provider_status = "unknown there";
    report.message = error.message();
    return report;
  }
}

Report DigicertProvider::retrieve(const ProviderCall& call) {
  if (call.order.kind == Kind::revoke) return revocation_standing(call);
  const Pinned pinned = pinned_of(call, settings_);
  return pinned.serial.empty() ? poll(call) : by_serial(call, pinned.serial, call.time_limit);
}

// ---- read -----------------------------------------------------------------------------------------------------------

namespace {

// What was handed out, from the whole body; from the certificate alone where a person brought it.
CertificateAnswer answer_in(const Handout& handout) {
  try {
    CertificateAnswer answer = certificate_answer_from(as_text(handout.raw));
    if (!answer.certificate.empty()) return answer;
  } catch (const Error&) {
    // no body of this service
  }
  CertificateAnswer answer;
  answer.certificate = hsmbridge::to_text(handout.result);
  return answer;
}

std::vector<x509::Certificate> parsed(const std::vector<Bytes>& ders) {
  std::vector<x509::Certificate> certificates;
  try {
    for (const Bytes& der : ders) certificates.push_back(x509::parse_certificate(der));
  } catch (const Error& error) {
    throw Error(ErrorKind::corrupt, "a certificate that DigiCert handed out cannot be read: " + error.message());
  }
  return certificates;
}

void append(std::vector<x509::Certificate>& to, std::vector<x509::Certificate> more) {
  for (x509::Certificate& one : more) to.push_back(std::move(one));
}

}  // namespace

// Every certificate of GET …/additional-formats, whatever their order. Throws unavailable; any other trouble means that
// there are none: the check of the certificate says whether the chain is enough.
std::vector<x509::Certificate> DigicertProvider::issuers_from_service(const std::string& serial, Duration limit) {
  std::vector<x509::Certificate> found;
  try {
    const AdditionalFormats formats = client_->additional_formats(serial, limit);
    for (const std::string& text : formats.chain) append(found, parsed(certificates_in(text)));
    if (!formats.pkcs7.empty()) append(found, parsed(certificates_in(formats.pkcs7)));
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::unavailable) throw;
    log::warning(fmt::format("provider {}: the chain of certificate {} cannot be had: {}", settings_.name, serial,
                             error.message()));
  }
  return found;
}

Issued DigicertProvider::read(const ProviderCall& call, const Handout& handout) {
  const CertificateAnswer answer = answer_in(handout);
  std::vector<x509::Certificate> all = parsed(certificates_of(answer));
  const Bytes spki = call.draft.csr.empty() ? Bytes{} : x509::parse_csr(call.draft.csr).spki;
  const std::size_t at = leaf_among(all, spki, answer.serial);
  const x509::Certificate leaf = std::move(all[at]);
  all.erase(all.begin() + static_cast<std::ptrdiff_t>(at));
  const std::string serial = serial_text(leaf.serial());
  if (!answer.serial.empty() && !same_serial(answer.serial, serial))
    throw Error(ErrorKind::corrupt,
                fmt::format("DigiCert handed out certificate {} under the serial number {}", serial, answer.serial));
  append(all, chain_);
  if (!reaches_a_root(leaf, all))
    append(all, issuers_from_service(answer.serial.empty() ? serial : answer.serial, call.time_limit));
  return {leaf.der, chain_from(leaf, all)};
}

}  // namespace hsmbridge::digicert
