#include "service/effects/effects.h"

#include "base/error.h"
#include "base/json.h"
#include "base/text.h"
#include "service/content/brought_csr.h"
#include "service/content/csr.h"
#include "service/effects/approved.h"
#include "service/effects/effect_parts.h"
#include "service/effects/expectation.h"
#include "service/effects/install.h"
#include "service/effects/verify.h"
#include "workflow/engine/lane_pauses.h"
#include "workflow/machine/lifecycle.h"
#include "x509/asn1/bounds.h"
#include "x509/content/requested_content.h"
#include "x509/judge/advice.h"
#include "x509/judge/render.h"
#include "x509/objects/certificate.h"
#include "x509/objects/csr.h"
#include "x509/objects/spki.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <utility>
#include <variant>

namespace hsmbridge::service {

namespace {

using workflow::Claim;
using workflow::EffectName;
using workflow::EffectOutcome;
using workflow::EventBody;

// kind | what it means to a preparation. It ends only for what no later attempt can change.
constexpr std::array<std::pair<ErrorKind, Retry>, 10> kConsequences{{
    {ErrorKind::invalid_input, Retry::give_up},  // the order cannot be carried out: the token has no such algorithm
    {ErrorKind::conflict, Retry::give_up},       // the label belongs to another key
    {ErrorKind::refused, Retry::give_up},        // policy, or what a provider cannot carry
    {ErrorKind::not_found, Retry::again},        // a key that this token does not have, or not yet
    {ErrorKind::ambiguous, Retry::again},        // two keys, of which somebody may remove one
    {ErrorKind::denied, Retry::again},           // a PIN or an API key, which somebody may correct
    {ErrorKind::unavailable, Retry::again},
    {ErrorKind::outcome_unknown, Retry::again},  // these effects are repeatable: a planned key is looked for first
    {ErrorKind::corrupt, Retry::again},          // an answer that was read wrong once
    {ErrorKind::internal, Retry::again},
}};

// A token's own answer that somebody logged in or does something else there now is not a conflict about the order, and
// its "no" is nobody's policy.
bool is_about_the_moment(const Error& error) {
  const bool of_the_token = !error.detail("ckr").empty();
  return of_the_token && (error.kind() == ErrorKind::refused || error.kind() == ErrorKind::conflict);
}

// A provider tells what is wrong with a request by its list of reasons, or refuses it. What else it fails with while it
// is asked about one (its configuration, an answer of its service) is not about the request.
bool is_about_the_provider(workflow::EffectName effect, const Error& error) {
  const bool asks_it = effect == EffectName::build_draft || effect == EffectName::check_draft;
  return asks_it && (error.kind() != ErrorKind::refused || !error.detail("http").empty());
}

workflow::Problem problem_of(const Error& error) {
  return {std::string(to_string(error.kind())), error.message(), error.hint()};
}

std::string provider_actor(const workflow::Order& order) {
  return "provider:" + order.provider;
}

std::shared_ptr<workflow::Token> token_of(Dependencies& world, const workflow::Order& order) {
  const std::string& token = workflow::enrolment_of(order).token;
  return lane_usable("token", token, [&] { return world.token(token); });
}

EffectOutcome ensure_key(Dependencies& world, const Claim& claim, Instant now) {
  const auto& order = claim.record.order;
  const auto& wanted = workflow::enrolment_of(order);
  if (wanted.key.source == workflow::KeyWish::Source::make) {
    // Before the key is made: one that cannot sign what was ordered would be left over.
    algorithm_for(wanted.content, x509::parse_key_spec(wanted.key.spec));
  }
  auto key = token_of(world, order)->ensure_key(wanted.key);
  EffectOutcome result;
  workflow::KeyRecord record;
  record.token = wanted.token;
  record.label = key.label;
  record.cka_id = key.cka_id;
  record.spec = wanted.key.spec;
  record.spki = key.spki;
  record.status = workflow::status::kActive;
  record.changed_at = now;
  result.key = std::move(record);
  result.event = workflow::KeyReady{std::move(key)};
  return result;
}

std::string summary_of(const workflow::Order& order, const workflow::Key& key, const x509::Csr& csr) {
  std::string names;
  for (const auto& name : csr.content.subject_alternative_names) names += (names.empty() ? "" : ", ") + name.text;
  const auto subject = csr.content.subject.to_string();
  const std::string whose = order.brought_csr().empty()
                                ? fmt::format("key {} in token {}", key.label, order.token())
                                : fmt::format("key of the CSR that was brought ({})", key.label);
  return fmt::format("certificate for {}{}{}{}, {} {}, profile {}", subject,
                     !subject.empty() && !names.empty() ? " (" : "", names,
                     !subject.empty() && !names.empty() ? ")" : "", x509::key_text(csr.spki), whose, order.profile);
}

// A revocation asks for nothing but what its order says: there is no key to use and nothing to sign.
EffectOutcome draft_revocation(const workflow::Revoke& revocation, Instant now) {
  const auto& old = revocation.predecessor;
  const auto certificate = x509::parse_certificate(old.der);
  workflow::Draft draft;
  draft.summary =
      fmt::format("revocation of certificate {} ({}, serial {}), reason {}", old.certificate.substr(0, 16),
                  certificate.subject().to_string(), x509::serial_text(certificate.serial()), revocation.reason);
  if (revocation.since) draft.summary += ", key in wrong hands since " + rfc3339(*revocation.since);
  draft.built_at = now;
  return outcome(workflow::DraftFrozen{std::move(draft)});
}

// What the provider of that name fixes with a draft, and what kind of provider it is.
struct MadeDraft {
  workflow::Draft draft;
  std::vector<std::string> notes;
};
MadeDraft made_draft(Dependencies& world, const workflow::Order& order, const Bytes& csr, Instant now) {
  const auto provider = provider_of(world, order);
  auto added = provider->draft(order, csr, now);
  auto notes = std::move(added.notes);
  MadeDraft made{draft_of(csr, std::move(added), now), std::move(notes)};
  made.draft.provider_type = provider->type();
  return made;
}

// Its name may stand for another kind of provider by now, which would read the draft as if it were its own.
void expect_drafted_for(const workflow::Provider& provider, const workflow::Order& order,
                        const workflow::Draft& draft) {
  if (draft.provider_type.empty() || draft.provider_type == provider.type()) return;
  throw workflow::outdated_draft(fmt::format("the draft was made for provider {} of type {}, whose type is {} now",
                                             order.provider, draft.provider_type, provider.type()));
}

// What was sent to another kind of provider under that name is not this one's to answer for: a CA of this bridge would say
// of an order at a service that it is provably not there.
std::string why_not_its_own(const workflow::Provider& provider, const workflow::Order& order,
                            const workflow::Draft& draft) {
  if (draft.provider_type.empty() || draft.provider_type == provider.type()) return {};
  return fmt::format("it was sent to provider {} when that was of type {}, and its type is {} now: look there",
                     order.provider, draft.provider_type, provider.type());
}

std::shared_ptr<workflow::Provider> provider_sent_to(Dependencies& world, const Claim& claim) {
  auto provider = provider_of(world, claim.record.order);
  if (auto why = why_not_its_own(*provider, claim.record.order, parts_of(claim).draft); !why.empty()) {
    throw Error{ErrorKind::unavailable, std::move(why)}.hint(fmt::format(
        "let {} be that one again in the configuration until this request has ended", claim.record.order.provider));
  }
  return provider;
}

// Nor does a CRL: what it says is its CA's to know.
EffectOutcome draft_crl(Dependencies& world, const workflow::Order& order, Instant now) {
  auto [draft, notes] = made_draft(world, order, {}, now);
  draft.summary = joined(notes, "; ");
  return outcome(workflow::DraftFrozen{std::move(draft)});
}

EffectOutcome sign_csr(Dependencies& world, const Claim& claim) {
  const auto& order = claim.record.order;
  const auto* key = workflow::key_of(claim.record.state);
  if (key == nullptr) throw Error{ErrorKind::internal, "a CSR was asked before the key was ready"};
  const auto signer = token_of(world, order)->signer(*key, workflow::Purpose::csr);
  return outcome(workflow::CsrSigned{create_csr(*signer, workflow::enrolment_of(order).content)});
}

// A key that was brought has its record too, in no token and under its own hash: what compromises it is known then.
workflow::KeyRecord brought_key_record(const workflow::Key& key, const x509::Csr& csr, Instant now) {
  workflow::KeyRecord record;
  record.label = key.label;
  record.cka_id = key.spki.str();
  record.spec = x509::to_string(x509::key_spec_of(csr.spki));
  record.spki = key.spki;
  record.status = workflow::status::kActive;
  record.changed_at = now;
  return record;
}

// In the provider's lane: its limits hold, and a provider that does not answer occupies no place of a token.
EffectOutcome build_draft(Dependencies& world, const Claim& claim, Instant now) {
  const auto& order = claim.record.order;
  if (const auto* revocation = order.revocation()) return draft_revocation(*revocation, now);
  if (order.issues_crl()) return draft_crl(world, order, now);
  const auto* preparing = std::get_if<workflow::Preparing>(&claim.record.state);
  if (preparing == nullptr || !preparing->key || preparing->csr.empty()) {
    throw Error{ErrorKind::internal, "a draft was asked before its CSR was signed"};
  }
  auto [draft, notes] = made_draft(world, order, preparing->csr, now);
  const auto csr = x509::parse_csr(draft.csr);
  draft.summary = summary_of(order, *preparing->key, csr);
  for (const auto& note : x509::advice(csr.content)) draft.summary += "; " + note;
  for (const auto& note : notes) draft.summary += "; " + note;
  auto frozen = outcome(workflow::DraftFrozen{std::move(draft)});
  if (!order.brought_csr().empty()) frozen.key = brought_key_record(*preparing->key, csr, now);
  return frozen;
}

// Whoever made the key: it may be compromised or listed since it was ordered, and a new one is seen here first.
std::vector<std::string> bad_key_reasons(Dependencies& world, const CallParts& parts) {
  std::vector<std::string> reasons;
  const auto csr = x509::parse_csr(parts.draft.csr);
  for (const CsrFault& fault : faults_of_key(csr.spki, world.weak_keys(), &world.records())) {
    reasons.push_back(sentence_of(fault));
  }
  return reasons;
}

constexpr const char* kNewKeyHint = "make a new key, or ask for a CSR of a new one";

EffectOutcome check_draft(Dependencies& world, const Claim& claim, Instant now, Duration time_limit) {
  const auto& order = claim.record.order;
  const auto parts = parts_of(claim);
  const auto provider = provider_of(world, order);
  const auto* revokes = order.revocation();
  const auto able = provider->capabilities();
  std::vector<std::string> reasons;
  if (revokes != nullptr && !able.revoke) {
    reasons.push_back(fmt::format("a {} provider revokes nothing", provider->type()));
  } else if (revokes != nullptr && revokes->reason == workflow::kCertificateHold && !able.revoke_hold) {
    reasons.push_back(fmt::format("a {} provider puts nothing on hold", provider->type()));
  } else {
    try {
      expect_drafted_for(*provider, order, parts.draft);
      reasons = provider->check(call_of(world, claim, parts, now, time_limit));
      if (reasons.empty() && order.brings_certificate()) reasons = fatal_once_signed(order, parts.draft, now);
    } catch (const Error& error) {
      if (!workflow::says_draft_is_outdated(error)) throw;
      return outcome(workflow::DraftTooOld{now - parts.draft.built_at, x509::bounded(error.message())});
    }
  }
  if (order.brings_certificate()) {
    if (const auto bad = bad_key_reasons(world, parts); !bad.empty()) {
      return outcome(workflow::DraftRefused{
          {std::string(to_string(ErrorKind::refused)),
           "the key of this request gets no certificate\n  - " + joined(bad, "\n  - "), kNewKeyHint}});
    }
  }
  if (reasons.empty()) {
    return outcome(workflow::DraftAccepted{order.wants_approval() ? world.records().latest_known() : Instant{}});
  }
  std::string message = revokes != nullptr   ? fmt::format("{} cannot carry this revocation", order.provider)
                        : order.issues_crl() ? fmt::format("{} cannot have this CRL signed", order.provider)
                                             : fmt::format("{} cannot carry out this request as profile {} requires",
                                                           order.provider, order.profile);
  for (const auto& reason : reasons) message += "\n  - " + reason;
  return outcome(workflow::DraftRefused{
      {std::string(to_string(ErrorKind::refused)), message,
       revokes != nullptr   ? "have it revoked where the CA takes revocations"
       : order.issues_crl() ? ""
       // What would not verify below a CA, or is not in its own profile, nobody accepts by name.
       : able.full_profile ? "ask for something else, or change the profile or what the CA permits"
                           : "change the profile, or let it accept each of these by name (accept: […])"}});
}

workflow::SubmissionNotAccepted too_late(const Claim& claim) {
  return {claim.effect.attempt,
          {std::string(to_string(ErrorKind::unavailable)),
           fmt::format("the deadline of the call was over before provider {} was ready: nothing was sent",
                       claim.record.order.provider),
           ""},
          std::nullopt};
}

// What a call said, as the event of its kind; or its result, where the answer held one. A certificate that is not valid
// yet is explained with the provider's clock as it was then.
template <class Said>
EventBody heard(Said said, unsigned attempt, workflow::Report report, const workflow::Provider& provider) {
  auto& status = static_cast<workflow::StatusReport&>(report);
  if (!report.result) {
    said.report = std::move(status);
    return said;
  }
  workflow::IssuedResult result = *std::move(report.result);
  if (!result.clock_ahead) result.clock_ahead = provider.server_ahead();
  return workflow::ResultReceived{attempt, std::move(status), std::move(result)};
}

EffectOutcome submit(Dependencies& world, const Claim& claim, Instant now, Duration time_limit) {
  const unsigned attempt = claim.effect.attempt;
  const auto actor = provider_actor(claim.record.order);
  std::shared_ptr<workflow::Provider> provider;
  try {
    // It was looked at with the draft, which may be days ago.
    if (claim.record.order.brings_certificate()) {
      if (const auto fault = compromised(&world.records(), parts_of(claim).key.spki)) {
        return outcome(workflow::SubmissionRefused{
            attempt, {std::string(to_string(ErrorKind::refused)), sentence_of(*fault), kNewKeyHint}});
      }
    }
    if (auto against = against_approvals(world, claim, now)) return outcome(*std::move(against));
    provider = provider_of(world, claim.record.order);
    expect_drafted_for(*provider, claim.record.order, parts_of(claim).draft);
  } catch (...) {
    // It cannot be used now (a file of its configuration is gone): certainly nothing was sent.
    auto error = current_error();
    const bool outdated = workflow::says_draft_is_outdated(error);
    auto result = outcome(workflow::SubmissionNotAccepted{attempt, problem_of(error), std::nullopt, {}, outdated});
    if (!outdated) result.lane_trouble = std::move(error);
    return result;
  }
  // Making the provider may have waited for a token or a file: what is left counts from the journalled deadline.
  if (claim.call_until) {
    time_limit = std::min(time_limit, claim.call_until->left());
    if (time_limit <= Duration::zero()) return outcome(too_late(claim));
  }
  try {
    const auto parts = parts_of(claim);
    auto answer = provider->submit(call_of(world, claim, parts, now, time_limit));
    if (auto* accepted = std::get_if<workflow::Accepted>(&answer)) {
      return outcome(heard(workflow::SubmissionAnswered{attempt, {}}, attempt, std::move(accepted->report), *provider),
                     actor);
    }
    if (auto* not_accepted = std::get_if<workflow::NotAccepted>(&answer)) {
      auto result =
          outcome(workflow::SubmissionNotAccepted{attempt, problem_of(not_accepted->error), not_accepted->retry_after,
                                                  std::move(not_accepted->remember),
                                                  workflow::says_draft_is_outdated(not_accepted->error)},
                  actor);
      result.retry_after = not_accepted->retry_after;
      if (workflow::says_lane_is_down(not_accepted->error)) result.lane_trouble = not_accepted->error;
      return result;
    }
    if (auto* refused = std::get_if<workflow::RefusedForGood>(&answer)) {
      return outcome(workflow::SubmissionRefused{attempt, problem_of(refused->error)}, actor);
    }
    return outcome(workflow::AnswerLost{attempt, std::get<workflow::OutcomeUnknown>(answer).why});
  } catch (...) {
    // Whatever escaped, something may have been sent: the attempt is over and its fate is looked up, never guessed.
    return outcome(workflow::AnswerLost{attempt, "an error of this program: " + current_error().message()});
  }
}

EffectOutcome look_up(Dependencies& world, const Claim& claim, Instant now, Duration time_limit) {
  const unsigned attempt = claim.effect.attempt;
  const auto actor = provider_actor(claim.record.order);
  const auto parts = parts_of(claim);
  const auto provider = provider_of(world, claim.record.order);
  if (auto why = why_not_its_own(*provider, claim.record.order, parts.draft); !why.empty()) {
    return outcome(workflow::LookUpInconclusive{attempt, std::move(why)}, actor);
  }
  auto answer = provider->look_up(call_of(world, claim, parts, now, time_limit));
  if (auto* found = std::get_if<workflow::Found>(&answer)) {
    return outcome(heard(workflow::FoundAtProvider{attempt, {}}, attempt, std::move(found->report), *provider), actor);
  }
  if (std::holds_alternative<workflow::Absent>(answer)) return outcome(workflow::AbsentAtProvider{attempt}, actor);
  return outcome(workflow::LookUpInconclusive{attempt, std::get<workflow::CannotTell>(answer).why}, actor);
}

EffectOutcome reported(const Claim& claim, workflow::Report report, const workflow::Provider& provider) {
  EffectOutcome result;
  result.retry_after = report.retry_after;
  result.actor = provider_actor(claim.record.order);
  if (report.result || workflow::changes_something(claim.record.state, report)) {
    result.event = heard(workflow::Reported{}, 0, std::move(report), provider);
  }
  return result;
}

EffectOutcome poll(Dependencies& world, const Claim& claim, Instant now, Duration time_limit) {
  const auto parts = parts_of(claim);
  const auto provider = provider_sent_to(world, claim);
  return reported(claim, provider->poll(call_of(world, claim, parts, now, time_limit)), *provider);
}

EffectOutcome retrieve(Dependencies& world, const Claim& claim, Instant now, Duration time_limit) {
  const auto parts = parts_of(claim);
  const auto provider = provider_sent_to(world, claim);
  auto report = provider->retrieve(call_of(world, claim, parts, now, time_limit));
  if (!report.result && report.status == workflow::RequestStatus::handed_out) {
    return outcome(workflow::NothingHandedOut{report.message.empty()
                                                  ? "the provider handed the result out before and keeps no copy"
                                                  : report.message},
                   provider_actor(claim.record.order));
  }
  return reported(claim, std::move(report), *provider);
}

const workflow::TargetState* target_of(const Claim& claim) {
  const auto* installing = std::get_if<workflow::Installing>(&claim.record.state);
  if (installing == nullptr) return nullptr;
  for (const auto& candidate : installing->targets) {
    if (candidate.target.name == claim.effect.target) return &candidate;
  }
  return nullptr;
}

// A hook tells its runs apart by it: no two have the same, also when one of them brought no event (it was stopped, the
// process died).
unsigned attempt_at(const Claim& claim, const workflow::TargetState& target) {
  return target.failures + claim.failures + claim.crashes + 1;
}

EffectOutcome install(Dependencies& world, const Claim& claim, Instant now, Duration time_limit) {
  const auto& order = claim.record.order;
  const auto* installing = std::get_if<workflow::Installing>(&claim.record.state);
  if (installing == nullptr) throw Error{ErrorKind::internal, "there is nothing to install"};
  const auto* target = target_of(claim);
  if (target == nullptr) {
    throw Error{ErrorKind::internal,
                fmt::format("request {} has no install target {}", order.id.str(), claim.effect.target)};
  }
  const auto record = world.records().certificate(installing->certificate);
  if (!record) {
    throw Error{ErrorKind::corrupt, fmt::format("the certificate {} is not in the store", installing->certificate)};
  }
  // It may have changed since it was verified, and would take the place of one that works.
  namespace status = workflow::status;
  for (const auto* unfit : {status::kRevoking, status::kRevoked, status::kHeld, status::kQuarantined}) {
    if (record->status != unfit) continue;
    return outcome(workflow::TargetSkipped{target->target.name, fmt::format("certificate {} is {}: it is not installed",
                                                                            record->fingerprint.substr(0, 12), unfit)});
  }
  if (const auto fault = compromised(&world.records(), record->spki)) {
    return outcome(workflow::TargetSkipped{target->target.name, fault->explanation + ": it is not installed"});
  }
  // A place that took long to answer: what is newer may be there by now.
  if (world.records().replaced_at(record->fingerprint, target->target.name)) {
    return outcome(workflow::TargetSkipped{target->target.name, "the certificate that took its place is there"});
  }
  refuse_foreign_hook(target->target, order.profile, world.hook_of(order.profile));
  const auto parts = parts_of(claim);
  install_certificate(world, {order, parts.key, parts.draft, parts.submission, attempt_at(claim, *target)},
                      target->target, *record, now, time_limit);
  return outcome(workflow::TargetInstalled{target->target.name});
}

EffectOutcome withdraw(Dependencies& world, const Claim& claim, Instant now, Duration time_limit) {
  const auto parts = parts_of(claim);
  const auto provider = provider_sent_to(world, claim);
  auto answer = provider->cancel(call_of(world, claim, parts, now, time_limit));
  const auto actor = provider_actor(claim.record.order);
  if (auto* report = std::get_if<workflow::Report>(&answer)) {
    return outcome(heard(workflow::CancelAnswered{}, 0, std::move(*report), *provider), actor);
  }
  return outcome(workflow::CancelImpossible{std::get<workflow::CancelNotPossible>(answer).why}, actor);
}

// The event that an error becomes when its effect gives up; nothing for effects that are always tried again.
std::optional<EventBody> surrender(const Claim& claim, const Error& error) {
  switch (claim.effect.name) {
    case EffectName::ensure_key:
    case EffectName::sign_csr:
    case EffectName::build_draft:
      return workflow::PreparationFailed{problem_of(error)};
    case EffectName::check_draft:
      return workflow::DraftRefused{problem_of(error)};
    case EffectName::install: {
      const auto* target = target_of(claim);
      return workflow::TargetFailed{claim.effect.target, problem_of(error),
                                    target == nullptr ? 0 : attempt_at(claim, *target)};
    }
    default:
      return std::nullopt;
  }
}

// What the certificate renews, and what that renewed, newest first.
std::vector<workflow::CertificateRecord> ancestors_of(Dependencies& world, const workflow::CertificateRecord& record) {
  constexpr std::size_t kMost = 100;  // whatever a damaged store says, this ends
  std::vector<workflow::CertificateRecord> older;
  std::string next = record.predecessor;
  while (!next.empty() && older.size() < kMost) {
    auto found = world.records().certificate(next);
    if (!found) break;
    next = found->predecessor;
    older.push_back(std::move(*found));
  }
  return older;
}

// All of them: one may have failed to get to a place.
std::vector<Bytes> renewed_by(Dependencies& world, const workflow::CertificateRecord& record) {
  std::vector<Bytes> ders;
  for (auto& older : ancestors_of(world, record)) ders.push_back(std::move(older.der));
  return ders;
}

bool is_renewed_by(Dependencies& world, const std::string& fingerprint, const workflow::CertificateRecord& record) {
  const auto older = ancestors_of(world, record);
  return std::any_of(older.begin(), older.end(), [&](const auto& one) { return one.fingerprint == fingerprint; });
}

// What a certificate that stands in a file is to the one that shall take its place.
Present standing_of(Dependencies& world, const std::string& fingerprint, const workflow::CertificateRecord& record) {
  const auto found = world.records().certificate(fingerprint);
  if (!found) return Present::unknown;
  namespace status = workflow::status;
  for (const auto* over : {status::kSuperseded, status::kExpired, status::kRevoked}) {
    if (found->status == over) return Present::replaceable;
  }
  const bool related = fingerprint == record.fingerprint || is_renewed_by(world, fingerprint, record) ||
                       is_renewed_by(world, record.fingerprint, *found);
  return related ? Present::replaceable : Present::in_use;
}

}  // namespace

void install_certificate(Dependencies& world, const Installation& of, const workflow::InstallTarget& target,
                         const workflow::CertificateRecord& record, Instant now, Duration time_limit) {
  const auto kind = kind_of(target);
  if (kind == "token") {
    token_of(world, of.order)
        ->put_certificate(of.key, record.der,
                          keeps_predecessor(target) ? std::vector<Bytes>{} : renewed_by(world, record));
  } else if (kind == "file") {
    install_file(target, record,
                 {[&](const std::string& fingerprint) { return standing_of(world, fingerprint, record); },
                  [&world](const std::string& fingerprint) { return world.records().is_issuer(fingerprint); }});
  } else if (kind == "hook") {
    install_hook(target, record, {of.order.id, of.attempt, of.order.token(), of.key.uri}, time_limit);
  } else {
    const unsigned attempt = of.submission == nullptr ? 1U : of.submission->attempt;
    provider_of(world, of.order)
        ->confirm({of.order, of.key, of.draft, attempt, of.submission, now, time_limit, std::nullopt},
                  {record.der, record.chain});
  }
}

Retry consequence_of(workflow::EffectName effect, const Error& error) {
  if (effect == EffectName::install) {
    const bool later = error.kind() == ErrorKind::unavailable || error.kind() == ErrorKind::outcome_unknown;
    return later ? Retry::again : Retry::give_up;
  }
  if (is_about_the_moment(error) || is_about_the_provider(effect, error)) return Retry::again;
  for (const auto& [row, then] : kConsequences) {
    if (row == error.kind()) return then;
  }
  return Retry::again;
}

EffectOutcome Effects::dispatch(const Claim& claim, Instant now, Duration time_limit) {
  switch (claim.effect.name) {
    case EffectName::ensure_key:
      return ensure_key(world_, claim, now);
    case EffectName::sign_csr:
      return sign_csr(world_, claim);
    case EffectName::build_draft:
      return build_draft(world_, claim, now);
    case EffectName::check_draft:
      return check_draft(world_, claim, now, time_limit);
    case EffectName::submit:
      return submit(world_, claim, now, time_limit);
    case EffectName::look_up:
      return look_up(world_, claim, now, time_limit);
    case EffectName::poll:
      return poll(world_, claim, now, time_limit);
    case EffectName::retrieve:
      return retrieve(world_, claim, now, time_limit);
    case EffectName::verify:
      return verify(world_, claim, now, time_limit);
    case EffectName::install:
      return install(world_, claim, now, time_limit);
    case EffectName::withdraw:
      return withdraw(world_, claim, now, time_limit);
    case EffectName::answer_overdue:
    case EffectName::deadline:
    case EffectName::draft_age:
    case EffectName::approvals_due:
    case EffectName::command_over:
      break;
  }
  throw Error{ErrorKind::internal, fmt::format("{} is a timer of the engine", to_string(claim.effect.name))};
}

EffectOutcome Effects::run(const Claim& claim, Instant now, Duration time_limit) {
  try {
    return dispatch(claim, now, time_limit);
  } catch (...) {
    const auto error = current_error();
    if (!workflow::says_lane_is_down(error) && consequence_of(claim.effect.name, error) == Retry::give_up) {
      if (auto event = surrender(claim, error)) return outcome(std::move(*event));
    }
    throw error;
  }
}

}  // namespace hsmbridge::service
