#include "providers/securosys/raw_signature.h"

#include "base/error.h"
#include "providers/securosys/algorithm_word.h"

#include <fmt/core.h>

#include <optional>

namespace hsmbridge::securosys {
namespace {

// Lengths in approvalToBeSigned have 16 bits, and one element there wraps the payload together with a time and a label.
constexpr std::size_t kLongestPayload = 65'000;

}  // namespace

const x509::SignatureAlgorithm& issuing_algorithm(const Settings& settings, const x509::Certificate& issuer) {
  const x509::SignatureAlgorithm& algorithm = ca::issuing_algorithm(settings.algorithm, issuer);
  if (algorithm_word(algorithm.name).empty()) {
    throw Error{ErrorKind::invalid_input, fmt::format("the TSB cannot sign with {}", algorithm.name)}.hint(
        "change `algorithm` or `sign_key` of this provider");
  }
  return algorithm;
}

workflow::ProviderDraft raw_draft(const Settings& settings, const x509::Certificate& issuer,
                                  const workflow::Order& order, ByteView csr, Instant now) {
  const x509::SignatureAlgorithm& algorithm = issuing_algorithm(settings, issuer);
  workflow::ProviderDraft draft;
  draft.to_be_signed = ca::draft_to_be_signed({algorithm, settings.validity, settings.backdate}, issuer,
                                              workflow::enrolment_of(order).content, csr, now);
  draft.algorithm = std::string(algorithm.name);
  draft.issuer = issuer.der;
  return draft;
}

ca::DraftFaults check_raw_draft(const x509::Certificate& issuer, const ca::Path& above,
                                const workflow::ProviderCall& call) {
  using Csr = ca::Draft::Csr;
  const workflow::Draft& draft = call.draft;
  if (draft.to_be_signed.empty()) {
    return {.reasons = {}, .outdated = {"the draft holds no TBSCertificate (it was made for another mode)"}};
  }
  ca::DraftFaults faults = ca::check_to_be_signed({draft.to_be_signed, draft.csr, draft.algorithm, draft.built_at,
                                                   call.key.spki.empty() ? Csr::has_no_key_yet : Csr::is_signed},
                                                  issuer, above, call.now);
  if (draft.to_be_signed.size() > kLongestPayload) {
    faults.reasons.insert(faults.reasons.begin(),
                          fmt::format("the TBSCertificate has {} bytes; the HSM's approval format holds {}",
                                      draft.to_be_signed.size(), kLongestPayload));
  }
  return faults;
}

}  // namespace hsmbridge::securosys
