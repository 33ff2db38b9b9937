#pragma once

#include "config/settings.h"
#include "service/requests/requests.h"
#include "workflow/ports/store.h"

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

// The certificates that we hold: finding them, listing them, and when each is to be renewed.
namespace hsmbridge::service {

// Which certificate a request stands for: the one that it brought; or also, for a revocation, the one that it revokes.
enum class Meaning { brought, brought_or_revoked };

// The one certificate that was typed: the beginning of its SHA-256 (at least 4 hex digits, lower or upper case), or the
// request that it is known by, by the beginning of its id. Throws not_found, invalid_input, or ambiguous with one
// "candidate" a certificate, also when it is the beginning of a SHA-256 and of the id of a request about another
// certificate.
workflow::CertificateRecord find_certificate(workflow::Store& store, std::string_view typed,
                                             Meaning meaning = Meaning::brought_or_revoked);

// When a certificate's renewal starts by itself: `before` its end; with its last third where that would be in its first
// one. A certificate that came shorter than was asked (its CA ends before it would) must not be renewed as soon as it
// is there, and the next one again. The life of one that is a renewal is counted from when it came, where that is later
// than its first day.
Instant renewal_start(const workflow::CertificateRecord& record, const config::RenewBefore& before);

// What is known of a certificate's renewal.
struct RenewalPlan {
  std::optional<Instant> due;       // when it is made by itself, maybe past; nothing: it is not
  std::optional<RequestId> open;    // under way
  std::optional<RequestId> failed;  // the last one, when it brought nothing; `due` then is when it is tried again
  std::optional<RequestId> done;    // it was renewed
  bool has_profile = true;          // the profile of its request is configured
  bool by_hand = false;             // the last one is quarantined or was given up: none is made by itself
  std::string trouble;              // what a person should know about a renewal that is not made now; "" for nothing
};
// Whether this renewal's certificate took the place of the old one: it is not late, and not quarantined, revoked, about
// to be revoked or on hold.
bool replaced_it(workflow::Records& store, const workflow::Record& renewal);
// `profile`: of the request that brought it, null when it is not configured any more. A renewal that brought nothing is
// not made again sooner than a day later, or an eighth of the time left then, whichever is shorter; after one that
// ended in Abandoned, or while one is Quarantined, none is made by itself.
RenewalPlan plan_renewal(workflow::Store& store, const workflow::CertificateRecord& record,
                         const config::ProfileSettings* profile, Instant now);

// One line of a list.
struct CertificateRow {
  workflow::CertificateRecord record;
  std::string names;  // what was asked for, else the subject
  std::string provider, profile, token, key;
  std::string key_status;  // a word of workflow::status; "" when the records do not know the key
  RenewalPlan renewal;
};
// The certificates that look to be harmed when this one's key is in wrong hands, in words for a person: others for the
// same key, and open requests for it.
std::vector<std::string> shares_key(workflow::Store& store, const workflow::CertificateRecord& record);

CertificateRow row_of(workflow::Store& store, const workflow::CertificateLine& line, const config::Settings& settings,
                      Instant now);
CertificateRow row_of(workflow::Store& store, const workflow::CertificateRecord& record,
                      const config::Settings& settings, Instant now);

// Which certificates to list; every condition that is set must hold.
struct CertificateFilter {
  std::vector<std::string> statuses;  // empty: those that may be in use (no superseded, revoked or expired ones)
  bool all = false;                   // those too
  std::optional<std::string> provider, profile;
  std::optional<std::string> name;  // one of its names, as a person types it
  std::optional<Instant> ends_by;
  std::optional<Instant> since;      // stored then or later
  std::optional<std::string> after;  // as find_certificate takes it: those that come after it in the list
  std::optional<std::size_t> limit;  // at most so many; nothing: all
};
// Shows them a page at a time, those that end first come first, with `since` the newest; the rows have no DER and no
// chain. Throws what find_certificate throws.
ListEnd list_certificates(workflow::Store& store, const config::Settings& settings, const CertificateFilter& filter,
                          Instant now, const std::function<void(const std::vector<CertificateRow>&)>& show);
// The superseded, revoked and expired ones that this list leaves out because nobody asked for them, counted up to
// kMostCounted + 1.
std::size_t past_ones(workflow::Store& store, const CertificateFilter& filter);

// The profile of that name, or null.
const config::ProfileSettings* profile_named(const config::Settings& settings, const std::string& name);

}  // namespace hsmbridge::service
