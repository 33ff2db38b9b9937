#include "service/requests/new_request.h"

#include "base/bytes.h"
#include "base/error.h"
#include "base/json.h"
#include "service/requests/request_id.h"
#include "service/requests/requests.h"
#include "workflow/machine/lifecycle.h"
#include "workflow/ports/provider.h"

#include <fmt/core.h>

#include <set>
#include <utility>
#include <variant>

namespace hsmbridge::service {

namespace {

void check_targets(const std::vector<workflow::InstallTarget>& targets) {
  std::set<std::string> names;
  for (const auto& target : targets) {
    if (!names.insert(target.name).second) {
      throw Error{ErrorKind::invalid_input, fmt::format("the install target {} is given twice", target.name)};
    }
  }
}

// Whether both ask for the same certificate there, whichever key it is for.
bool is_like(const workflow::Order& one, const workflow::Order& other) {
  const auto* first = one.enrolment();
  const auto* second = other.enrolment();
  return first != nullptr && second != nullptr && one.provider == other.provider && one.profile == other.profile &&
         first->token == second->token && first->content == second->content && first->key.csr == second->key.csr &&
         first->cross_signs == second->cross_signs;
}

// Whether the same words ordered both. When they were made, by whom, and until when they are waited for is no part.
bool asks_the_same(const workflow::Order& one, const workflow::Order& other) {
  if (one.kind() != other.kind() || !is_like(one, other)) return false;
  const auto& [first, second] = std::pair(one.enrolment()->key, other.enrolment()->key);
  return first.source == second.source && first.selector == second.selector && first.spec == second.spec &&
         one.enrolment()->targets == other.enrolment()->targets;
}

}  // namespace

workflow::Order order_of(const NewRequest& request) {
  workflow::Order order;
  order.provider = request.provider;
  order.profile = request.profile;
  order.what = workflow::Enroll{request.token, request.key, request.ask, request.targets, request.cross_signs};
  order.wants_command = request.wants_command;
  return order;
}

void refuse_duplicate(workflow::Requests& store, const NewRequest& request) {
  const workflow::Order order = order_of(request);
  const auto open = store.open_request_for(workflow::work_of(order));
  if (!open) return refuse_open_csr(store, request.provider, request.key);
  const auto record = store.find(*open);
  const bool same = record && asks_the_same(record->order, order);
  using Source = workflow::KeyWish::Source;
  const std::string does =
      request.key.source == Source::brought
          ? "is open for this CSR"
          : fmt::format("{} {} in token {}",
                        request.key.source == Source::make ? "makes the key" : "is open for the key",
                        request.key.selector, request.token);
  Error error{ErrorKind::conflict, fmt::format("request {} already {}{}", open->str(), does,
                                               same ? "" : ", and what it asks for is something else")};
  error.with("request", open->str())
      .with("state", record ? std::string(workflow::to_string(workflow::name_of(record->state))) : "");
  if (same) error.with("same-order", open->str());
  throw error.hint(same ? fmt::format("go on with it: hsmbridge request wait {}", open->str())
                        : fmt::format("look at it: hsmbridge request show {}", open->str()));
}

void refuse_open_csr(workflow::Requests& store, const std::string& provider, const workflow::KeyWish& key) {
  const auto open = store.open_request_for_csr(provider, key);
  if (!open) return;
  throw Error{ErrorKind::conflict, fmt::format("request {} is open for this CSR", open->str())}
      .with("request", open->str())
      .hint(fmt::format("look at it: hsmbridge request show {}", open->str()));
}

std::optional<RequestId> done_before(workflow::Store& store, const NewRequest& request, const SpkiHash& spki,
                                     Instant now) {
  if (spki.empty()) return std::nullopt;
  const workflow::Order order = order_of(request);
  workflow::CertificateQuery query;
  query.spki = spki;
  query.statuses = {workflow::status::kCurrent};
  // Where it was renewed with another CSR, that one goes on.
  if (!order.brought_csr().empty()) query.statuses.emplace_back(workflow::status::kSuperseded);
  for (const auto& record : store.certificates(query)) {
    const auto brought = record.not_after > now ? store.find(record.request) : std::nullopt;
    if (!brought || !std::holds_alternative<workflow::Completed>(brought->state)) continue;
    if (is_like(brought->order, order)) return brought->order.id;
  }
  return std::nullopt;
}

std::optional<workflow::CertificateRecord> made_of_csr(workflow::Store& store, const NewRequest& request) {
  workflow::CertificateQuery query;
  query.spki = request.key.spki;
  query.statuses = {workflow::status::kCurrent, workflow::status::kSuperseded, workflow::status::kRevoking,
                    workflow::status::kRevoked, workflow::status::kHeld,       workflow::status::kExpired};
  for (auto& record : store.certificates(query)) {
    const auto brought = store.find(record.request);
    if (brought && brought->order.provider == request.provider && brought->order.brought_csr() == request.key.csr) {
      return std::move(record);
    }
  }
  return std::nullopt;
}

std::optional<workflow::KeyRecord> left_over_key(workflow::Store& store, const NewRequest& request) {
  const std::string& label = request.key.selector;
  for (auto& key : store.keys({std::nullopt, request.token, label})) {
    const bool is_the_kind = key.status == workflow::status::kActive && key.spec == request.key.spec;
    if (!is_the_kind || key.spki.empty() || store.has_certificate(key.spki)) continue;
    workflow::Requests::ListQuery for_it;
    for_it.token = key.token;
    for_it.cka_id = key.cka_id;
    for (const auto& record : store.list(for_it)) {
      const auto* wanted = record.order.enrolment();
      const bool made_it = wanted != nullptr && wanted->key.source == workflow::KeyWish::Source::make;
      if (made_it && workflow::is_final(workflow::name_of(record.state))) return std::move(key);
    }
  }
  return std::nullopt;
}

void refuse_profile(const config::ProfileSettings& profile) {
  if (profile.anchors.empty()) {
    throw Error{ErrorKind::invalid_input,
                fmt::format("profile {} names no anchors: no certificate could be trusted", profile.name)}
        .hint("add  anchors: [/path/to/ca.pem]  to the profile");
  }
}

bool wants_command(const config::Settings& settings, const config::ProfileSettings& profile,
                   const std::string& provider) {
  const config::ProviderSettings& of = settings.provider(provider);
  config::Section section = of.section;
  return profile.wants_command ||
         (of.type == workflow::kLocalAuthority && section.optional_boolean("operator_command").value_or(false));
}

void refuse_spent_key(workflow::Records& store, const std::string& token, const SpkiHash& spki) {
  if (spki.empty()) return;
  for (const auto& key : store.keys({spki, token, std::nullopt})) {
    if (key.status != workflow::status::kCompromised && key.status != workflow::status::kDestroyed) continue;
    throw Error{ErrorKind::refused, fmt::format("key {} in token {} is {}: no certificate is requested for it",
                                                key.label, key.token, key.status)}
        .hint("make a new key: --new-key LABEL");
  }
}

void journal_order(workflow::Requests& store, const workflow::Order& order, const workflow::Timing& timing) {
  std::vector<workflow::Event> events{{order.created_at, order.created_by, workflow::Created{order}}};
  const auto* wanted = order.enrolment();
  if (wanted != nullptr && wanted->key.source == workflow::KeyWish::Source::make) {
    const auto& key = wanted->key;
    events.push_back(
        {order.created_at, order.created_by, workflow::KeyPlanned{wanted->token, key.selector, key.cka_id, key.spec}});
  }
  store.create(order, events, workflow::begin(order, timing));
}

workflow::Order create_request(workflow::Store& store, const NewRequest& request, const workflow::Timing& timing,
                               Instant now, ByteView randomness) {
  x509::validate(request.ask.content);
  check_targets(request.targets);
  refuse_duplicate(store, request);
  workflow::Order order = order_of(request);
  order.id = request_id(now, randomness);
  order.created_at = now;
  order.created_by = request.created_by;
  order.asked_by = request.asked_by;
  if (request.deadline) order.deadline = now + *request.deadline;
  order.max_age = request.max_age;
  order.approval = request.approval;

  try {
    journal_order(store, order, timing);
  } catch (const Error& error) {
    // Another process was quicker: what it has ordered is told as if it had been there before.
    if (error.kind() == ErrorKind::conflict) refuse_duplicate(store, request);
    throw;
  }
  return order;
}

}  // namespace hsmbridge::service
