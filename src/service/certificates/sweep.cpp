#include "service/certificates/sweep.h"

#include "base/error.h"
#include "service/certificates/certificates.h"
#include "service/certificates/renewal.h"
#include "service/requests/requests.h"
#include "workflow/machine/lifecycle.h"

#include <fmt/core.h>

#include <utility>

namespace hsmbridge::service {

namespace {

namespace status = workflow::status;
using Of = workflow::StatusChange::Of;

// Keys are retired after days: looking once an hour is often enough.
constexpr Duration kRetireInterval = std::chrono::hours{1};
constexpr std::size_t kMostKeys = 2000;  // that are looked at in one round
constexpr Duration kTellAgain = std::chrono::hours{24};
constexpr Duration kRevivable = std::chrono::hours{24};
constexpr Duration kInterval = std::chrono::minutes{1};
constexpr Duration kIntervalOfWave = std::chrono::seconds{15};

workflow::CertificateQuery due_query(const config::ProfileSettings& profile, Instant now) {
  workflow::CertificateQuery query;
  query.statuses = {status::kCurrent};
  query.profile = profile.name;
  query.without_request = true;
  if (profile.renew_before->percent > 0) {
    query.life_left = {profile.renew_before->percent, now};
  } else {
    query.ends_by = now + profile.renew_before->time;
  }
  return query;
}

// Why a certificate that is there is not used; "" where the next step is due.
std::string unused_for(const workflow::State& state, Instant now) {
  if (std::holds_alternative<workflow::Quarantined>(state)) {
    return "is not what was asked, and a person decides about it";
  }
  const auto* verifying = std::get_if<workflow::Verifying>(&state);
  if (verifying == nullptr || !verifying->not_yet || verifying->not_yet->not_before <= now) return "";
  return fmt::format("is not valid before {}, and waits for that", rfc3339(verifying->not_yet->not_before));
}

}  // namespace

Sweep::Sweep(const config::Settings& settings, Actor actor, std::function<Bytes(std::size_t)> random)
    : settings_(settings), actor_(std::move(actor)), random_(std::move(random)) {}

Sweep::Result Sweep::round(workflow::Store& store, Instant now) {
  Result result;
  expire(store, now, result);
  remind(store, now, result);
  for (const auto& profile : settings_.profiles) {
    if (profile.renew_before) renew(store, profile, now, result);
  }
  retire(store, now, result);
  result.next_in = result.renewals.size() < kMostRenewals ? kInterval : kIntervalOfWave;
  return result;
}

void Sweep::expire(workflow::Store& store, Instant now, Result& result) {
  for (const std::string& fingerprint : store.past_their_end(now)) {
    const workflow::StatusChange change{
        Of::certificate, fingerprint, {status::kCurrent, status::kSuperseded, status::kLate}, status::kExpired};
    if (store.change_records({change}, actor_.name, now) > 0) result.expired.push_back(fingerprint);
  }
  // A clock that was years ahead for a minute must not end the life of every certificate.
  // Only well before its end: of two daemons whose clocks differ, one would end what the other revives.
  for (const auto& record : store.not_past_their_end(now + kRevivable)) {
    const auto request = store.find(record.request);
    const auto* completed = request ? std::get_if<workflow::Completed>(&request->state) : nullptr;
    const bool late = completed != nullptr && completed->late;
    const workflow::StatusChange change{
        Of::certificate, record.fingerprint, {status::kExpired}, late ? status::kLate : status::kCurrent};
    if (store.change_records({change}, actor_.name, now) > 0) result.revived.push_back(record.fingerprint);
  }
}

void Sweep::renew(workflow::Store& store, const config::ProfileSettings& profile, Instant now, Result& result) {
  auto query = due_query(profile, now);
  // A page at a time: ten thousand that fall due together are not all held in memory.
  query.most = kMostRenewals;
  for (;;) {
    const auto due = store.certificates(query);
    if (due.empty()) return;
    for (const auto& record : due) {
      if (result.renewals.size() >= kMostRenewals) return;
      renew_or_tell(store, record, profile, now, result);
    }
    query.after = due.back().fingerprint;
  }
}

void Sweep::renew_or_tell(workflow::Store& store, const workflow::CertificateRecord& record,
                          const config::ProfileSettings& profile, Instant now, Result& result) {
  try {
    if (auto made = renew_one(store, record, profile, now)) result.renewals.push_back(std::move(*made));
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::unavailable || error.kind() == ErrorKind::internal) throw;
    // Another daemon was quicker.
    const bool too_late = !error.detail("request").empty() || !error.detail("status").empty();
    if (error.kind() == ErrorKind::conflict && too_late) return;
    if (!is_to_be_told(record.fingerprint, now)) return;
    result.troubles.push_back(fmt::format("certificate {} ({}) is not renewed automatically: {}",
                                          record.fingerprint.substr(0, 12), record.subject, error.message()));
  }
}

bool Sweep::is_to_be_told(const std::string& about, Instant now) {
  const auto told = complained_.find(about);
  if (told != complained_.end() && now >= told->second && now - told->second < kTellAgain) return false;
  complained_[about] = now;
  return true;
}

// A certificate that is there, paid for and not used must not be forgotten, nor the one that it was to replace.
void Sweep::remind(workflow::Store& store, Instant now, Result& result) {
  for (const auto state : {workflow::StateName::quarantined, workflow::StateName::verifying}) {
    workflow::Store::ListQuery open;
    open.state = state;
    open.open_only = true;
    for (const auto& record : store.list(open)) {
      const std::string what = unused_for(record.state, now);
      const std::string& id = record.order.id.str();
      if (what.empty() || !is_to_be_told(id, now)) continue;
      std::string not_renewed;
      if (const auto* predecessor = record.order.predecessor()) {
        const std::string& fingerprint = predecessor->certificate;
        const auto old = store.certificate(fingerprint);
        not_renewed = fmt::format("certificate {}{} is not renewed: ", fingerprint.substr(0, 12),
                                  old ? fmt::format(", which ends on {},", rfc3339(old->not_after)) : "");
      }
      result.troubles.push_back(fmt::format("{}request {} brought a certificate that {}: hsmbridge request explain {}",
                                            not_renewed, id, what, id));
    }
  }
}

std::optional<Sweep::Made> Sweep::renew_one(workflow::Store& store, const workflow::CertificateRecord& record,
                                            const config::ProfileSettings& profile, Instant now) {
  const RenewalPlan plan = plan_renewal(store, record, &profile, now);
  if (!plan.trouble.empty()) throw Error{ErrorKind::refused, plan.trouble};
  if (!plan.due || *plan.due > now) return std::nullopt;
  RenewalNeeds needs{settings_, random_};
  const Renewal made = service::renew(actor_, store, record, needs, {}, now);
  return Made{made.order.id, record.fingerprint, workflow::names_of(made.order), made.key, record.not_after};
}

void Sweep::retire(workflow::Records& store, Instant now, Result& result) {
  if (!retired_at_ || now - *retired_at_ >= kRetireInterval || now < *retired_at_) {
    if (!retiring_) retired_at_ = now;
    retiring_ = true;
  }
  if (!retiring_) return;
  workflow::KeyPlace end;
  for (const auto& profile : settings_.profiles) {
    end = retired_until_;
    const Duration overlap = profile.overlap.value_or(kOverlap);
    for (const auto& key : store.replaced_keys(profile.name, now - overlap, end, kMostKeys)) {
      const workflow::StatusChange change{Of::key, key.spki.str(), {status::kActive}, status::kRetired};
      if (store.change_records({change}, actor_.name, now) > 0) result.retired.push_back(key);
    }
  }
  retired_until_ = std::move(end);
  retiring_ = retired_until_ != workflow::KeyPlace{};
}

}  // namespace hsmbridge::service
