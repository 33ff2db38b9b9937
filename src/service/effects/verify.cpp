#include "service/effects/verify.h"

#include "base/error.h"
#include "base/log.h"
#include "base/text.h"
#include "ca/cross.h"
#include "service/content/brought_csr.h"
#include "service/effects/effect_parts.h"
#include "service/effects/expectation.h"
#include "workflow/machine/lifecycle.h"
#include "workflow/ports/revocation_of.h"
#include "x509/asn1/bounds.h"
#include "x509/judge/check.h"
#include "x509/judge/render.h"
#include "x509/objects/certificate.h"
#include "x509/objects/crl.h"
#include "x509/objects/pkcs7.h"
#include "x509/objects/spki.h"

#include <fmt/core.h>

#include <algorithm>
#include <optional>
#include <span>
#include <string_view>
#include <utility>

namespace hsmbridge::service {
namespace {

using workflow::Claim;
using workflow::EffectOutcome;

// What the content itself makes impossible (a result that is none, an order that is damaged, trust anchors that are no
// certificates) stays so: the result is kept, and a person decides. Every other error is about this process or this
// hour (a profile that its configuration lacks, an API key that is being renewed), and a good result waits for better.
bool is_of_the_content(const Error& error) {
  return error.kind() == ErrorKind::corrupt || error.kind() == ErrorKind::invalid_input;
}

std::vector<x509::Certificate> parse_all(const std::vector<Bytes>& ders) {
  std::vector<x509::Certificate> result;
  for (const auto& der : ders) result.push_back(x509::parse_certificate(der));
  return result;
}

// What came beside the certificate. A member that cannot be read is left out and reported: where it is needed no chain
// is found without it, and where it is not the certificate is as good as before.
struct Chain {
  std::vector<Bytes> ders;
  std::vector<x509::Certificate> certificates;
  std::vector<workflow::Finding> unreadable;
};

Chain read_chain(const std::vector<Bytes>& ders) {
  Chain chain;
  for (std::size_t i = 0; i < ders.size(); ++i) {
    if (i == x509::kMostChain) {
      chain.unreadable.push_back({"chain-certificate-unreadable", false,
                                  fmt::format("{} certificates of the chain were left out, beyond the first {}",
                                              ders.size() - i, x509::kMostChain)});
      break;
    }
    try {
      chain.certificates.push_back(x509::parse_certificate(ders[i]));
      chain.ders.push_back(ders[i]);
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::invalid_input) throw;
      chain.unreadable.push_back({"chain-certificate-unreadable", false,
                                  fmt::format("certificate {} of the chain cannot be read and was left out: {}", i + 1,
                                              x509::bounded(error.message()))});
    }
  }
  return chain;
}

// A certificate that a person brought is read here, whoever issued it: its chain is what else is in the file, and what
// the provider's configuration has. The provider itself is not asked, and need not be there.
workflow::Issued read_file_of_person(Dependencies& world, const workflow::Order& order,
                                     const workflow::IssuedResult& result) {
  workflow::Issued issued;
  issued.certificate = result.octets();
  for (auto& der : x509::certificates_in_any_form(result.raw)) {
    if (der != issued.certificate) issued.chain.push_back(std::move(der));
  }
  try {
    for (auto& der : provider_of(world, order)->issuers()) issued.chain.push_back(std::move(der));
  } catch (const Error& error) {
    log::warning(fmt::format("request {}: the chain is looked for without that of its provider: {}", order.id.str(),
                             error.message()));
  }
  return issued;
}

// Whether the provider can be asked for the result again: it keeps it, and what cannot be read came from it. A
// signature that was read and does not fit will not be another one then.
bool is_still_there(Dependencies& world, const workflow::Order& order, const workflow::IssuedResult& result) {
  if (std::holds_alternative<workflow::BroughtCertificate>(result.product)) return false;
  if (std::holds_alternative<workflow::IssuedSignature>(result.product) && !result.octets().empty()) return false;
  return !provider_of(world, order)->capabilities().result_once;
}

// Why nobody who looks at revocations accepts what is below this CA, as far as it is known here; "" where nothing is.
// `others`: certificates of CAs, among which its issuer may be.
std::string why_unfit(Dependencies& world, const x509::Certificate& authority,
                      const std::vector<x509::Certificate>& others) {
  const std::string name = authority.subject().to_string();
  if (compromised(&world.records(), x509::spki_hash(authority.spki()))) {
    return fmt::format("the key of \"{}\" is recorded as compromised", name);
  }
  const auto record = world.records().certificate(hex(sha256(authority.der)));
  const bool is_revoked = (record && record->status == workflow::status::kRevoked) ||
                          workflow::revocation_of(world.revocations(), authority, others);
  if (!is_revoked) return {};
  return fmt::format("the certificate of \"{}\" (serial number {}) is revoked", name,
                     x509::serial_text(authority.serial()));
}

// `left_out`: why no path may lead through CAs that it could lead through.
x509::Expectation expectation_of(Dependencies& world, const workflow::Order& order, const workflow::Verifying& state,
                                 const Chain& chain, std::vector<std::string>& left_out) {
  const auto& draft = state.prepared.draft;
  const auto anchors =
      parse_all(usable("the trust anchors of profile", order.profile, [&] { return world.anchors(order); }));
  // Ours first: only so many are looked at, and what came from outside may be more.
  std::vector<x509::Certificate> authorities;
  if (!draft.issuer.empty()) authorities.push_back(x509::parse_certificate(draft.issuer));
  authorities.insert(authorities.end(), chain.certificates.begin(), chain.certificates.end());
  const std::size_t below = authorities.size();
  authorities.insert(authorities.end(), anchors.begin(), anchors.end());
  const auto add = [&](std::vector<x509::Certificate>& to, const x509::Certificate& authority) {
    std::string why = usable("what is recorded of", "CAs", [&] { return why_unfit(world, authority, authorities); });
    if (why.empty()) return to.push_back(authority);
    if (std::find(left_out.begin(), left_out.end(), why) == left_out.end()) left_out.push_back(std::move(why));
  };
  auto expected = service::expectation_of(order, draft);
  for (const auto& name : state.accepted) {
    if (x509::finding_kind(name).acceptable) expected.accept.push_back(name);
  }
  for (const auto& one : std::span(authorities).first(below)) add(expected.intermediates, one);
  for (const auto& one : anchors) add(expected.anchors, one);
  return expected;
}

// The answer at `now`, unless nothing is wrong but that the first day has not come: then no answer.
std::optional<x509::Answer> judged(const x509::Certificate& certificate, const x509::Expectation& expected,
                                   Instant now) {
  auto answer = x509::check_answer(certificate, expected, now);
  const Instant begin = certificate.tbs.validity.not_before;
  const bool early = answer.fatal() && begin > now && !x509::check_answer(certificate, expected, begin).fatal();
  return early ? std::nullopt : std::optional(std::move(answer));
}

// How long a first day is waited for without a person's word. CAs that begin at the next midnight, in any time zone, or
// after a weekend, stay below it, and so does a clock that is a day wrong. What begins later was ordered or set up
// wrongly, and while it waited nothing else would be ordered.
constexpr Duration kLongestWait = std::chrono::hours{3 * 24};
constexpr std::string_view kBeginsLate = "begins-late";

// Why the first day of a certificate is not simply waited for; nothing where it is. A renewal may take until the end of
// what it renews, which is in use until then; its last second is valid too (RFC 5280 §4.1.2.5).
std::optional<std::string> begins_late(const workflow::Order& order, Instant begin, Instant now) {
  if (begin <= now + kLongestWait) return std::nullopt;
  std::string why = fmt::format("it is not valid before {} (in {})", rfc3339(begin), spoken(begin - now));
  const auto* old = order.predecessor();
  if (old != nullptr && !old->der.empty()) {
    const Instant end = x509::parse_certificate(old->der).tbs.validity.not_after;
    if (begin <= end + std::chrono::seconds{1}) return std::nullopt;
    why += fmt::format(", and the certificate that it renews ends on {}", rfc3339(end));
  }
  return why + "; accepted, it waits for that day";
}

workflow::CertificateRecord certificate_record(const workflow::Order& order, const workflow::Verifying& state,
                                               const x509::Certificate& certificate, Instant now) {
  workflow::CertificateRecord record;
  record.fingerprint = hex(sha256(certificate.der));
  record.der = certificate.der;
  record.request = order.id;
  record.spki = x509::spki_hash(certificate.spki());
  record.subject = certificate.subject().to_string();
  record.issuer = certificate.issuer().to_string();
  record.serial = x509::serial_text(certificate.serial());
  record.not_before = certificate.tbs.validity.not_before;
  record.not_after = certificate.tbs.validity.not_after;
  record.stored_at = now;
  record.reference = state.submission.reference;
  record.provider_state = state.submission.provider_state;
  if (const auto* old = order.predecessor()) record.predecessor = old->certificate;
  return record;
}

// Whoever issued it, and whatever the draft said.
void expect_like_cross_signed(const workflow::Order& order, const x509::Certificate& certificate) {
  const Bytes& existing = workflow::enrolment_of(order).cross_signs;
  if (existing.empty()) return;
  const auto reasons = ca::unlike(certificate.tbs, x509::parse_certificate(existing));
  if (reasons.empty()) return;
  throw Error{ErrorKind::corrupt,
              fmt::format("the certificate does not cross-sign the CA that it was asked for:\n  - {}",
                          joined(reasons, "\n  - "))};
}

// What a CA issues names it byte by byte, and its serial numbers and CRLs are kept under that name.
std::optional<std::string> name_of_ca_changed(const workflow::Order& order, const x509::Certificate& certificate) {
  const auto* const old = order.predecessor();
  const auto& constraints = certificate.content().basic_constraints;
  if (old == nullptr || old->der.empty() || !constraints || !constraints->ca) return std::nullopt;
  const x509::Name before = x509::parse_certificate(old->der).subject();
  if (before.der() == certificate.subject().der()) return std::nullopt;
  return fmt::format(
      "the CA is called \"{}\" in the certificate that it renews, and not by the same bytes here (\"{}\"): what it has "
      "issued and revoked would be another CA's; have it certified under the old name",
      before.to_string(), certificate.subject().to_string());
}

// Published it is in any case: what could not be put is put by `run` and `ca crl` (CrlSchedule).
workflow::Finding put_finding(workflow::CertificateAuthority& authority, const workflow::MadeCrl& made,
                              Duration limit) {
  try {
    authority.put_crl(made.place.shard, limit);
    return {"crl-put", false, "it is at " + made.place.put};
  } catch (const Error& error) {
    return {"crl-not-put", false, x509::bounded("it is not put yet: " + error.message())};
  }
}

// A CRL is judged and published in one step by the CA that froze it. What became of it is a finding, and a fact of the
// journal with that.
EffectOutcome publish_signed_crl(Dependencies& world, const Claim& claim, const workflow::Verifying& state, Instant now,
                                 Duration time_limit) {
  const auto not_published = [](std::string why) {
    return outcome(
        workflow::Verified{"", {{std::string(workflow::kCrlNotPublished), false, "not published: " + std::move(why)}}});
  };
  if (state.late) return not_published("its signature came after the request had been given up");
  const auto list = x509::parse_tbs_cert_list(state.prepared.draft.to_be_signed);
  if (list.next_update && *list.next_update <= now) {
    return not_published("it had ended by the time that it could be, " + rfc3339(*list.next_update));
  }
  const auto provider = provider_of(world, claim.record.order);
  try {
    auto& authority = dynamic_cast<workflow::CertificateAuthority&>(*provider);
    const auto made = authority.publish_signed(call_of(world, claim, parts_of(claim), now, time_limit), state.result);
    workflow::Verified verified{
        "",
        {{"crl-published", false,
          fmt::format("CRL {} of {} with {} revoked, valid until {}, is in {}; its SHA-256 is {}", made.crl.number,
                      claim.record.order.provider, made.entries, rfc3339(made.crl.next_update),
                      made.place.file.string(), made.crl.sha256)}}};
    if (!made.place.put.empty()) verified.findings.push_back(put_finding(authority, made, time_limit / 2));
    return outcome(std::move(verified));
  } catch (const Error& error) {
    if (!is_of_the_content(error)) throw;
    return outcome(workflow::ResultUnreadable{x509::bounded(error.message()),
                                              is_still_there(world, claim.record.order, state.result)});
  }
}

}  // namespace

EffectOutcome verify(Dependencies& world, const Claim& claim, Instant now, Duration time_limit) {
  const auto& order = claim.record.order;
  const auto* state = std::get_if<workflow::Verifying>(&claim.record.state);
  if (state == nullptr) throw Error{ErrorKind::internal, "there is nothing to verify"};
  if (order.issues_crl()) return publish_signed_crl(world, claim, *state, now, time_limit);
  const auto& received = state->result;
  const auto& draft = state->prepared.draft;
  workflow::Issued issued;
  std::optional<x509::Certificate> certificate;
  try {
    issued = std::holds_alternative<workflow::BroughtCertificate>(received.product)
                 ? read_file_of_person(world, order, received)
                 : workflow::issued_by(*provider_of(world, order),
                                       call_of(world, claim, parts_of(claim), now, time_limit), received);
    certificate = x509::parse_certificate(issued.certificate);
    expect_like_cross_signed(order, *certificate);
  } catch (const Error& error) {
    if (!is_of_the_content(error)) throw;
    return outcome(workflow::ResultUnreadable{x509::bounded(error.message()), is_still_there(world, order, received)});
  }
  Chain chain;
  std::optional<x509::Answer> answer;
  std::optional<std::string> late_begin;  // where the answer is to wait
  std::vector<std::string> unfit_above;
  try {
    chain = read_chain(issued.chain);
    const auto expected = expectation_of(world, order, *state, chain, unfit_above);
    answer = judged(*certificate, expected, now);
    const auto& accept = expected.accept;
    if (!answer && std::find(accept.begin(), accept.end(), kBeginsLate) == accept.end()) {
      late_begin = begins_late(order, certificate->tbs.validity.not_before, now);
    }
  } catch (const Error& error) {
    if (!is_of_the_content(error)) throw;
    return outcome(
        workflow::ResultUnreadable{fmt::format("it could not be checked: {}", x509::bounded(error.message()))});
  }
  auto record = certificate_record(order, *state, *certificate, now);
  // As its own successor it would be superseded, and never renewed again.
  if (!record.predecessor.empty() && record.predecessor == record.fingerprint) {
    return outcome(workflow::ResultUnreadable{"it is the very certificate that was to be renewed, not a new one"});
  }
  // Where the bytes were frozen and approved here, only they can be the answer, however alike another certificate is.
  const bool frozen = draft.to_be_signed.empty() || equal(certificate->parts.to_be_signed, draft.to_be_signed);
  if (!answer && frozen && !late_begin) {
    return outcome(workflow::NotValidYet{{record.fingerprint, record.not_before, received.clock_ahead}});
  }

  std::vector<workflow::Finding> findings;
  bool fatal = !frozen || late_begin;
  if (!frozen) {
    findings.push_back({"other-than-frozen", true, "it is not the certificate that was frozen and approved"});
  }
  // While it was waited for, another certificate of its key may have been revoked for that.
  if (const auto fault = compromised(&world.records(), record.spki)) {
    fatal = true;
    findings.push_back({fault->name, true, fault->explanation});
  }
  // It was approved, or is signed elsewhere, and its CA was revoked since. Another path may lead around that.
  if (answer && answer->chain.empty() && !unfit_above.empty()) {
    fatal = true;
    findings.push_back({"issuer-unfit", true, x509::bounded(joined(unfit_above, "; "))});
  }
  if (auto changed = name_of_ca_changed(order, *certificate)) {
    fatal = true;
    findings.push_back({"ca-name-changed", true, std::move(*changed)});
  }
  if (late_begin) findings.push_back({std::string(kBeginsLate), true, *late_begin});
  if (answer) {
    fatal = fatal || answer->fatal();
    for (const auto& finding : answer->findings) {
      findings.push_back({finding.name, finding.severity == x509::Severity::fatal, finding.explanation});
    }
    for (std::size_t i = 1; i < answer->chain.size(); ++i) record.chain.push_back(answer->chain[i].der);
  }
  if (!answer || answer->chain.empty()) record.chain = chain.ders;
  findings.insert(findings.end(), chain.unreadable.begin(), chain.unreadable.end());
  record.status = fatal         ? workflow::status::kQuarantined
                  : state->late ? workflow::status::kLate
                                : workflow::status::kCurrent;
  // A certificate that is here already, as the answer to another request, keeps its own record, and answers nothing
  // else: it may be one that was replaced or revoked since.
  const auto known = world.records().certificate(record.fingerprint);
  const bool answers_another = known && known->request != order.id;
  if (answers_another && !fatal) {
    return outcome(workflow::ResultUnreadable{
        fmt::format("it is the certificate of request {}, and no new one", known->request.str())});
  }
  EffectOutcome result;
  if (fatal) {
    result.event = workflow::VerificationFailed{record.fingerprint, std::move(findings)};
  } else {
    result.event = workflow::Verified{record.fingerprint, std::move(findings)};
  }
  if (!answers_another) result.certificate = std::move(record);
  return result;
}

}  // namespace hsmbridge::service
