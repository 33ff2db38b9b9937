#include "x509/judge/check.h"

#include "x509/judge/chain.h"
#include "x509/judge/check_content.h"
#include "x509/judge/finding_collector.h"
#include "x509/objects/spki.h"

#include <algorithm>
#include <chrono>
#include <utility>

namespace hsmbridge::x509 {
namespace {

void check_lifetime(FindingCollector& judge, const TbsCertificate& certificate, const Expectation& expected) {
  const Duration lifetime = certificate.validity.not_after - certificate.validity.not_before;
  if (expected.lifetime) {
    // CAs round to days and date back for clock skew: a tenth, and never less than a day, is no difference; but a short
    // life asked in hours keeps at least a tenth.
    const Duration asked = *expected.lifetime;
    const Duration slack = std::max<Duration>(asked / 10, std::min<Duration>(std::chrono::hours(24), asked / 2));
    if (lifetime > asked + slack) judge.note("validity-longer", asked_found(spoken(asked), spoken(lifetime)));
    if (lifetime < asked - slack) judge.note("validity-shorter", asked_found(spoken(asked), spoken(lifetime)));
  } else if (!expected.validity) {
    const auto& constraints = expected.content.basic_constraints;
    const Duration most = constraints && constraints->ca ? kLongestUnaskedAuthority : kLongestUnasked;
    if (lifetime > most) {
      judge.note("validity-beyond-ceiling",
                 "no validity was asked for, found " + spoken(lifetime) + "; without asking, at most " + spoken(most));
    }
  }
}

void check_dates(FindingCollector& judge, const TbsCertificate& certificate, const Expectation& expected, Instant at) {
  const Validity& found = certificate.validity;
  const auto text = [](const Validity& validity) {
    return rfc3339(validity.not_before) + " to " + rfc3339(validity.not_after);
  };
  if (expected.validity) {
    const auto seconds = [](Instant instant) { return std::chrono::floor<std::chrono::seconds>(instant); };
    if (seconds(expected.validity->not_before) != seconds(found.not_before) ||
        seconds(expected.validity->not_after) != seconds(found.not_after)) {
      judge.note("validity-changed", asked_found(text(*expected.validity), text(found)));
    }
  }
  check_lifetime(judge, certificate, expected);
  constexpr auto kSkew = std::chrono::minutes(5);
  const std::string dates = "it is valid from " + text(found) + ", and now it is " + rfc3339(at);
  if (at + kSkew < found.not_before) judge.note("not-valid-yet", dates);
  if (at > found.not_after) judge.note("expired", dates);
}

void check_key(FindingCollector& judge, const Bytes& asked, const Bytes& found) {
  if (found == asked) return;
  const std::string hashes = asked_found("the key " + hex(sha256(asked)), hex(sha256(found)));
  if (same_key(asked, found)) {
    judge.note("key-encoding-changed", "the same key in another encoding: " + hashes);
  } else {
    judge.note("key-differs", hashes);
  }
}

// An issuer by name that is at hand, but whose key did not make the signature. That is another thing than no issuer.
bool signed_by_somebody_else(const Certificate& certificate, const Expectation& expected, SignatureBudget& signatures) {
  bool candidate = false;
  for (const std::vector<Certificate>* list : {&expected.anchors, &expected.intermediates}) {
    for (const Certificate& issuer : *list) {
      if (!(issuer.subject() == certificate.issuer())) continue;
      if (signatures.verdict(issuer, certificate) != SignatureVerdict::does_not_verify) return false;
      candidate = true;
    }
  }
  return candidate;
}

// Everything that stands in the bytes that are signed.
void check_tbs(FindingCollector& judge, const TbsCertificate& certificate, const Expectation& expected, Instant at) {
  check_key(judge, expected.spki, certificate.spki);
  if (serial_sign(certificate.serial) != SerialSign::positive) {
    judge.note("serial-not-positive", "the serial number is " + serial_text(certificate.serial));
  }
  if (certificate.version != 3) judge.note("version-not-3", "it is version " + std::to_string(certificate.version));
  if (certificate.has_unique_identifiers) judge.note("unique-identifiers-added", "not asked, found unique identifiers");
  check_content(judge, expected.content, certificate.content);
  check_dates(judge, certificate, expected, at);
}

// Whether every issuer of the chain may certify for what was asked. A usage that a template added beyond that is of no
// use below such an issuer, and does no harm. A certificate without usages, or with anyExtendedKeyUsage, is used for
// whatever was asked (RFC 5280 §4.2.1.12); one whose usages are others cannot be.
void check_purposes(FindingCollector& judge, const std::vector<Certificate>& chain, const Content& asked) {
  const std::vector<Oid>& there = chain.front().content().extended_key_usage;
  const auto has = [&](const Oid& one) { return std::find(there.begin(), there.end(), one) != there.end(); };
  std::vector<Oid> purposes = asked.extended_key_usage.empty() ? there : asked.extended_key_usage;
  if (!there.empty() && !has(parse_extended_key_usage("any"))) {
    purposes.erase(std::remove_if(purposes.begin(), purposes.end(), [&](const Oid& one) { return !has(one); }),
                   purposes.end());
  }
  for (std::size_t i = 1; i < chain.size(); ++i) {
    const auto refused = purposes_refused(chain[i], purposes);
    if (refused.empty()) continue;
    judge.note("issuer-purpose", "\"" + chain[i].subject().to_string() + "\" may not certify for " + listed(refused));
  }
}

}  // namespace

bool Answer::fatal() const {
  return std::any_of(findings.begin(), findings.end(), [](const Finding& f) { return f.severity == Severity::fatal; });
}

const Finding* Answer::find(std::string_view name) const {
  for (const Finding& finding : findings) {
    if (finding.name == name) return &finding;
  }
  return nullptr;
}

std::vector<Finding> check_to_be_signed(const TbsCertificate& certificate, const Expectation& expected, Instant at) {
  FindingCollector judge(expected.accept);
  check_tbs(judge, certificate, expected, at);
  return judge.take();
}

Answer check_answer(const Certificate& certificate, const Expectation& expected, Instant at) {
  FindingCollector judge(expected.accept);
  Answer answer;
  // The chain is judged at a time within the certificate's own dates: those are a finding of their own.
  const Validity& dates = certificate.tbs.validity;
  // OpenSSL takes the last second (which RFC 5280 §4.1.2.5 includes) for expired.
  const Instant chain_time =
      std::max(dates.not_before, std::min<Instant>(dates.not_after - std::chrono::seconds(1), at));
  SignatureBudget signatures;
  ChainResult chain = build_chain(certificate, expected.intermediates, expected.anchors, chain_time, signatures);
  if (chain.anchored) {
    check_purposes(judge, chain.chain, expected.content);
    answer.chain = std::move(chain.chain);
  } else {
    if (signed_by_somebody_else(certificate, expected, signatures)) {
      judge.note("signature-bad", "the key of \"" + certificate.issuer().to_string() + "\" did not make the signature");
    }
    judge.note("chain-unanchored", chain.why);
  }
  check_tbs(judge, certificate.tbs, expected, at);
  answer.findings = judge.take();
  return answer;
}

}  // namespace hsmbridge::x509
