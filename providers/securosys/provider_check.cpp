#include "base/error.h"
#include "base/log.h"
#include "base/unicode.h"
#include "ca/examine.h"
#include "providers/bundle.h"
#include "providers/following.h"
#include "providers/issuing.h"
#include "providers/securosys/certificate_mode.h"
#include "providers/securosys/provider.h"
#include "providers/securosys/signing.h"
#include "x509/judge/same_name.h"
#include "x509/objects/csr.h"
#include "x509/objects/spki.h"

#include <fmt/core.h>

#include <algorithm>
#include <optional>
#include <string_view>
#include <utility>

namespace hsmbridge::securosys {

using namespace workflow;
using providers::lines;
using providers::parsed;

namespace {

// These files are read once, and a request is worked on by whichever process holds it.
constexpr std::string_view kReadAgain = "if a daemon runs, then send it SIGHUP (kill -HUP): it reads its files once";

void expect_fit(const std::string& provider, const std::vector<ca::Unfitness>& found) {
  providers::expect_fit(
      provider, found,
      fmt::format("correct `issuer` or `chain` of provider {}, or the profile's `anchors`; {}", provider, kReadAgain));
}

}  // namespace

ca::Path SecurosysProvider::path_above(const x509::Certificate& signs, const Order& order) const {
  return ca::path_above(signs, parsed(chain_), parsed(anchors_ ? anchors_(order) : std::vector<Bytes>{}));
}

ProviderDraft SecurosysProvider::draft(const Order& order, ByteView csr, Instant now) {
  if (order.kind() != Kind::enroll && order.kind() != Kind::renew) {
    throw Error{ErrorKind::refused, fmt::format("provider {} only issues certificates", settings_.name)};
  }
  if (settings_.sign_key.empty()) {
    throw Error{ErrorKind::refused,
                fmt::format("provider {} has no sign_key: it certifies nothing itself, and keeps the keys of CAs",
                            settings_.name)}
        .hint("name a CA that has its key there, a provider of type local-ca");
  }
  if (settings_.mode == Mode::raw_signature) {
    const x509::Certificate signs = issuer(settings_.time_limit, Freshness::recent);
    expect_fit(settings_.name, ca::unfitness(path_above(signs, order), now));
    ProviderDraft draft = raw_draft(settings_, signs, order, csr, now);
    draft.provider_state = signing_place(settings_);
    return draft;
  }
  ProviderDraft draft;
  if (issuer_file_) draft.issuer = *issuer_file_;
  draft.provider_state = beside_csr(settings_);
  return draft;
}

void SecurosysProvider::expect_place_as_drafted(const Draft& draft) const {
  if (draft.provider_state.empty()) return;  // of an earlier version
  const std::string now = signing_place(settings_);
  if (now == draft.provider_state) return;
  throw outdated_draft(
      fmt::format("the draft is for {}, and now {} would sign it", printable(draft.provider_state), printable(now)));
}

// What a request with these bytes would be refused for. It waits for a CA that is fit, and for a draft of its own where
// this one is not of the CA as it is now; nothing of that while it waits for something else.
std::vector<std::string> SecurosysProvider::judge_raw(const ProviderCall& call, const x509::Certificate& now,
                                                      bool waits) const {
  // What is signed will be verified with the certificate that it was drafted for.
  const x509::Certificate drafted = call.draft.issuer.empty() ? now : x509::parse_certificate(call.draft.issuer);
  const ca::Path above = path_above(drafted, call.order);
  ca::DraftFaults faults =
      check_raw_draft(now, above, authorities_ ? parsed(authorities_()) : std::vector<x509::Certificate>{}, call);
  const std::vector<ca::Unfitness> unfit = ca::unfitness(above, call.now);
  if (!faults.reasons.empty()) {
    for (const ca::Unfitness& one : unfit) faults.reasons.push_back(one.why);
    return std::move(faults.reasons);
  }
  // Built again once what it waits for is there, and not at every look until then.
  if (!faults.outdated.empty() && !waits) throw outdated_draft(faults.outdated.front());
  expect_fit(settings_.name, unfit);
  return {};
}

void SecurosysProvider::expect_as_drafted(const Draft& draft) const {
  providers::expect_csr_alone(draft);
  if (draft.provider_state.empty()) return;  // of an earlier version
  const std::string now = beside_csr(settings_);
  if (now == draft.provider_state) return;
  throw outdated_draft(fmt::format("the draft fixes what is sent beside the CSR as {}, and now it would be {}",
                                   printable(draft.provider_state), printable(now)));
}

// The certificate attached to the signing key at the TSB; nothing when it cannot be had. Then a reason not to submit is
// added where the request could not be carried out: a TSB signs bytes with a key that has no certificate attached, and
// with one whose certificate may not be asked for.
std::optional<x509::Certificate> SecurosysProvider::attached(Duration limit, std::vector<std::string>& reasons) {
  try {
    return x509::parse_certificate(client_->certificate(settings_.sign_key, limit));
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::unavailable) throw;
    const std::string_view code = error.detail("errorCode");
    const bool builds_it = settings_.mode == Mode::certificate;
    const bool algorithm_unknown = builds_it && !issuer_file_ && settings_.algorithm.empty();
    if (code == "650" || (builds_it && code == "402") || algorithm_unknown) {
      reasons.push_back(error.hint().empty() ? error.message() : error.message() + ": " + error.hint());
    } else {
      log::debug(fmt::format("provider {}: {}", settings_.name, error.message()));
    }
    return std::nullopt;
  }
}

// Why the signing key cannot do what is asked of it. Found out here, before anybody is asked to approve.
std::vector<std::string> SecurosysProvider::signing_key_objections(Duration limit) {
  std::vector<std::string> reasons;
  if (const auto known = attributes(limit); known && known->blocked) {
    reasons.push_back(fmt::format("the key {} is blocked at the TSB: it cannot sign until it is unblocked there",
                                  settings_.sign_key));
  }
  if (!issuer_file_ || attached_.recent()) return reasons;
  const auto there = attached(limit, reasons);
  if (!there) return reasons;
  const x509::Certificate ours = x509::parse_certificate(*issuer_file_);
  if (!x509::same_key(there->spki(), ours.spki())) {
    reasons.push_back(
        fmt::format("the certificate of key {} at the TSB ({}) is for another key than the configured "
                    "issuer ({}): correct `issuer` or `sign_key`",
                    settings_.sign_key, there->subject().to_string(), ours.subject().to_string()));
  } else if (const auto likeness = x509::likeness(ours.subject(), there->subject());
             likeness > x509::Likeness::other_spelling) {
    reasons.push_back(fmt::format(
        "the key {} issues as {} at the TSB, and the configured issuer is {}{}: correct "
        "`issuer` or `sign_key`",
        settings_.sign_key, there->subject().to_string(), ours.subject().to_string(),
        likeness == x509::Likeness::other_order ? " (the same fields in another order, which is another name)" : ""));
  } else {
    attached_.keep(*there);
  }
  return reasons;
}

// A requestSignature names a digest, and there is none for Ed25519.
std::vector<std::string> SecurosysProvider::request_signature_objections() const {
  if (!settings_.request_signature || !keys_.application) return {};
  if (x509::key_spec_of(keys_.application->subject_public_key_info()).type != x509::KeyType::ed25519) return {};
  return {
      fmt::format("the application_key of provider {} is an Ed25519 key, and a request signature at the TSB names "
                  "one of the SHA-2 or SHA-3 digests: use an RSA or EC key, or leave request_signature out",
                  settings_.name)};
}

// What is signed has been judged by the CA that froze it; here it is the key, and what the TSB can sign with it.
std::vector<std::string> SecurosysProvider::check_given_bytes(const ProviderCall& call) {
  const Duration limit = call.time_limit / 4;
  std::vector<std::string> waits_for = signing_key_objections(limit);
  policy(limit);  // learnt here, so that submitting need not ask first
  for (std::string& reason : request_signature_objections()) waits_for.push_back(std::move(reason));
  if (algorithm_word(call.draft.algorithm).empty()) {
    waits_for.push_back(fmt::format("the TSB cannot sign with {}: change `algorithm`", call.draft.algorithm));
  }
  std::vector<std::string> reasons;
  if (std::string why = too_long(call.draft.to_be_signed); !why.empty()) reasons.push_back(std::move(why));
  return or_wait(std::move(reasons), std::move(waits_for));
}

std::size_t SecurosysProvider::most_octets() const {
  return kLongestPayload;
}

std::optional<Bytes> SecurosysProvider::public_key(Duration limit) {
  if (const auto known = attributes(limit / 2); known && !known->public_key.empty()) return known->public_key;
  try {
    return to_bytes(x509::parse_certificate(client_->certificate(settings_.sign_key, limit / 2)).spki());
  } catch (Error& error) {
    if (error.detail("errorCode") == "650")
      throw error.hint("correct the CA's `key`: the TSB has no key of that label");
    if (error.kind() == ErrorKind::unavailable) throw;
    return std::nullopt;  // none is attached, or we may not see it
  }
}

std::vector<std::string> SecurosysProvider::check(const ProviderCall& call) {
  if (settings_.mode == Mode::given_bytes) return check_given_bytes(call);
  if (settings_.mode == Mode::certificate) expect_as_drafted(call.draft);
  const Duration limit = call.time_limit / 4;
  // What somebody can change in the configuration or at the TSB, and the request with it.
  std::vector<std::string> waits_for = signing_key_objections(limit);
  policy(limit);  // learnt here, so that submitting need not ask first
  for (std::string& reason : request_signature_objections()) waits_for.push_back(std::move(reason));
  if (settings_.mode == Mode::certificate) {
    std::optional<x509::Certificate> signs;
    if (issuer_file_) {
      signs = x509::parse_certificate(*issuer_file_);
    } else if ((signs = attached(limit, waits_for))) {
      issuer_.keep(*signs);
    }
    return or_wait(
        check_certificate_request(settings_, generation(limit), workflow::enrolment_of(call.order).content, signs),
        std::move(waits_for));
  }
  const x509::Certificate now = issuer(limit, Freshness::now);
  if (auto reasons = judge_raw(call, now, !waits_for.empty()); !reasons.empty()) {
    return or_wait(std::move(reasons), std::move(waits_for));
  }
  if (anchors_) {
    for (std::string& reason :
         providers::distrust(call.draft.issuer.empty() ? now : x509::parse_certificate(call.draft.issuer),
                             parsed(chain_), parsed(anchors_(call.order)), call.order.profile, call.now)) {
      waits_for.push_back(std::move(reason));
    }
  }
  return or_wait({}, std::move(waits_for));
}

std::vector<std::string> SecurosysProvider::or_wait(std::vector<std::string> reasons,
                                                    std::vector<std::string> waits_for) const {
  if (reasons.empty() && !waits_for.empty()) {
    throw Error{
        ErrorKind::unavailable,
        lines(fmt::format("provider {} cannot submit requests with its present configuration and set-up at the TSB:",
                          settings_.name),
              waits_for)}
        .hint(fmt::format("correct that, and the request continues; if the configuration or its files changed: {}",
                          kReadAgain));
  }
  for (std::string& one : waits_for) reasons.push_back(std::move(one));
  return reasons;
}

}  // namespace hsmbridge::securosys
