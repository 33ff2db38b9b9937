#include "providers/local/provider.h"

#include "base/error.h"
#include "ca/examine.h"
#include "ca/issue.h"
#include "ca/lint.h"
#include "ca/scope.h"
#include "providers/bundle.h"
#include "providers/following.h"
#include "providers/issuing.h"
#include "providers/local/parts.h"
#include "workflow/ports/revocation_of.h"
#include "x509/objects/pem_file.h"
#include "x509/objects/spki.h"

#include <fmt/core.h>

#include <utility>

namespace hsmbridge::local {

using namespace workflow;
using providers::parsed;

namespace {

// The certificate that the CA has already which the order cross-signs.
std::optional<x509::Certificate> cross_signed_by(const Order& order) {
  const Bytes& existing = enrolment_of(order).cross_signs;
  return existing.empty() ? std::nullopt : std::optional(x509::parse_certificate(existing));
}

}  // namespace

std::string drafted_state(const std::string& linted_by, const std::string& key, ByteView to_be_signed) {
  if (key.empty()) return providers::stored({{"linted_by", linted_by}, {"linted_sha256", hex(sha256(to_be_signed))}});
  return providers::stored({{"linted_by", linted_by}, {"linted_sha256", hex(sha256(to_be_signed))}, {"key", key}});
}

std::string why_not_as_drafted(const Draft& draft, const std::string& linted_by, const std::string& key) {
  struct Drafted {
    std::string by, sha256, key;
  };
  const auto drafted = providers::stored_state<Drafted>(draft.provider_state, [](const providers::Members& in) {
    return Drafted{in.text("linted_by"), in.text("linted_sha256"), in.text("key")};
  });
  if (drafted.sha256 != hex(sha256(draft.to_be_signed))) return "the draft was not linted as it is";
  if (drafted.by != linted_by) return fmt::format("the draft was linted by {}, and {} lint now", drafted.by, linted_by);
  if (!drafted.key.empty() && drafted.key != key)  // drafts of earlier versions do not say
    return fmt::format("the draft was for {}, and {} would sign it now", drafted.key, key);
  return "";
}

workflow::Capabilities declared_capabilities() {
  return {.complete_look_up = true, .full_profile = true, .revoke = true, .revoke_since = true};
}

workflow::Capabilities with_key_at(const workflow::Capabilities& there) {
  Capabilities can = declared_capabilities();
  // A signature is somewhere else until it is fetched, and who must approve it is there.
  can.complete_look_up = there.complete_look_up;
  can.cancel = there.cancel;
  can.shows_approvers = there.shows_approvers;
  can.shows_quorum = there.shows_quorum;
  can.result_once = there.result_once;
  return can;
}

workflow::Capabilities LocalProvider::capabilities() const {
  return dependencies_.service ? with_key_at(dependencies_.service->capabilities()) : declared_capabilities();
}

LocalProvider::LocalProvider(Settings settings, Dependencies dependencies, const Clock& clock)
    : settings_(std::move(settings)),
      dependencies_(std::move(dependencies)),
      clock_(clock),
      linters_(make_linters(settings_.linters, clock)) {
  if (settings_.serial_log) serial_log_.emplace(*settings_.serial_log);
}

// ---- who issues -----------------------------------------------------------------------------------------------------

x509::Certificate LocalProvider::certificate() const {
  try {
    return x509::parse_certificate(x509::certificate_in_file(settings_.certificate, x509::Given::to_be_believed));
  } catch (Error& error) {
    if (error.kind() == ErrorKind::not_found) {
      error.hint(fmt::format("make the CA: hsmbridge ca init {}{}", settings_.name,
                             settings_.root ? "" : " --parent PROVIDER"));
    }
    throw;
  }
}

std::vector<Bytes> LocalProvider::chain() const {
  return settings_.chain ? providers::chain_in_file(settings_.name, *settings_.chain) : std::vector<Bytes>{};
}

ca::Path LocalProvider::path_above(const x509::Certificate& issuer, const Order& order) const {
  return ca::path_above(issuer, parsed(chain()), parsed(dependencies_.anchors(order)));
}

std::vector<ca::Unfitness> LocalProvider::unfitness(const ca::Path& path, Instant now) const {
  std::vector<ca::Unfitness> found = unfitness_of_path(path, now);
  try {
    expect_not_suspended(path.authorities.front().subject());
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::refused) throw;
    found.push_back({fmt::format("{}; {}", error.message(), error.hint()), std::nullopt});
  }
  return found;
}

std::vector<ca::Unfitness> LocalProvider::unfitness_of_path(const ca::Path& path, Instant now) const {
  std::vector<ca::Unfitness> found = ca::unfitness(path, now);
  // Also above an anchor, where the path ends.
  std::vector<x509::Certificate> issuers = parsed(chain());
  issuers.insert(issuers.end(), path.authorities.begin(), path.authorities.end());
  for (const x509::Certificate& one : path.authorities) {
    const std::string name = one.subject().to_string();
    if (const auto revoked = revocation_of(dependencies_.revocations(), one, issuers)) {
      found.push_back({fmt::format("the certificate of \"{}\" (serial number {}) was revoked {}", name, revoked->serial,
                                   rfc3339(revoked->revoked_at)),
                       std::nullopt});
    }
    if (!dependencies_.spent) continue;
    if (const std::string word = dependencies_.spent(x509::spki_hash(one.spki())); !word.empty()) {
      found.push_back({fmt::format("the key of \"{}\" is recorded as {}", name, word), std::nullopt});
    }
  }
  return found;
}

std::vector<x509::Certificate> LocalProvider::authorities() const {
  return dependencies_.authorities ? parsed(dependencies_.authorities()) : std::vector<x509::Certificate>{};
}

void LocalProvider::expect_not_suspended(const x509::Name& issuer) const {
  if (!dependencies_.suspended) return;
  if (const auto why = dependencies_.suspended(issuer_id(issuer))) {
    throw Error{ErrorKind::refused, fmt::format("the CA {} signs nothing: {}", settings_.name, *why)}.hint(
        fmt::format("give it its last CRL and what it has issued: hsmbridge ca resume {}", settings_.name));
  }
}

const ca::Profile& LocalProvider::profile_of(const std::string& request_profile) const {
  if (const ca::Profile* const profile = settings_.profile_for(request_profile)) return *profile;
  throw Error{ErrorKind::invalid_input,
              fmt::format("provider {} has no profile for requests of the profile {}", settings_.name, request_profile)}
      .hint(fmt::format("add one: providers: {}: profiles: {}: …, or name it under `for` of one that is there",
                        settings_.name, request_profile));
}

std::string LocalProvider::remedy() const {
  return fmt::format("correct `certificate` or `chain` of provider {}, or the profile's `anchors`", settings_.name);
}

// Committed before anything is built with it. Random numbers of 158 bits do not meet; where they do, somebody's random
// source is broken.
Bytes LocalProvider::take_serial(const x509::Name& issuer, const std::string& request, Instant now,
                                 std::optional<Instant> ends) {
  constexpr int kMostTries = 3;
  SerialNumbers& serials = dependencies_.serials();
  for (int tries = 0; tries < kMostTries; ++tries) {
    Bytes serial = x509::random_serial();
    TakenSerial taken{issuer_id(issuer), x509::serial_text(serial), request, now};
    if (ends) taken.not_after = *ends;
    if (const CrlPlace* const shard = ends ? shard_of(serial) : nullptr) taken.distribution_point = shard->url;
    if (serials.take_serial(taken)) return serial;
  }
  throw Error{ErrorKind::internal, fmt::format("{} random serial numbers in a row were taken before under {}",
                                               kMostTries, issuer.to_string())}
      .hint("this machine's source of random numbers gives the same again");
}

// ---- what is wrong with it --------------------------------------------------------------------------------------------

std::vector<ca::LintFinding> LocalProvider::findings(ByteView to_be_signed, const ca::Profile& profile, Instant now) {
  std::vector<ca::LintFinding> all = ca::lint(to_be_signed, profile.rules, now);
  ask_linters(ca::Artefact::certificate, to_be_signed, all);
  return all;
}

void LocalProvider::ask_linters(ca::Artefact artefact, ByteView to_be_signed, std::vector<ca::LintFinding>& found) {
  for (const auto& linter : linters_) {
    if (!linter->reads(artefact)) continue;
    for (ca::LintFinding& finding : linter->lint(artefact, to_be_signed)) found.push_back(std::move(finding));
  }
}

std::string LocalProvider::linted_by(ca::Artefact artefact) {
  std::string all = "built-in";
  for (const auto& linter : linters_) {
    if (linter->reads(artefact)) all += ", " + linter->said_by(artefact);
  }
  return all;
}

// ---- a certificate --------------------------------------------------------------------------------------------------

ProviderDraft LocalProvider::draft(const Order& order, ByteView csr, Instant now) {
  return order.issues_crl() ? draft_crl(order, now) : drafted(order, csr, now, Number::taken);
}

ProviderDraft LocalProvider::trial_draft(const Order& order, ByteView csr, Instant now) {
  return drafted(order, csr, now, Number::nobodys);
}

ProviderDraft LocalProvider::drafted(const Order& order, ByteView csr, Instant now, Number number) {
  if (!order.brings_certificate()) {
    throw Error{ErrorKind::refused, fmt::format("provider {} only issues certificates", settings_.name)};
  }
  const ca::Profile& rules = profile_of(order.profile);
  const x509::Certificate issuer = certificate();
  providers::expect_fit(settings_.name, unfitness(path_above(issuer, order), now), remedy());
  expect_begun_here(issuer);
  const x509::SignatureAlgorithm& algorithm = ca::issuing_algorithm(settings_.algorithm, issuer);
  const Instant ends = ca::validity_of(rules, issuer.tbs.validity, enrolment_of(order).content.validity, now).not_after;
  const Bytes serial =
      number == Number::taken ? take_serial(issuer.subject(), order.id.str(), now, ends) : x509::random_serial();
  const ca::Profile profile = rules_for(order, serial);
  ProviderDraft draft;
  const std::optional<x509::Certificate> cross_signed = cross_signed_by(order);
  draft.to_be_signed =
      ca::draft_to_be_signed(ca::ProfileTerms{algorithm, profile, serial, cross_signed ? &*cross_signed : nullptr},
                             issuer, enrolment_of(order).content, csr, now);
  draft.algorithm = std::string(algorithm.name);
  draft.issuer = issuer.der;
  const auto found = findings(draft.to_be_signed, profile, now);
  ca::refuse_errors(found);
  for (const ca::LintFinding& finding : found) draft.notes.push_back("lint: " + ca::to_string(finding));
  draft.provider_state = drafted_state(linted_by(ca::Artefact::certificate), key_place(), draft.to_be_signed);
  if (!profile.policy_url.empty()) draft.notes.push_back("policy: " + profile.policy_url);
  if (cross_signed) {
    draft.notes.push_back(fmt::format("cross-signs a CA that has a certificate of \"{}\" (serial number {}, until {})",
                                      cross_signed->issuer().to_string(), x509::serial_text(cross_signed->serial()),
                                      rfc3339(cross_signed->tbs.validity.not_after)));
  }
  if (dependencies_.service) draft.notes.push_back("signed by " + key_place());
  return draft;
}

std::vector<std::string> LocalProvider::check(const ProviderCall& call) {
  if (call.order.revocation() != nullptr) return revocation_objections(*call.order.predecessor());
  std::vector<std::string> reasons = call.order.issues_crl() ? judge_crl(call) : judge(call);
  return reasons.empty() && dependencies_.service ? check_with_service(call) : reasons;
}

std::vector<std::string> LocalProvider::judge(const ProviderCall& call) {
  using Csr = ca::Draft::Csr;
  const Draft& draft = call.draft;
  if (draft.to_be_signed.empty() || draft.issuer.empty()) {
    throw outdated_draft("the draft holds no TBSCertificate or no issuer");
  }
  const ca::Profile profile =
      rules_for(call.order, settings_.has_shards() ? x509::parse_tbs_certificate(draft.to_be_signed).serial : Bytes{});
  const std::optional<x509::Certificate> cross_signed = cross_signed_by(call.order);
  const x509::Certificate now = certificate();
  const x509::Certificate drafted = x509::parse_certificate(draft.issuer);
  const ca::Path above = path_above(drafted, call.order);
  const x509::Content& asked = enrolment_of(call.order).content.content;
  ca::Draft to_judge{draft.to_be_signed,
                     draft.csr,
                     draft.algorithm,
                     draft.built_at,
                     call.key.spki.empty() ? Csr::has_no_key_yet : Csr::is_signed,
                     &profile,
                     &asked,
                     cross_signed ? &*cross_signed : nullptr};
  const auto& usage = asked.key_usage ? asked.key_usage : profile.key_usage;  // as ca::completed gives it
  const bool signs_crls = usage && usage->has(x509::KeyUsage::crl_sign);
  if (ca::holder_of(asked) == ca::Holder::authority || signs_crls) to_judge.others = authorities();
  ca::DraftFaults faults = ca::check_to_be_signed(to_judge, now, above, call.now);
  if (settings_.operator_command && !call.order.wants_command) {
    faults.reasons.push_back(
        fmt::format("provider {} signs on an operator's command alone (operator_command), and the "
                    "request was made without one",
                    settings_.name));
  }
  if (cross_signed) {
    for (std::string& reason : against_cross_signing(*cross_signed, drafted, call.now)) {
      faults.reasons.push_back("what is to be cross-signed: " + std::move(reason));
    }
  }
  const std::vector<ca::Unfitness> unfit = unfitness(above, call.now);
  if (!faults.reasons.empty()) {
    for (const ca::Unfitness& one : unfit) faults.reasons.push_back(one.why);
    return std::move(faults.reasons);
  }
  if (!faults.outdated.empty()) throw outdated_draft(faults.outdated.front());
  expect_number_unused(x509::parse_tbs_certificate(draft.to_be_signed));
  if (std::string why = why_not_as_drafted(draft, linted_by(ca::Artefact::certificate), key_place()); !why.empty())
    throw outdated_draft(std::move(why));
  providers::expect_fit(settings_.name, unfit, remedy());
  const auto distrust = providers::distrust(drafted, parsed(chain()), parsed(dependencies_.anchors(call.order)),
                                            call.order.profile, call.now);
  if (!distrust.empty()) {
    throw Error{ErrorKind::unavailable,
                providers::lines(fmt::format("provider {} cannot issue now:", settings_.name), distrust)}
        .hint(remedy());
  }
  // On the day of the draft it was in order.
  for (const ca::LintFinding& finding : ca::lint(draft.to_be_signed, profile.rules, call.now)) {
    if (finding.severity == ca::LintSeverity::error) throw outdated_draft(ca::to_string(finding));
  }
  return {};
}

// A draft that is older than the backup from which its store came may have been signed since, by the store that was
// lost: there is one certificate a number.
void LocalProvider::expect_number_unused(const x509::TbsCertificate& tbs) const {
  const std::string issuer = issuer_id(tbs.issuer);
  const std::string serial = x509::serial_text(tbs.serial);
  const bool is_known = dependencies_.signed_elsewhere && dependencies_.signed_elsewhere(issuer, serial);
  if (is_known || dependencies_.revocations().revocation(issuer, serial)) {
    throw outdated_draft(
        fmt::format("a certificate with the serial number {} was signed before this store was "
                    "restored",
                    serial));
  }
}

SubmitAnswer LocalProvider::submit(const ProviderCall& call) {
  if (const Revoke* const revocation = call.order.revocation()) return revoke(call, *revocation);
  if (dependencies_.service) return submit_to_service(call);
  const Draft& draft = call.draft;
  const auto late = [&] { return call.call_until && clock_.since_boot() >= *call.call_until; };
  // Everything before the one signature: whatever fails here, nothing was signed.
  std::optional<ca::LintedTbs> linted;
  std::unique_ptr<x509::Signer> key;
  std::string serial;
  try {
    // It was checked, and may have waited for days since.
    if (const std::vector<std::string> reasons = judge(call); !reasons.empty()) {
      return RefusedForGood{Error{
          ErrorKind::refused, providers::lines(fmt::format("provider {} does not sign it:", settings_.name), reasons)}};
    }
    const x509::TbsCertificate tbs = x509::parse_tbs_certificate(draft.to_be_signed);
    const x509::Certificate issuer = x509::parse_certificate(draft.issuer);
    try {
      linted = ca::LintedTbs::of(draft.to_be_signed, profile_of(call.order.profile).rules, call.now);
    } catch (const Error& error) {
      return NotAccepted{outdated_draft(error.message()), std::nullopt};  // on the day of the draft it was in order
    }
    serial = x509::serial_text(tbs.serial);
    key = dependencies_.open(Purpose::certificate, x509::spki_hash(issuer.spki()),
                             facts_of(settings_.name, call.order.id.str(), tbs), call.time_limit / 2);
    log_serial(tbs);
  } catch (const Error& error) {
    return NotAccepted{error, std::nullopt};
  }
  if (late()) {
    return NotAccepted{Error{ErrorKind::unavailable, "the deadline of the call was over before the key was opened"},
                       std::nullopt};
  }
  Bytes signature;
  try {
    signature = ca::sign(*linted, *key, x509::signature_algorithm(draft.algorithm));
  } catch (const Error& error) {
    const ErrorKind kind = error.kind();
    if (kind == ErrorKind::outcome_unknown || kind == ErrorKind::corrupt || kind == ErrorKind::internal) {
      return OutcomeUnknown{error.message()};
    }
    return NotAccepted{error, std::nullopt};
  }
  // Another attempt may be at work.
  if (late()) return OutcomeUnknown{"the token answered after the deadline of the call, and its answer was dropped"};
  Report report;
  report.status = RequestStatus::handed_out;
  report.provider_status = "signed";
  report.reference = ProviderReference(serial);
  report.result = IssuedResult{IssuedSignature{signature}, signature};
  return Accepted{std::move(report)};
}

// What the token signed and nobody stored is nowhere.
LookUpAnswer LocalProvider::look_up(const ProviderCall& call) {
  if (const Revoke* const revocation = call.order.revocation()) return look_revocation_up(call, *revocation);
  if (dependencies_.service) {
    LookUpAnswer answer = dependencies_.service->look_up(call);
    if (auto* const found = std::get_if<Found>(&answer)) found->report = with_key_place(std::move(found->report));
    return answer;
  }
  return Absent{};
}

Report LocalProvider::poll(const ProviderCall& call) {
  if (dependencies_.service && call.order.brings_result()) {
    return with_key_place(dependencies_.service->poll(call));
  }
  return providers::unknown_there(
      "a certificate of this CA is stored with the answer that brings it, or it is not made");
}

Report LocalProvider::retrieve(const ProviderCall& call) {
  if (dependencies_.service && call.order.brings_result()) return dependencies_.service->retrieve(call);
  return poll(call);
}

void LocalProvider::log_serial(const x509::TbsCertificate& tbs) {
  if (!serial_log_) return;
  const std::string id = issuer_id(tbs.issuer);
  serial_log_->append(tbs, [&](const std::string& serial) { return dependencies_.serials().is_taken(id, serial); });
}

CancelAnswer LocalProvider::cancel(const ProviderCall& call) {
  if (dependencies_.service && call.order.brings_result()) return dependencies_.service->cancel(call);
  return CancelNotPossible{"nothing waits at a CA of this bridge"};
}

Issued LocalProvider::certificate_in(const ProviderCall& call, const IssuedResult& result) const {
  const Draft& draft = call.draft;
  if (dependencies_.service) {
    Issued issued = dependencies_.service->certificate_in(call, result);
    for (Bytes& der : chain()) issued.chain.push_back(std::move(der));
    return issued;
  }
  const auto* const signature = std::get_if<IssuedSignature>(&result.product);
  if (signature == nullptr || draft.to_be_signed.empty() || draft.issuer.empty()) {
    throw Error{ErrorKind::corrupt, "there is no signature, or the draft holds no TBSCertificate or no issuer"};
  }
  Issued issued;
  issued.certificate = ca::assemble(draft.to_be_signed, draft.algorithm, draft.issuer, signature->octets);
  issued.chain.push_back(draft.issuer);
  for (Bytes& der : chain()) issued.chain.push_back(std::move(der));
  return issued;
}

std::vector<Bytes> LocalProvider::issuers() const {
  std::vector<Bytes> all{certificate().der};
  for (Bytes& der : chain()) all.push_back(std::move(der));
  return all;
}

void LocalProvider::confirm(const ProviderCall&, const Issued&) {
  throw Error{ErrorKind::invalid_input, fmt::format("provider {} is a CA of this bridge and keeps no certificates: "
                                                    "provider:import is not for it",
                                                    settings_.name)};
}

std::vector<std::string> LocalProvider::test() {
  const x509::Certificate issuer = certificate();
  std::vector<std::string> learnt{
      fmt::format("issues as {} until {}", issuer.subject().to_string(), rfc3339(issuer.tbs.validity.not_after)),
      fmt::format("signs with {}", ca::issuing_algorithm(settings_.algorithm, issuer).name)};
  const ca::Path path = ca::path_above(issuer, parsed(chain()), {});
  providers::expect_fit(settings_.name, unfitness_of_path(path, clock_.now()), remedy());
  try {
    expect_not_suspended(issuer.subject());
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::refused) throw;
    learnt.push_back(error.message());  // its key and its configuration may be in order all the same
  }
  learnt.push_back("certificates are linted by " + linted_by(ca::Artefact::certificate));
  if (settings_.crl) learnt.push_back("CRLs are linted by " + linted_by(ca::Artefact::crl));
  if (dependencies_.service) {
    for (std::string& line : dependencies_.service->test()) learnt.push_back(std::move(line));
    expect_key_at_service(issuer, kByHand);
    learnt.push_back(key_place() + (dependencies_.service->public_key(kByHand)
                                        ? " is the key of the certificate"
                                        : " signs for it; whether it is the certificate's is not shown there (give a "
                                          "key_management API key)"));
    return learnt;
  }
  dependencies_.open(Purpose::certificate, x509::spki_hash(issuer.spki()), Json::object({{"provider", settings_.name}}),
                     kByHand);
  learnt.push_back(
      fmt::format("key {} in token {} is the key of the certificate", settings_.key.key, settings_.key.token));
  return learnt;
}

}  // namespace hsmbridge::local
