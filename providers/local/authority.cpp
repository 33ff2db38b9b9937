#include "base/error.h"
#include "base/file.h"
#include "ca/cross.h"
#include "ca/examine.h"
#include "ca/issue.h"
#include "providers/bundle.h"
#include "providers/issuing.h"
#include "providers/local/parts.h"
#include "providers/local/provider.h"
#include "workflow/machine/lifecycle.h"
#include "workflow/ports/revocation_of.h"
#include "x509/content/extensions.h"
#include "x509/objects/spki.h"

#include <fmt/core.h>

#include <algorithm>
#include <utility>

// The CA itself: its certificate, and what it revoked. Its CRLs are in crls.cpp.
namespace hsmbridge::local {

using namespace workflow;
using providers::parsed;

namespace {

std::string reason_name(unsigned code) {
  const RevocationReason* const row = revocation_reason(code);
  return row == nullptr ? std::to_string(code) : std::string(row->name);
}

// Beside the certificate; who writes the certificate removes it (service/authorities).
std::filesystem::path frozen_root(const std::filesystem::path& certificate) {
  return certificate.string() + ".tbs";
}

// What an earlier try has frozen of a root, and may have signed: nothing else is signed in its place.
std::optional<Bytes> frozen_there(const std::filesystem::path& file, const ca::Root& root,
                                  const x509::SignatureAlgorithm& algorithm, ByteView spki) {
  Bytes there;
  try {
    there = read_file(file);
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::not_found) return std::nullopt;
    throw;
  }
  const auto is_the_same = [&] {
    try {
      const x509::TbsCertificate tbs = x509::parse_tbs_certificate(there);
      return ca::root_to_be_signed(root, algorithm, spki, tbs.serial, tbs.validity.not_before) == there;
    } catch (const Error&) {
      return false;
    }
  };
  if (is_the_same()) return there;
  throw Error{ErrorKind::conflict, fmt::format("{} is what an earlier `ca init` was about to sign, with another key or "
                                               "another configuration than now",
                                               file.string())}
      .hint(
          "set both back and try again; or move the file away, when a second root beside the one that may have been "
          "signed does no harm");
}

}  // namespace

// ---- the CA itself --------------------------------------------------------------------------------------------------

AuthorityKey LocalProvider::key() const {
  AuthorityKey key{settings_.key.token, settings_.key.key,
                   settings_.key_service ? settings_.key_service->provider : std::string{}, std::nullopt};
  try {
    key.certified = x509::spki_hash(certificate().spki());
  } catch (const Error&) {
    // Not there yet, or nobody can read it now: the key is known by its name.
  }
  return key;
}

AuthorityView LocalProvider::view() {
  AuthorityView view;
  view.file = settings_.certificate;
  view.token = settings_.key.token;
  view.key = settings_.key.key;
  if (settings_.key_service) view.key_provider = settings_.key_service->provider;
  view.accept = settings_.key.accept;
  if (settings_.root) {
    view.root_key = settings_.root->key;
    view.root_subject = settings_.root->root.subject;
  }
  view.serial_log = settings_.serial_log;
  for (const Settings::Profile& profile : settings_.profiles) view.profiles.push_back(profile.rules.name);
  try {
    const x509::Certificate issuer = certificate();
    view.certificate = issuer.der;
    view.chain = chain();
    view.serials_taken = dependencies_.serials().serials_taken(issuer_id(issuer.subject()));
    for (const ca::Unfitness& one : unfitness(ca::path_above(issuer, parsed(view.chain), {}), clock_.now())) {
      view.obstacles.push_back(one.why);
    }
    view.revoked = dependencies_.revocations().count_revocations(issuer_id(issuer.subject()), "", clock_.now());
    static_cast<CrlStanding&>(view) = crl_standing();
  } catch (const Error& error) {
    view.obstacles.push_back(error.message());
  }
  return view;
}

Bytes LocalProvider::certify_itself(ByteView spki, Instant now) {
  if (!settings_.root) {
    throw Error{ErrorKind::invalid_input,
                fmt::format("provider {} does not say what its certificate shall say (root: …)", settings_.name)}
        .hint(fmt::format("add  root: {{subject: {{C: CH, O: Example, CN: Example Root}}, validity: 7300d}}; "
                          "or let another CA certify it: hsmbridge ca init {} --parent PROVIDER",
                          settings_.name));
  }
  const x509::SignatureAlgorithm& algorithm = settings_.algorithm.empty()
                                                  ? x509::default_algorithm(x509::key_spec_of(spki))
                                                  : x509::signature_algorithm(settings_.algorithm);
  const ca::Root& root = settings_.root->root;
  const auto frozen = frozen_root(settings_.certificate);
  const std::optional<Bytes> before = frozen_there(frozen, root, algorithm, spki);
  if (!before) {
    // What fails now leaves no number behind under a name that never had a certificate.
    ca::refuse_errors(findings(ca::root_to_be_signed(root, algorithm, spki, x509::random_serial(), now), {}, now));
    dependencies_.open(Purpose::certificate, x509::spki_hash(spki), Json::object({{"provider", settings_.name}}),
                       kByHand);
  }
  const Bytes to_be_signed =
      before ? *before
             : ca::root_to_be_signed(root, algorithm, spki, take_serial(root.subject, "", now, std::nullopt), now);
  ca::refuse_errors(findings(to_be_signed, {}, now));  // by every linter that is configured
  const ca::LintedTbs linted = ca::LintedTbs::of(to_be_signed, {}, now);
  const x509::TbsCertificate tbs = x509::parse_tbs_certificate(linted.octets());
  const auto key =
      dependencies_.open(Purpose::certificate, x509::spki_hash(spki), facts_of(settings_.name, "", tbs), kByHand);
  if (!before) write_file(frozen, to_be_signed, FileMode::private_0600, Existing::refuse);
  log_serial(tbs);
  const Bytes signature = ca::sign(linted, *key, algorithm);
  return x509::assemble_certificate(linted.octets(), algorithm, signature, spki);
}

// ---- other CAs ------------------------------------------------------------------------------------------------------

std::vector<std::string> LocalProvider::against_cross_signing(const x509::Certificate& existing,
                                                              const x509::Certificate& issuer, Instant now) const {
  std::vector<std::string> reasons = ca::against_cross_signing(existing, issuer, now);
  if (const auto revoked = revocation_of(dependencies_.revocations(), existing, authorities())) {
    reasons.push_back(fmt::format("it was revoked {}", rfc3339(revoked->revoked_at)));
  }
  if (dependencies_.spent) {
    if (const std::string word = dependencies_.spent(x509::spki_hash(existing.spki())); !word.empty()) {
      reasons.push_back(fmt::format("its key is recorded as {}", word));
    }
  }
  return reasons;
}

x509::Content LocalProvider::cross_content(const std::string& request_profile, ByteView existing_der, Instant now) {
  const ca::Profile& profile = profile_of(request_profile);
  const x509::Certificate existing = x509::parse_certificate(existing_der);
  std::vector<std::string> reasons = against_cross_signing(existing, certificate(), now);
  x509::Content content = ca::cross_content(profile, existing);
  if (reasons.empty()) reasons = ca::cross_objections(profile, content, existing);
  if (!reasons.empty()) {
    throw Error{ErrorKind::refused,
                providers::lines(fmt::format("the CA {} does not cross-sign the CA \"{}\" by that certificate:",
                                             settings_.name, existing.subject().to_string()),
                                 reasons)};
  }
  return content;
}

// ---- revocation -----------------------------------------------------------------------------------------------------

std::vector<std::string> LocalProvider::revocation_objections(const Predecessor& predecessor) const {
  const x509::Certificate issuer = certificate();
  const x509::Certificate revoked = x509::parse_certificate(predecessor.der);
  // Also what the CA issued with a key that it had before: a name's CRL is about all of them.
  const bool is_own =
      revoked.issuer() == issuer.subject() &&
      (x509::signature_verifies(revoked, issuer.spki()) ||
       dependencies_.serials().is_taken(issuer_id(revoked.issuer()), x509::serial_text(revoked.serial())));
  if (is_own) return {};
  return {fmt::format("the certificate is of {}, and provider {} is {}", revoked.issuer().to_string(), settings_.name,
                      issuer.subject().to_string())};
}

namespace {

// An entry is on one CRL after the end of its certificate (RFC 5280 §3.3): a certificate whose end every CRL that could
// have it lies behind is on none any more.
bool ended_before_crls(Revocations& book, const std::vector<CrlPlace>& places, const RevokedSerial& entry) {
  bool any = false;
  for (const CrlPlace& place : places) {
    const std::string point = place.distribution_point();
    if (!point.empty() && point != entry.distribution_point && entry.distribution_point != kEveryShard) continue;
    const auto last = book.last_crl(entry.issuer, point);
    if (!last || entry.not_after >= last->this_update) return false;
    any = true;
  }
  return any;
}

}  // namespace

SubmitAnswer LocalProvider::revoke(const ProviderCall& call, const Revoke& revocation) {
  std::string earlier;  // what another request has written down
  std::string place = settings_.crl ? fmt::format("it is on the next CRL: hsmbridge ca crl {}", settings_.name)
                                    : fmt::format("provider {} publishes no CRL (`crl`)", settings_.name);
  try {
    if (const auto objections = revocation_objections(revocation.predecessor); !objections.empty()) {
      return RefusedForGood{Error{ErrorKind::refused, objections.front()}};
    }
    const RevocationReason* const reason = revocation_reason(revocation.reason);
    if (reason == nullptr) {
      return RefusedForGood{Error{ErrorKind::invalid_input, "there is no reason " + revocation.reason}};
    }
    const x509::Certificate revoked = x509::parse_certificate(revocation.predecessor.der);
    // Dated back it is what a signature of that time is judged by (TLS Baseline Requirements 7.2.2).
    const Instant since = std::min(revocation.since.value_or(call.now), call.now);
    const RevokedSerial entry{issuer_id(revoked.issuer()),
                              x509::serial_text(revoked.serial()),
                              reason->code,
                              std::chrono::floor<std::chrono::seconds>(since),
                              revoked.tbs.validity.not_after,
                              call.order.id.str(),
                              shard_named_by(revoked)};
    if (ended_before_crls(dependencies_.revocations(), crl_places(), entry)) {
      place = fmt::format("it ended {}, before the last CRL, and is on no CRL", rfc3339(entry.not_after));
    }
    if (!dependencies_.revocations().revoke(entry)) {
      const auto before = dependencies_.revocations().revocation(entry.issuer, entry.serial);
      if (before && before->request != entry.request) {
        earlier = fmt::format("it was revoked before: {}, reason {}, and that stays; ", rfc3339(before->revoked_at),
                              reason_name(before->reason));
      }
    }
  } catch (const Error& error) {
    return NotAccepted{error, std::nullopt};
  }
  Report report;
  report.status = RequestStatus::done;
  report.provider_status = "revoked";
  report.message = earlier + place;
  report.reference = call.order.predecessor()->reference;
  return Accepted{std::move(report)};
}

LookUpAnswer LocalProvider::look_revocation_up(const ProviderCall& call, const Revoke& revocation) {
  const x509::Certificate revoked = x509::parse_certificate(revocation.predecessor.der);
  const auto known =
      dependencies_.revocations().revocation(issuer_id(revoked.issuer()), x509::serial_text(revoked.serial()));
  if (!known || known->request != call.order.id.str()) return Absent{};
  Report report;
  report.status = RequestStatus::done;
  report.provider_status = "revoked";
  report.reference = revocation.predecessor.reference;
  return Found{std::move(report)};
}

}  // namespace hsmbridge::local
