#include "service/authorities/crl_request.h"

#include "base/error.h"
#include "service/authorities/authorities.h"
#include "service/requests/new_request.h"
#include "service/requests/request_id.h"
#include "service/requests/requests.h"
#include "x509/objects/crl.h"
#include "x509/objects/serial.h"

#include <fmt/core.h>

#include <algorithm>
#include <set>

namespace hsmbridge::service {
namespace {

constexpr std::size_t kIdRandomness = 8;

workflow::Order crl_order(const Actor& actor, const std::string& name, const workflow::CrlStanding& standing,
                          Instant now) {
  workflow::Order order;
  order.provider = name;
  order.what = workflow::IssueCrl{};
  order.id = request_id(now, random_bytes(kIdRandomness));
  order.created_at = now;
  order.created_by = actor.name;
  // Signed any later it would have ended before anybody could use it.
  if (standing.crl_life > Duration::zero()) order.max_age = standing.crl_life;
  return order;
}

// False where one is open, which another process may have made a moment ago.
bool journal_unless_open(workflow::Store& store, const workflow::Order& order, const workflow::Timing& timing) {
  if (store.open_request_for(workflow::work_of(order))) return false;
  try {
    journal_order(store, order, timing);
    return true;
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::conflict && !error.detail("request").empty()) return false;
    throw;
  }
}

// What was revoked since its bytes were frozen.
std::size_t lacking(workflow::Store& store, const RequestId& id) {
  const auto record = store.find(id);
  const auto* const draft = record ? workflow::draft_of(record->state) : nullptr;
  if (draft == nullptr || draft->to_be_signed.empty()) return 0;
  const auto list = x509::parse_tbs_cert_list(draft->to_be_signed);
  std::set<std::string> listed;
  for (const auto& one : list.revoked) listed.insert(x509::serial_text(one.serial));
  const auto revoked = store.revocations(workflow::issuer_id(list.issuer), "", list.this_update);
  return static_cast<std::size_t>(
      std::count_if(revoked.begin(), revoked.end(), [&](const auto& one) { return !listed.contains(one.serial); }));
}

// The newest one of the CA that a clock which was ahead did not make; no other kind of request is without a profile.
std::optional<workflow::RequestLine> last_request(workflow::Store& store, const std::string& name, Instant now) {
  workflow::RequestQuery query;
  query.provider = name;
  query.profile = "";
  query.most = 100;
  for (auto& line : store.page(query)) {
    if (line.created_at <= now) return std::move(line);
  }
  return std::nullopt;
}

}  // namespace

bool crl_is_a_request(Bridge& bridge, const std::string& name) {
  const Authority made = authority(bridge, name);
  return bridge.settings().provider(made.name).key_at.has_value();
}

CrlRequest request_crl(const Actor& actor, Bridge& bridge, workflow::Store& store, const std::string& name,
                       const std::optional<Instant>& after_future) {
  const Authority made = authority(bridge, name);
  if (made.view.crls.empty()) {
    throw Error{ErrorKind::invalid_input, fmt::format("provider {} does not say where its CRL goes", made.name)}.hint(
        "add  crl: {file: /srv/www/issuing.crl, url: \"http://ca.example.com/issuing.crl\"}");
  }
  if (!made.view.certificate) {
    throw Error{ErrorKind::not_found, fmt::format("the CA {} has no certificate yet", made.name)}.hint(
        fmt::format("put it at {}", made.view.file.string()));
  }
  if (const auto why = store.restored()) {
    throw Error{ErrorKind::refused, fmt::format("the store is an older copy of itself ({}): no CA signs", *why)}.hint(
        "first: hsmbridge store accept-restored, then for each CA: hsmbridge ca resume");
  }
  workflow::Order order = crl_order(actor, made.name, made.view, bridge.clock().now());
  order.what = workflow::IssueCrl{after_future};
  const bool is_made = journal_unless_open(store, order, timing_for(bridge.settings(), made.name));
  if (is_made) return {order.id, CrlRequest::How::made};
  if (const auto open = store.open_request_for(workflow::work_of(order))) {
    const auto record = store.find(*open);
    if (after_future && record && record->order.what != order.what) {
      throw Error{ErrorKind::conflict,
                  fmt::format("request {} for a CRL of the CA {} is open, and would not follow one "
                              "of {}",
                              open->str(), made.name, rfc3339(*after_future))}
          .hint(fmt::format("hsmbridge request cancel {}, and this command again", open->str()));
    }
    return {*open, CrlRequest::How::open, lacking(store, *open)};
  }
  throw Error{ErrorKind::unavailable, fmt::format("the CRL request of {} ended this moment", made.name)}.hint(
      "type it again");
}

std::optional<RequestId> request_due_crl(const Actor& actor, const config::Settings& settings,
                                         workflow::Provider& authority, workflow::Store& store, const std::string& name,
                                         Instant now) {
  const auto standing = dynamic_cast<workflow::CertificateAuthority&>(authority).crl_standing();
  // The first one is a person's, as everywhere.
  const bool is_due =
      standing.crl_every && !standing.crls.empty() && standing.crls.front().last && !standing.crls.front().due.empty();
  if (!is_due || store.restored()) return std::nullopt;
  const workflow::Order order = crl_order(actor, name, standing, now);
  const auto last = last_request(store, name, now);
  const bool given_up = last && last->state != workflow::StateName::completed;
  if (last && !workflow::is_final(last->state)) return std::nullopt;
  // One that ended by a clock that was ahead holds back nothing.
  const Duration since = given_up ? now - last->changed_at : Duration::zero();
  if (given_up && since >= Duration::zero() && since < *standing.crl_every) return std::nullopt;
  return journal_unless_open(store, order, timing_for(settings, name)) ? std::optional(order.id) : std::nullopt;
}

}  // namespace hsmbridge::service
