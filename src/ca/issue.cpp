#include "ca/issue.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/text.h"
#include "ca/cross.h"
#include "ca/examine.h"
#include "x509/judge/same_name.h"
#include "x509/objects/csr.h"
#include "x509/objects/spki.h"

#include <fmt/core.h>

#include <algorithm>
#include <utility>

namespace hsmbridge::ca {
namespace {

// A draft that waited is built again once this part of its life is over: half. What is signed before that still lives as
// long as it waited, and longer than a last third, in which certificates are usually renewed; and a draft that is
// built again costs the approvals that were given to it, so that less is no reason.
constexpr int kPartOfLife = 2;

// What the issuer does not take from a CSR.
x509::Content wanted(x509::Content content) {
  content.challenge_password.reset();
  content.subject_key_identifier.reset();
  return content;
}

void expect_as_ordered(const x509::Csr& csr, const x509::RequestedContent& requested) {
  if (const std::string difference = x509::difference(requested.content, csr.content); !difference.empty()) {
    throw Error{ErrorKind::refused, "the certificate request is not what the order asks for: " + difference};
  }
}

// Of a certificate for the CSR's key; serial, dates and content are the caller's.
x509::CertificateFields fields_below(const x509::Certificate& issuer, const x509::Csr& csr,
                                     const x509::SignatureAlgorithm& algorithm) {
  x509::CertificateFields fields = x509::fields_for_issuer(issuer);
  fields.authority_key_identifier = authority_key_identifier(issuer);
  fields.spki = csr.spki;
  fields.algorithm = &algorithm;
  return fields;
}

Bytes built(const x509::CertificateFields& fields) {
  Bytes to_be_signed = x509::build_tbs_certificate(fields);
  x509::prove_tbs_certificate(to_be_signed, fields);
  return to_be_signed;
}

std::vector<std::string> objections_to(const x509::Content& requested, const Profile& profile,
                                       const x509::Certificate* cross_signed) {
  return cross_signed == nullptr ? objections(profile, requested) : cross_objections(profile, requested, *cross_signed);
}

// The dates of the issuer, or those between which a certificate lies that cross-signs a CA.
x509::Validity limits_of(const Profile& profile, const x509::Certificate& issuer,
                         const x509::Certificate* cross_signed) {
  const x509::Validity& validity = issuer.tbs.validity;
  return cross_signed == nullptr ? validity : cross_limits(profile, *cross_signed, validity);
}

// What time and the configuration have changed since a draft was built by a profile: another one is built.
void compare_with_profile(const x509::TbsCertificate& tbs, const Draft& draft, const x509::Certificate& issuer,
                          Instant now, DraftFaults& faults) {
  const x509::Content& requested = *draft.requested;
  const Profile& profile = *draft.profile;
  for (std::string& reason : objections_to(requested, profile, draft.cross_signed)) {
    faults.reasons.push_back(std::move(reason));
  }
  if (!faults.reasons.empty()) return;
  if (const std::string difference = x509::difference(completed(profile, requested), wanted(tbs.content));
      !difference.empty()) {
    faults.outdated.push_back(
        fmt::format("profile {} is another one than the draft was built by: {}", profile.name, difference));
  }
  const x509::Validity limits = limits_of(profile, issuer, draft.cross_signed);
  if (limits.not_after <= now) return;  // which is for ca::unfitness to say, and for against_cross_signing
  const Instant last = validity_of(profile, limits, Duration::zero(), now).not_after;
  if (tbs.validity.not_after > last) {
    faults.outdated.push_back(fmt::format("the draft ends {}, and profile {} gives certificates until {} now",
                                          rfc3339(tbs.validity.not_after), profile.name, rfc3339(last)));
  }
}

}  // namespace

const x509::SignatureAlgorithm& issuing_algorithm(std::string_view name, const x509::Certificate& issuer) {
  const x509::KeySpec key = x509::key_spec_of(issuer.spki());
  const x509::SignatureAlgorithm& algorithm =
      name.empty() ? x509::default_algorithm(key) : x509::signature_algorithm(name);
  if (algorithm.key_type != key.type) {
    throw Error{ErrorKind::invalid_input, fmt::format("the algorithm {} does not fit the issuer's key ({})",
                                                      algorithm.name, x509::to_string(key))}
        .hint("change `algorithm` of this provider, or leave it out");
  }
  return algorithm;
}

Bytes draft_to_be_signed(const Terms& terms, const x509::Certificate& issuer,
                         const std::optional<x509::RequestedContent>& requested, ByteView csr_der, Instant now) {
  const x509::Csr csr = x509::parse_csr(csr_der);
  if (requested) expect_as_ordered(csr, *requested);
  x509::CertificateFields fields = fields_below(issuer, csr, terms.algorithm);
  fields.serial = x509::random_serial();
  // Whole seconds are all that a certificate can carry. What begins before its issuer does not verify then.
  const Instant start =
      std::max<Instant>(std::chrono::floor<std::chrono::seconds>(now - terms.backdate), issuer.tbs.validity.not_before);
  const Duration validity = requested && requested->validity > Duration::zero() ? requested->validity : terms.validity;
  fields.validity = {start, std::chrono::floor<std::chrono::seconds>(start + validity)};
  if (fields.validity.not_after <= now) {
    throw Error{ErrorKind::invalid_input,
                fmt::format("the certificate would have ended already ({}): it is dated back by {} and valid for {}",
                            rfc3339(fields.validity.not_after), spoken(terms.backdate), spoken(validity))}
        .hint("make `backdate` of this provider shorter than that");
  }
  fields.content = wanted(csr.content);
  return built(fields);
}

Bytes draft_to_be_signed(const ProfileTerms& terms, const x509::Certificate& issuer,
                         const x509::RequestedContent& requested, ByteView csr_der, Instant now) {
  const x509::Csr csr = x509::parse_csr(csr_der);
  if (const auto reasons = objections_to(requested.content, terms.profile, terms.cross_signed); !reasons.empty()) {
    throw Error{ErrorKind::refused,
                fmt::format("the CA does not certify what is requested:\n  - {}", joined(reasons, "\n  - "))}
        .hint("ask for something else, or change the CA's profile");
  }
  x509::CertificateFields fields = fields_below(issuer, csr, terms.algorithm);
  fields.serial = terms.serial;
  fields.validity =
      validity_of(terms.profile, limits_of(terms.profile, issuer, terms.cross_signed), requested.validity, now);
  fields.content = completed(terms.profile, requested.content);
  fields.key_identifier = terms.profile.key_identifier;
  if (terms.cross_signed != nullptr) {
    if (!x509::same_key(csr.spki, terms.cross_signed->spki())) {
      throw Error{ErrorKind::refused, "the certificate request is not of the key of the CA that is to be cross-signed"};
    }
    fields.spki = terms.cross_signed->spki();  // to the byte (TLS Baseline Requirements 7.1.2.2)
    fields.subject_key_identifier = terms.cross_signed->content().subject_key_identifier;
  }
  return built(fields);
}

Bytes root_to_be_signed(const Root& root, const x509::SignatureAlgorithm& algorithm, ByteView spki, const Bytes& serial,
                        Instant now) {
  x509::CertificateFields fields;
  fields.serial = serial;
  fields.issuer = root.subject;
  fields.spki = Bytes(spki.begin(), spki.end());
  fields.algorithm = &algorithm;
  fields.key_identifier = root.key_identifier;
  fields.authority_key_identifier = x509::key_identifier(spki, root.key_identifier);
  const Instant start = std::chrono::floor<std::chrono::seconds>(now);
  fields.validity = {start, std::chrono::floor<std::chrono::seconds>(start + root.validity) - std::chrono::seconds{1}};
  fields.content.subject = root.subject;
  fields.content.basic_constraints = x509::BasicConstraints{true, root.path_length};
  fields.content.key_usage = x509::KeyUsages{x509::KeyUsage::key_cert_sign, x509::KeyUsage::crl_sign};
  return built(fields);
}

std::string outlived(const x509::Validity& validity, Instant built_at, Instant now) {
  if (validity.not_after <= now) {
    return fmt::format("the certificate in the draft ended {}: nobody could use it", rfc3339(validity.not_after));
  }
  // What lies before the draft was made is no part of it: `backdate` put it there.
  const Instant begin = std::max(validity.not_before, built_at);
  if ((now - begin) * kPartOfLife <= validity.not_after - begin) return {};
  return fmt::format(
      "the draft has waited since {}, and more than half of the time until its certificate ends ({}) is over",
      rfc3339(std::chrono::floor<std::chrono::seconds>(begin)), rfc3339(validity.not_after));
}

namespace {

// Verifiers find the CRLs of a CA by its name, and the books of a CA are kept by it.
std::string takes_name_of(const x509::TbsCertificate& tbs, const std::vector<x509::Certificate>& authorities) {
  const auto& constraints = tbs.content.basic_constraints;
  const auto& usage = tbs.content.key_usage;
  const bool signs = (constraints && constraints->ca) || (usage && usage->has(x509::KeyUsage::crl_sign));
  if (!signs) return {};
  for (const x509::Certificate& one : authorities) {
    if (!x509::same_name(one.subject(), tbs.content.subject) || x509::same_key(one.spki(), tbs.spki)) continue;
    return fmt::format(
        "it has the name of the CA \"{}\" and another key: what it signs would pass for that CA's (RFC 5280 §6.3.3)",
        one.subject().to_string());
  }
  return {};
}

}  // namespace

DraftFaults check_to_be_signed(const Draft& draft, const x509::Certificate& issuer, const Path& above, Instant now) {
  DraftFaults faults;
  auto& [reasons, outdated] = faults;
  try {
    const x509::TbsCertificate tbs = x509::parse_tbs_certificate(draft.to_be_signed);
    const x509::Csr csr = x509::parse_csr(draft.csr);
    // To the byte, but where the one that the CA has already decides how it is encoded.
    if (draft.cross_signed == nullptr ? tbs.spki != csr.spki : !x509::same_key(tbs.spki, csr.spki)) {
      reasons.emplace_back("the draft is for another key than its certificate request");
    }
    if (draft.cross_signed != nullptr) {
      for (std::string& reason : unlike(tbs, *draft.cross_signed)) reasons.push_back(std::move(reason));
    }
    if (draft.csr_state == Draft::Csr::is_signed && !x509::signature_verifies(csr)) {
      reasons.emplace_back("the certificate request is not signed by its own key");
    }
    if (draft.profile != nullptr && draft.requested != nullptr) {
      compare_with_profile(tbs, draft, issuer, now, faults);
    } else if (const std::string difference = x509::difference(wanted(csr.content), wanted(tbs.content));
               !difference.empty()) {
      reasons.push_back("the draft differs from its certificate request: " + difference);
    }
    if (x509::likeness(issuer.subject(), tbs.issuer) > x509::Likeness::other_spelling) {
      outdated.push_back(fmt::format("the draft names the issuer {}, the signing key has a certificate of {} now",
                                     tbs.issuer.to_string(), issuer.subject().to_string()));
    }
    if (x509::signature_algorithm(draft.algorithm).key_type != x509::key_spec_of(issuer.spki()).type) {
      outdated.push_back(fmt::format("the draft wants {}, which the issuer's key cannot do", draft.algorithm));
    }
    // A renewed certificate of the same key and name may sign the same bytes, where it fits into a chain with them.
    if (!x509::same_key(above.authorities.front().spki(), issuer.spki())) {
      outdated.emplace_back("the issuer has another key now than when the draft was made");
    } else if (tbs.authority_key_identifier != authority_key_identifier(issuer)) {
      outdated.emplace_back(
          "the issuer's certificate has another key identifier now than the draft names: nobody could chain to it");
    }
    if (std::string why = outlived(tbs.validity, draft.built_at, now); !why.empty()) {
      outdated.push_back(std::move(why));
    }
    for (std::string& reason : objections(tbs, above)) reasons.push_back(std::move(reason));
    std::string why = takes_name_of(tbs, above.authorities);
    if (why.empty()) why = takes_name_of(tbs, draft.others);
    if (!why.empty()) reasons.push_back(std::move(why));
  } catch (const Error& error) {
    reasons.push_back("the draft cannot be read: " + error.message());
  }
  return faults;
}

Bytes sign(const LintedTbs& linted, x509::Signer& key, const x509::SignatureAlgorithm& algorithm) {
  return key.sign(linted.octets(), algorithm);
}

Bytes assemble(ByteView to_be_signed, std::string_view algorithm, ByteView issuer, ByteView signature) {
  return x509::assemble_certificate(to_be_signed, x509::signature_algorithm(algorithm), signature,
                                    x509::parse_certificate(issuer).spki());
}

}  // namespace hsmbridge::ca
