#include "providers/venafi/provider.h"

#include "base/error.h"
#include "base/log.h"
#include "base/text.h"
#include "base/unicode.h"
#include "providers/venafi/look_up.h"
#include "providers/venafi/progress.h"
#include "x509/objects/certificate.h"
#include "x509/objects/csr.h"
#include "x509/objects/pem.h"

#include <fmt/core.h>

#include <algorithm>
#include <utility>

namespace hsmbridge::venafi {
namespace {

using namespace workflow;

// How long a zone that was read is taken for current: a batch of requests asks once.
constexpr Duration kPlaceAge = std::chrono::minutes{1};

// Those that are there and not ours: a mark belongs to one request.
void keep_tags(const std::vector<std::string>& there, std::vector<std::string>& tags) {
  for (const std::string& tag : there) {
    if (!tag.starts_with(kTagName) && std::find(tags.begin(), tags.end(), tag) == tags.end()) tags.push_back(tag);
  }
}

std::string aliases_text(const std::map<std::string, std::string>& templates) {
  if (templates.empty()) return "none";
  return joined(templates, ", ", [](const auto& entry) { return printable(entry.first); });
}

}  // namespace

VenafiProvider::VenafiProvider(Settings settings, std::shared_ptr<Client> client, const Clock& clock)
    : settings_(std::move(settings)), client_(std::move(client)), clock_(clock), place_(kPlaceAge, clock) {}

Capabilities declared_capabilities() {
  return {.complete_look_up = true, .shows_approvers = true, .shows_quorum = true, .renew = true, .revoke = true};
}

Capabilities VenafiProvider::capabilities() const {
  return declared_capabilities();
}

// ---- the zone -------------------------------------------------------------------------------------------------------

VenafiProvider::Place VenafiProvider::find_place(Duration limit) {
  const Zone& zone = settings_.zone;
  if (zone.application.empty()) {
    // An NGTS service: how its clients find a template by its alias is not published; the list and its names are.
    std::map<std::string, std::string> names;
    for (Template& rules : client_->issuing_templates(limit)) {
      if (rules.name == zone.alias) return {"", rules.id, std::move(rules)};
      names[rules.name] = rules.id;
    }
    throw ZoneUnknown(
        Error{ErrorKind::invalid_input, fmt::format("the service has no issuing template \"{}\"; it has: {}",
                                                    printable(zone.alias), aliases_text(names))}
            .hint(fmt::format("correct `zone` of provider {}", settings_.name)));
  }
  ApplicationInfo application;
  try {
    application = client_->application(zone.application, limit / 2);
  } catch (const Error& error) {
    // The service answers 400 as well as 404 for a name that it does not know, and always with a code: a 404 without
    // one is a proxy's, and a refused credential may be a 400 too.
    const bool unknown = error.kind() == ErrorKind::not_found || error.detail("http") == "400";
    if (!unknown || error.kind() == ErrorKind::denied || error.detail("code").empty()) throw;
    throw ZoneUnknown(
        Error{ErrorKind::invalid_input,
              fmt::format("the service has no application \"{}\" that these credentials may use ({})",
                          printable(zone.application), error.message())}
            .hint(fmt::format("correct `zone` of provider {}: 'Application\\Template alias'", settings_.name)));
  }
  const auto found = application.templates.find(zone.alias);
  if (found == application.templates.end()) {
    throw ZoneUnknown(
        Error{ErrorKind::invalid_input,
              fmt::format("application \"{}\" has no issuing template with the alias \"{}\"; it has: {}",
                          printable(zone.application), printable(zone.alias), aliases_text(application.templates))}
            .hint(fmt::format("correct `zone` of provider {}", settings_.name)));
  }
  return {application.id, found->second, client_->issuing_template(zone.application, zone.alias, limit / 2)};
}

VenafiProvider::Place VenafiProvider::place(Duration limit) {
  if (auto known = place_.recent()) return std::move(*known);
  Place read = find_place(limit);
  place_.keep(read);
  return read;
}

// ---- draft and check ------------------------------------------------------------------------------------------------

ProviderDraft VenafiProvider::draft(const Order& order, ByteView csr, Instant) {
  ProviderDraft draft;
  if (order.kind() == Kind::revoke) return draft;
  const std::string account = client_->account(Duration::zero(), settings_.time_limit);
  const Place here = place(settings_.time_limit);
  draft.notes = notes(here.rules, x509::parse_csr(csr).content);
  State state = beside_csr(order, here);
  state.account = account;
  draft.provider_state = to_text(state);
  return draft;
}

State VenafiProvider::beside_csr(const Order& order, const Place& here) const {
  State state;
  state.zone = settings_.zone.text();
  state.application = here.application;
  state.issuing_template = here.issuing_template;
  state.validity = validity_text(order);
  state.tags = settings_.tags;
  return state;
}

void VenafiProvider::expect_drafted_zone(const State& drafted) const {
  const std::string zone = settings_.zone.text();
  if (drafted.zone.empty() || drafted.zone == zone) return;
  throw outdated_draft(fmt::format("the draft is for the zone {}, and provider {} has the zone {} now",
                                   printable(drafted.zone), settings_.name, printable(zone)));
}

void VenafiProvider::expect_as_drafted(const State& drafted, const Order& order, const Place& here) const {
  if (drafted.zone.empty()) return;
  State now = beside_csr(order, here);
  now.account = drafted.account;  // of which submit() says itself what is wrong
  if (now == drafted) return;
  throw outdated_draft(fmt::format("the draft fixes what is sent beside the CSR as {}, and now it would be {}",
                                   printable(to_text(drafted)), printable(to_text(now))));
}

Duration VenafiProvider::validity_of(const x509::RequestedContent& ask) const {
  return ask.validity > Duration::zero() ? ask.validity : settings_.validity.value_or(Duration::zero());
}

std::string VenafiProvider::validity_text(const Order& order) const {
  const Duration validity = validity_of(enrolment_of(order).content);
  return validity > Duration::zero() ? iso_duration(validity) : "";
}

std::string VenafiProvider::existing_certificate(const Predecessor& predecessor, Duration limit) {
  if (const State state = state_of(predecessor); !state.certificates.empty()) return state.certificates.front();
  const std::string fingerprint = fingerprint_of(predecessor.der);
  for (const CertificateDetails& details : client_->certificates_with(fingerprint, limit)) {
    if (equal_ignoring_case(details.fingerprint, fingerprint)) return details.id;
  }
  return "";
}

VenafiProvider::InInventory VenafiProvider::in_inventory(const std::string& certificate, Duration limit) {
  try {
    return {true, client_->certificate(certificate, limit)};
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::denied || error.detail("http") != "403") throw;
    log::debug(
        fmt::format("provider {}: certificate {} is not shown: {}", settings_.name, certificate, error.message()));
    return {false, std::nullopt};
  }
}

void VenafiProvider::check_renewal(const ProviderCall& call, std::vector<std::string>& reasons) {
  const std::string id = existing_certificate(predecessor_of(call.order), call.time_limit / 4);
  if (id.empty()) return;  // unknown there: a request like any other
  const auto [readable, details] = in_inventory(id, call.time_limit / 4);
  if (!readable) return;
  if (!details) {
    reasons.push_back(
        fmt::format("the service does not know the certificate {} that is to be renewed any more: enroll "
                    "again instead",
                    id));
    return;
  }
  if (details->version == "OLD") {
    reasons.push_back(fmt::format("the certificate {} was renewed there before: only its current version can be", id));
  }
  if (!details->status.empty() && details->status != "ACTIVE") {
    reasons.push_back(
        fmt::format("the certificate {} is {} there: recover it, or enroll again", id, printable(details->status)));
  }
}

std::vector<std::string> VenafiProvider::check(const ProviderCall& call) {
  if (call.order.kind() == Kind::revoke) {
    predecessor_of(call.order);
    if (reason_word(call.order.revocation()->reason)) return {};
    return {fmt::format("the service does not support the revocation reason \"{}\"; it supports: {}",
                        call.order.revocation()->reason, known_reasons())};
  }
  const State drafted = state_from(call.draft.provider_state);
  expect_drafted_zone(drafted);
  const Place here = place(call.time_limit / 2);
  expect_as_drafted(drafted, call.order, here);
  const x509::RequestedContent& ask = enrolment_of(call.order).content;
  const x509::Csr csr = x509::parse_csr(call.draft.csr);
  PolicyQuestion question{csr, ask, validity_of(ask)};
  if (call.order.kind() == Kind::renew) {
    question.predecessor_spki = x509::parse_certificate(predecessor_of(call.order).der).spki();
  }
  std::vector<std::string> reasons = violations(here.rules, question);
  if (call.order.kind() == Kind::renew) check_renewal(call, reasons);
  return reasons;
}

NewRequest VenafiProvider::request_of(const ProviderCall& call) const {
  NewRequest request;
  x509::parse_csr(call.draft.csr);
  request.csr = x509::csr_to_pem(call.draft.csr);
  if (call.order.kind() == Kind::renew) predecessor_of(call.order);
  request.validity = validity_text(call.order);
  request.tags = settings_.tags;
  request.client_identifier = mark_of(call);
  return request;
}

NewRequest VenafiProvider::new_request(const ProviderCall& call, const Place& here) {
  NewRequest request = request_of(call);
  request.application = here.application;
  request.issuing_template = here.issuing_template;
  if (call.order.kind() == Kind::renew) {
    request.existing_certificate = existing_certificate(predecessor_of(call.order), call.time_limit / 4);
    // On a renewal the tags of the request replace those of the certificate: what others wrote on it stays.
    if (!request.existing_certificate.empty()) {
      if (const auto there = in_inventory(request.existing_certificate, call.time_limit / 4); there.details) {
        keep_tags(there.details->tags, request.tags);
      }
    }
  }
  // Without ours a lost answer could not be looked up.
  request.tags.push_back(tag_of(call));
  return request;
}

std::vector<std::string> VenafiProvider::dry_run(const ProviderCall& call) {
  const Place here = place(call.time_limit / 3);
  return client_->validate(text_of(new_request(call, here)), call.time_limit / 3);
}

Facts VenafiProvider::policy(Duration limit) {
  const Place here = place(limit);
  Facts facts;
  facts.emplace_back("Zone", settings_.zone.text());
  if (!here.application.empty()) facts.emplace_back("Application id", here.application);
  facts.emplace_back("Template id", here.issuing_template);
  for (auto& fact : policy_facts(here.rules)) facts.push_back(std::move(fact));
  return facts;
}

std::vector<std::string> VenafiProvider::test() {
  std::vector<std::string> learnt;
  const Duration limit = settings_.time_limit;
  if (client_->has_user_account()) {
    const UserAccount account = client_->user_account(limit);
    if (account.company.empty()) {
      throw Error{ErrorKind::denied, "the API key belongs to an account without a company: nothing can be ordered"};
    }
    learnt.push_back(fmt::format("API key of {} at {}{}", account.username, account.company,
                                 account.valid_until ? ", valid until " + rfc3339(*account.valid_until) : ""));
  } else {
    // A token cannot be asked whose it is; that the zone is shown proves it.
    learnt.emplace_back("an access token is given");
  }
  const Place here = place(limit);
  learnt.push_back(fmt::format("zone {}: issuing template {}, authority {}", settings_.zone.text(), here.rules.name,
                               here.rules.authority));
  if (!here.rules.validity.empty()) learnt.push_back("longest validity: " + here.rules.validity);
  if (const auto unusable = obstacles(here.rules); !unusable.empty()) {
    Error error(ErrorKind::refused, "nothing can be ordered there: " + unusable.front());
    for (const std::string& line : learnt) error.with("learnt", line);
    throw Error(std::move(error));
  }
  return learnt;
}

}  // namespace hsmbridge::venafi
