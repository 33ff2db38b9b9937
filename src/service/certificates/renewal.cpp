#include "service/certificates/renewal.h"

#include "base/error.h"
#include "service/certificates/certificates.h"
#include "service/content/brought_csr.h"
#include "service/content/csr.h"
#include "service/effects/install.h"
#include "service/keys/keys.h"
#include "service/requests/approval_terms.h"
#include "service/requests/new_request.h"
#include "service/requests/request_id.h"
#include "service/requests/requests.h"
#include "workflow/machine/lifecycle.h"
#include "x509/objects/certificate.h"
#include "x509/objects/spki.h"

#include <fmt/core.h>

#include <algorithm>
#include <span>
#include <utility>

namespace hsmbridge::service {

namespace {

namespace status = workflow::status;

bool is_digits(std::string_view text) {
  return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
}

// The label without the date, and the number behind it, that an earlier renewal put there.
std::string without_date(const std::string& label) {
  constexpr std::size_t kDate = 8;
  const auto cut = [](const std::string& text, const auto& fits) {
    const auto dash = text.rfind('-');
    if (dash == std::string::npos || dash == 0) return text;
    return fits(std::string_view(text).substr(dash + 1)) ? text.substr(0, dash) : text;
  };
  const auto is_date = [](std::string_view part) { return part.size() == kDate && is_digits(part); };
  const auto is_number = [](std::string_view part) { return part.size() <= 3 && is_digits(part); };
  const std::string dated = cut(label, is_number);
  const std::string base = cut(dated, is_date);
  return base == dated ? cut(label, is_date) : base;
}

// Of a selector that same_key wrote; "" for any other.
std::string id_in(const std::string& selector) {
  constexpr std::string_view kId = "id=";
  return selector.starts_with(kId) ? selector.substr(kId.size()) : std::string{};
}

// Whether it ended for what its key or its token did: another key is better then.
bool blames_key(const workflow::State& state) {
  const auto* failed = std::get_if<workflow::Failed>(&state);
  if (failed == nullptr) return false;
  for (const auto kind : {ErrorKind::corrupt, ErrorKind::not_found, ErrorKind::ambiguous, ErrorKind::conflict}) {
    if (failed->error_kind == to_string(kind)) return true;
  }
  return false;
}

std::string date_of(Instant now) {
  std::string text = rfc3339(now).substr(0, 10);
  text.erase(std::remove(text.begin(), text.end(), '-'), text.end());
  return text;
}

workflow::Predecessor predecessor_of(const workflow::CertificateRecord& record) {
  return {record.fingerprint, record.der, record.spki, record.status, record.reference, record.provider_state};
}

// What both orders take over from the one that brought the certificate.
workflow::Order order_after(const workflow::Order& brought_by, const std::string& created_by, Instant now,
                            ByteView randomness) {
  workflow::Order order;
  order.id = request_id(now, randomness);
  order.provider = brought_by.provider;
  order.profile = brought_by.profile;
  order.created_at = now;
  order.created_by = created_by;
  return order;
}

std::optional<workflow::Record> open_request(workflow::Requests& store, const std::string& fingerprint,
                                             workflow::Kind kind) {
  for (auto& request : store.requests_about(fingerprint)) {
    if (request.order.kind() == kind && !workflow::is_final(workflow::name_of(request.state)))
      return std::move(request);
  }
  return std::nullopt;
}

void refuse_open(workflow::Requests& store, const workflow::CertificateRecord& record, workflow::Kind kind,
                 std::string_view what) {
  const auto request = open_request(store, record.fingerprint, kind);
  if (!request) return;
  const auto& id = request->order.id.str();
  const bool quarantined = std::holds_alternative<workflow::Quarantined>(request->state);
  throw Error{ErrorKind::conflict,
              fmt::format("request {} already {} certificate {}", id, what, record.fingerprint.substr(0, 12))}
      .with("request", id)
      .hint(quarantined ? fmt::format("it brought a certificate that is not what was asked; what can be done: "
                                      "hsmbridge request explain {}",
                                      id)
                        : fmt::format("go on with it: hsmbridge request wait {}", id));
}

}  // namespace

std::string successor_label(const std::string& label, Instant now,
                            const std::function<bool(const std::string&)>& taken) {
  const std::string dated = without_date(label) + "-" + date_of(now);
  std::string candidate = dated;
  for (int number = 2; taken(candidate); ++number) candidate = fmt::format("{}-{}", dated, number);
  return candidate;
}

workflow::KeyRecord key_of(workflow::Records& store, const workflow::CertificateRecord& record,
                           const workflow::Order& brought_by) {
  const auto& wanted = workflow::enrolment_of(brought_by);
  workflow::KeyQuery query;
  query.spki = record.spki;
  query.token = wanted.token;
  auto keys = store.keys(query);
  if (!keys.empty()) return std::move(keys.front());
  workflow::KeyRecord key;
  key.token = wanted.token;
  key.label = wanted.key.source == workflow::KeyWish::Source::make ? wanted.key.selector : "";
  key.spki = record.spki;
  return key;
}

workflow::Record request_of(workflow::Requests& store, const workflow::CertificateRecord& record) {
  auto request = store.find(record.request);
  if (request) return std::move(*request);
  throw Error{ErrorKind::not_found, fmt::format("request {}, which brought certificate {}, cannot be read",
                                                record.request.str(), record.fingerprint.substr(0, 12))};
}

workflow::KeyWish new_key(const workflow::CertificateRecord& record, const std::string& label, ByteView random) {
  workflow::KeyWish wish;
  wish.source = workflow::KeyWish::Source::make;
  wish.selector = label;
  wish.spec = x509::to_string(x509::key_spec_of(x509::parse_certificate(record.der).spki()));
  wish.cka_id = hex(random);
  return wish;
}

std::optional<workflow::KeyRecord> unused_key(workflow::Store& store, const workflow::CertificateRecord& record) {
  const auto requests = store.requests_about(record.fingerprint);
  // Newest first: the last one alone, which used again what an older one left.
  const auto last = std::find_if(requests.begin(), requests.end(),
                                 [](const auto& request) { return request.order.kind() == workflow::Kind::renew; });
  if (last == requests.end() || !is_final(workflow::name_of(last->state)) || blames_key(last->state)) return {};
  const auto& wanted = workflow::enrolment_of(last->order);
  const auto& wish = wanted.key;
  const std::string id = wish.source == workflow::KeyWish::Source::make ? wish.cka_id : id_in(wish.selector);
  if (id.empty()) return {};
  for (auto& key : store.keys({std::nullopt, wanted.token, std::nullopt, id})) {
    const bool born = key.status == status::kActive && !key.spki.empty();
    if (born && key.spki != record.spki && !store.has_certificate(key.spki)) return std::move(key);
  }
  return {};
}

workflow::KeyWish same_key(const workflow::KeyRecord& key) {
  const bool spent =
      key.status == status::kRetired || key.status == status::kDestroyed || key.status == status::kCompromised;
  if (spent || key.cka_id.empty()) {
    throw Error{ErrorKind::refused,
                spent ? fmt::format("key {} in token {} is {}: no new certificate is requested for it", key.label,
                                    key.token, key.status)
                      : "the records do not know the key of this certificate"}
        .hint("renew with a new key (leave --same-key out)");
  }
  workflow::KeyWish wish;
  wish.source = workflow::KeyWish::Source::use;
  wish.selector = "id=" + key.cka_id;
  wish.spki = key.spki;  // what is renewed is for this key, whatever else has its id
  return wish;
}

void refuse_renewal(workflow::Store& store, const workflow::CertificateRecord& record) {
  const std::string name = record.fingerprint.substr(0, 12);
  if (record.status == status::kQuarantined) {
    throw Error{ErrorKind::refused,
                fmt::format("certificate {} is quarantined: it does not answer its request, and another one like it "
                            "would not either",
                            name)}
        .hint("make a new request with `hsmbridge enroll`");
  }
  for (const auto& request : store.requests_about(record.fingerprint)) {
    const auto* completed = std::get_if<workflow::Completed>(&request.state);
    if (request.order.kind() != workflow::Kind::renew || completed == nullptr || !replaced_it(store, request)) continue;
    throw Error{ErrorKind::conflict, fmt::format("certificate {} was renewed by request {}: {} took its place", name,
                                                 request.order.id.str(), completed->certificate.substr(0, 12))}
        .with("request", request.order.id.str())
        .hint(fmt::format("renew that one: hsmbridge cert renew {}", completed->certificate.substr(0, 12)));
  }
  refuse_open(store, record, workflow::Kind::renew, "renews");
}

bool is_of_brought_csr(workflow::Requests& store, const workflow::CertificateRecord& record) {
  const auto request = store.find(record.request);
  return request && !request->order.brought_csr().empty();
}

bool is_of_authority(workflow::Requests& store, const workflow::CertificateRecord& record) {
  const auto request = store.find(record.request);
  if (!request || !request->order.brings_certificate()) return false;
  const auto& asked = workflow::enrolment_of(request->order).content.content.basic_constraints;
  return asked && asked->ca;
}

Error needs_new_csr(const workflow::CertificateRecord& record) {
  const std::string name = record.fingerprint.substr(0, 12);
  return Error{ErrorKind::refused,
               fmt::format("certificate {} ({}) is for a CSR that was brought: its renewal waits for "
                           "a new CSR, which only the holder of the key can make",
                           name, record.subject)}
      .hint(fmt::format("hsmbridge cert renew {} --csr FILE", name));
}

workflow::KeyWish key_of_new_csr(Bridge& bridge, workflow::Store& store, const workflow::CertificateRecord& record,
                                 const std::string& file) {
  const auto old = request_of(store, record).order;
  if (old.brought_csr().empty()) {
    throw Error{ErrorKind::invalid_input,
                fmt::format("certificate {} is for a key in token {}, which signs a CSR of its own",
                            record.fingerprint.substr(0, 12), old.token())}
        .hint("leave --csr out");
  }
  refuse_renewal(store, record);
  const auto& profile = bridge.settings().profile(old.profile);
  const auto csr = csr_in(file);
  refuse_leaf_of_authority(authority_of(bridge, x509::spki_hash(csr.spki)), "the key of the CSR",
                           workflow::enrolment_of(old).content.content);
  CsrJudgement judgement = examine_csr(csr, bridge.weak_keys(), &store);
  // With the CSR before, also where its names were not copied: who made this one expects what it says.
  const auto before = x509::parse_csr(old.brought_csr());
  auto asked = workflow::enrolment_of(old).content;
  asked.content = before.content;
  auto compared = compare_csr(csr, asked, profile, {});
  // What the CSR before had as well was no objection where the certificate is made here.
  const auto taken = compare_csr(before, asked, profile, {}).objections;
  std::erase_if(compared.objections, [&](const CsrFault& one) {
    return std::any_of(taken.begin(), taken.end(), [&](const CsrFault& other) {
      return one.name == other.name && one.explanation == other.explanation;
    });
  });
  add_to(judgement, std::move(compared));
  if (profile.renew_key == config::RenewKey::always_make && x509::spki_hash(csr.spki) == record.spki) {
    judgement.objections.push_back({"key",
                                    "it is for the key that the certificate has, and the profile requires a new one "
                                    "each time (renew_key: always-new)",
                                    {}});
  }
  if (before.parts.to_be_signed == csr.parts.to_be_signed) {
    judgement.objections.push_back({"csr-again",
                                    "it is the CSR of the certificate that it shall renew, and does not show that "
                                    "anybody still has the key",
                                    {}});
  }
  refuse_objections(csr, file, judgement,
                    "a renewal asks for what the CSR before asked; for anything else: hsmbridge enroll --csr FILE",
                    bridge.recorder());
  return brought_key(csr);
}

workflow::Order create_renewal(workflow::Store& store, const workflow::CertificateRecord& record,
                               const RenewalWish& wish, const workflow::Timing& timing, Instant now,
                               ByteView randomness) {
  refuse_renewal(store, record);
  const workflow::Order old = request_of(store, record).order;
  refuse_open_csr(store, old.provider, wish.key);
  workflow::Order order = order_after(old, wish.created_by, now, randomness);
  workflow::Renew renewal{workflow::enrolment_of(old), predecessor_of(record)};
  const auto accepted = std::move(renewal.key.accept);
  renewal.key = wish.key;
  // What was accepted of the key when it got its certificate is accepted of it now.
  if (renewal.key.source == workflow::KeyWish::Source::use) {
    renewal.key.accept.insert(renewal.key.accept.end(), accepted.begin(), accepted.end());
  }
  order.what = std::move(renewal);
  if (old.deadline) order.deadline = now + (*old.deadline - old.created_at);
  order.max_age = old.max_age;
  order.asked_by = wish.asked_by;
  order.approval = wish.approval;
  order.wants_command = old.wants_command || wish.wants_command;
  journal_order(store, order, timing);
  return order;
}

workflow::Order create_revocation(const Actor& actor, workflow::Store& store, const workflow::CertificateRecord& record,
                                  const RevocationWish& wish, const workflow::Timing& timing, Instant now,
                                  ByteView randomness) {
  const auto* row = workflow::revocation_reason(wish.reason);
  if (row == nullptr) throw Error{ErrorKind::internal, fmt::format("'{}' is not a revocation reason", wish.reason)};
  if (record.status == status::kRevoked) {
    throw Error{ErrorKind::conflict, fmt::format("certificate {} is revoked", record.fingerprint.substr(0, 12))};
  }
  if (record.status == status::kHeld && row->name == workflow::kCertificateHold) {
    throw Error{ErrorKind::conflict, fmt::format("certificate {} is on hold", record.fingerprint.substr(0, 12))};
  }
  refuse_open(store, record, workflow::Kind::revoke, "revokes");
  workflow::Order order = order_after(request_of(store, record).order, actor.name, now, randomness);
  order.what = workflow::Revoke{predecessor_of(record), std::string(row->name), wish.since};
  journal_order(store, order, timing);
  return order;
}

namespace {

// The key that a renewal is for.
Renewal with_key(workflow::Store& store, const workflow::CertificateRecord& record, RenewalNeeds& needs,
                 const RenewalKey& wanted, const config::ProfileSettings& profile, const workflow::Order& old,
                 Instant now) {
  constexpr std::size_t kIdOctets = 16;
  Renewal renewal;
  workflow::KeyWish& wish = renewal.order.what.emplace<workflow::Renew>().key;
  if (wanted.brought) {
    wish = *wanted.brought;
    return renewal;
  }
  if (wanted.same && profile.renew_key == config::RenewKey::always_make) {
    throw Error{ErrorKind::refused, fmt::format("profile {} requires a new key for each renewal", old.profile)}.hint(
        "leave --same-key out, or change renew_key: always-new in the profile");
  }
  const auto key = key_of(store, record, old);
  if (wanted.same || (profile.renew_key == config::RenewKey::same && !wanted.new_label)) {
    wish = same_key(key);
    return renewal;
  }
  if (wanted.new_label) {
    const auto spec = x509::key_spec_of(x509::parse_certificate(record.der).spki());
    const auto plan = needs.key_ring(old.token())->plan(std::span(&*wanted.new_label, 1), spec, {}).front();
    wish = new_key(record, plan.label, plan.id);
  } else if (const auto unused = unused_key(store, record)) {
    // A provider that refuses every day must not fill the token with keys.
    wish = same_key(*unused);
    renewal.key = unused->label;
    return renewal;
  } else {
    const auto [labels, unasked] = needs.labels.try_emplace(old.token());
    if (unasked && needs.key_ring) {
      for (const auto& one : needs.key_ring(old.token())->list()) labels->second.insert(one.label);
    }
    const auto taken = [&, &on_token = labels->second](const std::string& label) {
      return on_token.count(label) != 0 || !store.keys({std::nullopt, old.token(), label}).empty();
    };
    wish = new_key(record, successor_label(key.label.empty() ? old.profile : key.label, now, taken),
                   needs.random(kIdOctets));
  }
  renewal.key = wish.selector;
  return renewal;
}

}  // namespace

namespace {

// A CA is a name and a key: what it issued and its configuration name the old one.
void refuse_new_key_of_authority(workflow::Store& store, const workflow::CertificateRecord& record,
                                 const RenewalKey& wanted, const config::ProfileSettings& profile) {
  const bool same = wanted.same || (profile.renew_key == config::RenewKey::same && !wanted.new_label);
  if (same || wanted.brought || !is_of_authority(store, record)) return;
  const std::string name = record.fingerprint.substr(0, 12);
  throw Error{ErrorKind::refused,
              fmt::format("certificate {} ({}) is a CA's: with a new key it would be another CA's, and the one that "
                          "issues now would be left without a certificate",
                          name, record.subject)}
      .hint(fmt::format("hsmbridge cert renew {} --same-key; for a new key make another CA, with a subject of its own",
                        name));
}

}  // namespace

Renewal renew(const Actor& actor, workflow::Store& store, const workflow::CertificateRecord& record,
              RenewalNeeds& needs, const RenewalKey& wanted, Instant now) {
  constexpr std::size_t kRequestRandomness = 8;
  refuse_renewal(store, record);
  const auto old = request_of(store, record).order;
  const auto& profile = needs.settings.profile(old.profile);
  needs.settings.provider(old.provider);
  refuse_profile(profile);
  if (old.brought_csr().empty()) {
    refuse_impossible_targets(workflow::enrolment_of(old).targets, needs.settings.token(old.token()));
  } else if (!wanted.brought) {
    throw needs_new_csr(record);
  }
  refuse_new_key_of_authority(store, record, wanted, profile);
  if (needs.expect_usable) needs.expect_usable(old);
  Renewal renewal = with_key(store, record, needs, wanted, profile, old, now);
  const auto terms = release_terms_of(needs.settings, profile, old.provider);
  const Asking asking{actor.name, &old};
  RenewalWish wish{workflow::enrolment_of(renewal.order).key, actor.name,
                   approval_terms_of(needs.settings, terms, store, asking, now),
                   wants_command(needs.settings, profile, old.provider), asked_by(needs.settings, asking)};
  if (!wanted.brought) wish.key.accept = profile.accept_key;
  renewal.order = create_renewal(store, record, wish, timing_for(needs.settings, old.provider), now,
                                 needs.random(kRequestRandomness));
  return renewal;
}

ToRenew to_renew(workflow::Store& store, const config::Settings& settings, Which which, Instant now) {
  CertificateFilter filter;
  filter.statuses = {status::kCurrent};
  ToRenew found;
  list_certificates(store, settings, filter, now, [&](const std::vector<CertificateRow>& rows) {
    for (const CertificateRow& row : rows) {
      if (row.renewal.open || row.renewal.done) continue;
      if (which == Which::due && row.renewal.by_hand && !row.renewal.trouble.empty()) {
        found.by_hand.emplace_back(row.record.fingerprint, row.renewal.trouble);
      }
      const auto* profile = profile_named(settings, row.profile);
      const bool due = profile != nullptr && profile->renew_before && !row.renewal.by_hand &&
                       renewal_start(row.record, *profile->renew_before) <= now;
      if (which == Which::all || due) found.certificates.push_back(row.record.fingerprint);
    }
  });
  return found;
}

workflow::CertificateRecord still_to_renew(workflow::Store& store, const std::string& fingerprint) {
  auto record = find_certificate(store, fingerprint);
  if (record.status == status::kCurrent) return record;
  throw Error{ErrorKind::conflict,
              fmt::format("certificate {} was to be renewed, and is {} now", fingerprint.substr(0, 12), record.status)}
      .with("status", record.status);
}

std::optional<workflow::Record> open_revocation(workflow::Requests& store, const std::string& fingerprint) {
  return open_request(store, fingerprint, workflow::Kind::revoke);
}

// An abandoned revocation leaves the certificate `revoking`, and on no CRL: another one is needed then.
bool leaves_key_trusted(workflow::Store& store, const workflow::CertificateRecord& record,
                        const workflow::RevocationReason& reason) {
  if (!reason.compromise || compromised(&store, record.spki)) return false;
  return record.status == status::kRevoked || open_revocation(store, record.fingerprint);
}

void refuse_revoked(const workflow::CertificateRecord& record) {
  if (record.status != status::kRevoked) return;
  throw Error{ErrorKind::conflict, fmt::format("certificate {} is revoked already", record.fingerprint.substr(0, 12))};
}

void refuse_revocation(Bridge& bridge, const workflow::CertificateRecord& record, const std::string& provider,
                       const RevocationWish& wish) {
  const std::string name = record.fingerprint.substr(0, 12);
  refuse_revoked(record);
  const std::string& type = bridge.settings().provider(provider).type;
  const auto capabilities = bridge.provider(provider)->capabilities();
  if (!capabilities.revoke) {
    throw Error{ErrorKind::refused,
                fmt::format("provider {} ({}) revokes nothing: certificate {} stays as it is", provider, type, name)}
        .hint(fmt::format(
            "have serial {} of '{}' revoked where that CA takes revocations{}", record.serial, record.issuer,
            record.status == status::kCurrent ? fmt::format("; `hsmbridge cert renew {}` replaces it here", name)
                                              : ""));
  }
  if (wish.reason == workflow::kCertificateHold && !capabilities.revoke_hold) {
    throw Error{ErrorKind::refused, fmt::format("provider {} ({}) puts nothing on hold", provider, type)}.hint(
        "choose another reason, or do nothing: a revocation cannot be taken back");
  }
  if (!wish.since) return;
  if (!capabilities.revoke_since) {
    throw Error{ErrorKind::refused, fmt::format("provider {} ({}) takes no date of a compromise", provider, type)}.hint(
        "leave --since out: it is revoked from now on");
  }
  const auto* const reason = workflow::revocation_reason(wish.reason);
  if (reason == nullptr || !reason->compromise) {
    throw Error{ErrorKind::invalid_input, fmt::format("--since belongs to --reason {}", workflow::kKeyCompromise)};
  }
  if (*wish.since > bridge.clock().now() || *wish.since < record.not_before) {
    throw Error{ErrorKind::invalid_input, fmt::format("{} lies outside the time of certificate {}, from {} to now",
                                                      rfc3339(*wish.since), name, rfc3339(record.not_before))};
  }
}

}  // namespace hsmbridge::service
