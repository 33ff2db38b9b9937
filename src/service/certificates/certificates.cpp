#include "service/certificates/certificates.h"

#include "base/error.h"
#include "service/certificates/renewal.h"
#include "service/requests/request_id.h"
#include "service/requests/requests.h"
#include "workflow/machine/lifecycle.h"

#include <fmt/core.h>

#include <algorithm>
#include <limits>
#include <utility>

namespace hsmbridge::service {

namespace {

namespace status = workflow::status;

constexpr std::size_t kLeastPrefix = 4;
constexpr unsigned kMostCertificates = 10;
constexpr Duration kLongestPause = std::chrono::hours{24};
constexpr int kPauseParts = 8;  // of the time left
constexpr int kThirds = 3;      // of a life
constexpr std::size_t kShownDigits = 12;

// Statuses of certificates that are history.
const std::vector<std::string>& past_statuses() {
  static const std::vector<std::string> kPast{status::kSuperseded, status::kRevoked, status::kExpired};
  return kPast;
}

bool is_among(const std::vector<std::string>& words, const std::string& word) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

// As the store writes it, or nothing when it is no beginning of a SHA-256.
std::optional<std::string> fingerprint_prefix(std::string_view typed) {
  std::string prefix;
  for (const char c : typed) {
    if (c == ':') continue;  // as openssl prints fingerprints
    prefix += static_cast<char>(c >= 'A' && c <= 'F' ? c - 'A' + 'a' : c);
  }
  if (prefix.size() < kLeastPrefix || prefix.size() > 64) return std::nullopt;
  if (prefix.find_first_not_of("0123456789abcdef") != std::string::npos) return std::nullopt;
  return prefix;
}

[[noreturn]] void refuse_ambiguous(const std::vector<workflow::CertificateRecord>& found, std::string_view typed) {
  Error error{ErrorKind::ambiguous,
              fmt::format("{}{} certificates begin with {}", found.size() > kMostCertificates ? "more than " : "",
                          std::min<std::size_t>(found.size(), kMostCertificates), typed)};
  for (std::size_t i = 0; i < found.size() && i < kMostCertificates; ++i) {
    error.with("candidate",
               fmt::format("{} {} {}", found[i].fingerprint.substr(0, 16), found[i].status, found[i].subject));
  }
  throw error.hint("type more of the SHA-256");
}

Error no_such_certificate(std::string_view typed) {
  return Error{ErrorKind::not_found, fmt::format("there is no certificate {}", typed)}.hint(
      "`hsmbridge cert list --all` shows every certificate; name one by the beginning of its SHA-256, or by the "
      "request that brought it");
}

workflow::CertificateRecord certificate_of_request(workflow::Store& store, std::string_view typed, Meaning meaning) {
  std::optional<RequestId> id;
  try {
    id = find_request(store, typed);
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::ambiguous) throw;
    throw no_such_certificate(typed);
  }
  workflow::CertificateQuery query;
  query.request = *id;
  const auto brought = store.certificates(query);
  // A wrong one, which was quarantined, and the right one.
  if (brought.size() > 1) refuse_ambiguous(brought, typed);
  if (!brought.empty()) return brought.front();
  // A revocation brings none, and is about one. A renewal that brought none does not stand for what it was to replace.
  const auto record = store.find(*id);
  const auto* revocation = record ? record->order.revocation() : nullptr;
  if (revocation != nullptr && meaning == Meaning::brought_or_revoked) {
    if (auto about = store.certificate(revocation->predecessor.certificate)) return std::move(*about);
  }
  throw Error{ErrorKind::not_found, fmt::format("request {} has brought no certificate", id->str())}.hint(
      fmt::format("`hsmbridge request explain {}` says where it stands", id->str()));
}

// Hex digits may begin the id of a request as well: what was meant is asked, before the wrong one is revoked.
void refuse_other_meaning(workflow::Store& store, const workflow::CertificateRecord& record, std::string_view typed) {
  constexpr std::size_t kLongestId = 16;
  if (typed.size() > kLongestId || typed.find(':') != std::string_view::npos) return;
  std::vector<workflow::CertificateRecord> meant{record};
  for (const auto& id : store.by_prefix(request_prefix(typed), kMostCertificates)) {
    workflow::CertificateQuery query;
    query.request = id;
    for (auto& brought : store.certificates(query)) {
      if (brought.fingerprint != record.fingerprint) meant.push_back(std::move(brought));
    }
  }
  if (meant.size() > 1) refuse_ambiguous(meant, fmt::format("{}, or were issued for a request whose id does", typed));
}

bool is_open(const workflow::Record& record) {
  return !workflow::is_final(workflow::name_of(record.state));
}

// The renewal that a plan says brought nothing: the last one that ended, leaving out those whose end a clock that was
// ahead put into the future, unless there are no others.
class LastFailed {
 public:
  explicit LastFailed(Instant now) : now_(now) {}
  void see(const workflow::Record& request) {
    const bool past = request.changed_at <= now_;
    if (last_ && (!past || (past_ && request.changed_at <= last_->changed_at))) return;
    past_ = past;
    last_ = request;
  }
  const std::optional<workflow::Record>& request() const { return last_; }
  // When it ended, where that can be believed.
  std::optional<Instant> ended() const { return past_ ? std::optional{last_->changed_at} : std::nullopt; }

 private:
  Instant now_;
  std::optional<workflow::Record> last_;
  bool past_ = false;
};

// Why no renewal follows by itself upon one that ended like this: each would order once more, for a new key, what may
// exist at the provider.
std::string_view held_back_by(const workflow::State& state) {
  if (std::holds_alternative<workflow::Abandoned>(state)) return "was given up, and its certificate may exist";
  return {};
}

// It came when the next one was due by its dates: that would follow at once, and so on.
bool came_due(const workflow::CertificateRecord& record, const config::RenewBefore& before) {
  workflow::CertificateRecord first = record;
  first.predecessor.clear();
  return !record.predecessor.empty() && renewal_start(first, before) <= record.stored_at;
}

}  // namespace

workflow::CertificateRecord find_certificate(workflow::Store& store, std::string_view typed, Meaning meaning) {
  if (const auto prefix = fingerprint_prefix(typed)) {
    workflow::CertificateQuery query;
    query.prefix = *prefix;
    query.most = kMostCertificates + 1;
    auto found = store.certificates(query);
    if (found.size() > 1) refuse_ambiguous(found, *prefix);
    if (found.size() == 1) {
      refuse_other_meaning(store, found.front(), typed);
      return std::move(found.front());
    }
  }
  return certificate_of_request(store, typed, meaning);
}

bool replaced_it(workflow::Records& store, const workflow::Record& renewal) {
  const auto* completed = std::get_if<workflow::Completed>(&renewal.state);
  if (completed == nullptr || completed->late) return false;
  const auto successor = store.certificate(completed->certificate);
  static const std::vector<std::string> kUnfit{status::kRevoking, status::kRevoked, status::kHeld,
                                               status::kQuarantined};
  return !successor || !is_among(kUnfit, successor->status);
}

Instant renewal_start(const workflow::CertificateRecord& record, const config::RenewBefore& before) {
  Instant begin = record.not_before;
  // What came long after its first day (a reissue with the dates of the old one) is as young as the day it came.
  if (!record.predecessor.empty() && record.stored_at < record.not_after) begin = std::max(begin, record.stored_at);
  const Duration life = std::max(record.not_after - begin, Duration::zero());
  const Duration wanted = before.percent > 0 ? life * before.percent / 100 : before.time;
  return record.not_after - (wanted <= life * 2 / kThirds ? wanted : life / kThirds);
}

RenewalPlan plan_renewal(workflow::Store& store, const workflow::CertificateRecord& record,
                         const config::ProfileSettings* profile, Instant now) {
  RenewalPlan plan;
  plan.has_profile = profile != nullptr;
  LastFailed last(now);
  for (const auto& request : store.requests_about(record.fingerprint)) {
    if (request.order.kind() != workflow::Kind::renew) continue;
    if (is_open(request)) {
      plan.open = request.order.id;
      if (std::holds_alternative<workflow::Quarantined>(request.state)) {
        plan.by_hand = true;
        plan.trouble =
            fmt::format("renewal {} brought a certificate that is not what was asked: hsmbridge request explain {}",
                        request.order.id.str(), request.order.id.str());
      }
    }
    if (replaced_it(store, request)) {
      if (!plan.done) plan.done = request.order.id;
    } else if (!is_open(request)) {
      last.see(request);
    }
  }
  if (last.request() && !plan.done && !plan.open) plan.failed = last.request()->order.id;
  if (record.status != status::kCurrent || plan.open || plan.done || profile == nullptr || !profile->renew_before) {
    return plan;
  }
  plan.due = renewal_start(record, *profile->renew_before);
  if (const auto words = plan.failed ? held_back_by(last.request()->state) : ""; !words.empty()) {
    if (*plan.due <= now) {
      plan.trouble = fmt::format("renewal {} {}: the next one is left to `hsmbridge cert renew {}`", plan.failed->str(),
                                 words, record.fingerprint.substr(0, kShownDigits));
    }
    plan.due.reset();
    plan.by_hand = true;
    return plan;
  }
  if (const auto ended = last.ended(); plan.failed && ended) {
    const Duration left = std::max(record.not_after - *ended, Duration::zero());
    plan.due = std::max(*plan.due, *ended + std::min(kLongestPause, left / kPauseParts));
  }
  if (*plan.due <= now && is_of_brought_csr(store, record)) {
    plan.trouble = fmt::format("its CSR was brought, and only the holder of the key can make a new one: {}",
                               needs_new_csr(record).hint());
    plan.due.reset();
    plan.by_hand = true;
    return plan;
  }
  // It has the CA above sign, maybe a root: a person decides when.
  if (*plan.due <= now && is_of_authority(store, record)) {
    plan.trouble = fmt::format("it is a CA's, and no timer renews that: hsmbridge cert renew {} --same-key",
                               record.fingerprint.substr(0, kShownDigits));
    plan.due.reset();
    plan.by_hand = true;
    return plan;
  }
  if (*plan.due > now && came_due(record, *profile->renew_before)) {
    plan.trouble = fmt::format("it was due when it came: its provider gives no more time; it is renewed again at {}",
                               rfc3339(std::chrono::time_point_cast<std::chrono::seconds>(*plan.due)));
  }
  return plan;
}

std::vector<std::string> shares_key(workflow::Store& store, const workflow::CertificateRecord& record) {
  std::vector<std::string> words;
  workflow::CertificateQuery query;
  query.spki = record.spki;
  for (const auto& other : store.certificates(query)) {
    const bool over =
        other.status == status::kRevoked || other.status == status::kRevoking || other.status == status::kExpired;
    if (over || other.fingerprint == record.fingerprint) continue;
    words.push_back(fmt::format("certificate {} ({}) is for the same key: hsmbridge cert revoke {}",
                                other.fingerprint.substr(0, 12), other.status, other.fingerprint.substr(0, 12)));
  }
  // Renewals of it that keep its key, and orders for that key by any other name.
  std::vector<workflow::Record> requests;
  for (const SpkiHash& spki : {record.spki, SpkiHash{}}) {
    workflow::Requests::ListQuery open;
    open.open_only = true;
    open.most = std::numeric_limits<unsigned>::max();
    open.spki = spki;
    auto found = store.list(open);
    std::move(found.begin(), found.end(), std::back_inserter(requests));
  }
  for (const auto& request : requests) {
    const auto& order = request.order;
    const auto* wanted = order.enrolment();
    if (wanted == nullptr) continue;
    const bool renews = order.predecessor() != nullptr && order.predecessor()->certificate == record.fingerprint;
    const auto* key = workflow::key_of(request.state);
    const bool is_for_it = key != nullptr && !key->spki.empty()
                               ? key->spki == record.spki
                               : renews && wanted->key.source == workflow::KeyWish::Source::use;
    if (!is_for_it) continue;
    words.push_back(fmt::format("request {} {} the same key: hsmbridge request cancel {}", order.id.str(),
                                renews ? "renews it for" : "asks for a certificate for", order.id.str()));
  }
  return words;
}

const config::ProfileSettings* profile_named(const config::Settings& settings, const std::string& name) {
  for (const auto& profile : settings.profiles) {
    if (profile.name == name) return &profile;
  }
  return nullptr;
}

CertificateRow row_of(workflow::Store& store, const workflow::CertificateLine& line, const config::Settings& settings,
                      Instant now) {
  CertificateRow row;
  row.record = line.record;
  row.names = line.names.empty() ? line.record.subject : line.names;
  row.provider = line.provider;
  row.profile = line.profile;
  row.token = line.token;
  workflow::KeyQuery query;
  query.spki = line.record.spki;
  query.token = row.token;
  const auto keys = store.keys(query);
  row.key = keys.empty() ? line.key : keys.front().label;
  if (!keys.empty()) row.key_status = keys.front().status;
  row.renewal = plan_renewal(store, line.record, profile_named(settings, line.profile), now);
  return row;
}

CertificateRow row_of(workflow::Store& store, const workflow::CertificateRecord& record,
                      const config::Settings& settings, Instant now) {
  const auto request = store.find(record.request);
  const auto of = request ? workflow::line_of(*request) : workflow::RequestLine{};
  return row_of(store, {record, of.provider, of.profile, of.names, of.token, of.key}, settings, now);
}

namespace {

workflow::CertificateListQuery query_of(const CertificateFilter& filter) {
  workflow::CertificateListQuery query;
  query.provider = filter.provider;
  query.profile = filter.profile;
  if (filter.name) query.name = workflow::search_name(*filter.name);
  query.ends_by = filter.ends_by;
  query.since = filter.since;
  return query;
}

}  // namespace

ListEnd list_certificates(workflow::Store& store, const config::Settings& settings, const CertificateFilter& filter,
                          Instant now, const std::function<void(const std::vector<CertificateRow>&)>& show) {
  workflow::CertificateListQuery query = query_of(filter);
  query.statuses = filter.statuses;
  if (query.statuses.empty() && !filter.all) {
    for (const auto word : workflow::certificate_statuses()) {
      if (!is_among(past_statuses(), std::string(word))) query.statuses.emplace_back(word);
    }
  }
  if (filter.after) query.after = find_certificate(store, *filter.after).fingerprint;
  const auto id_of = [](const workflow::CertificateLine& line) { return line.record.fingerprint; };
  return show_pages(store, query, filter.limit, id_of, [&](const std::vector<workflow::CertificateLine>& lines) {
    std::vector<CertificateRow> rows;
    rows.reserve(lines.size());
    for (const auto& line : lines) rows.push_back(row_of(store, line, settings, now));
    show(rows);
  });
}

std::size_t past_ones(workflow::Store& store, const CertificateFilter& filter) {
  if (filter.all || !filter.statuses.empty()) return 0;
  workflow::CertificateListQuery query = query_of(filter);
  query.statuses = past_statuses();
  query.most = kMostCounted + 1;
  return store.count(query);
}

}  // namespace hsmbridge::service
