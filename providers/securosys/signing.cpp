#include "providers/securosys/signing.h"

#include "base/error.h"
#include "providers/following.h"
#include "x509/objects/csr.h"
#include "x509/objects/spki.h"

#include <fmt/core.h>

#include <array>
#include <optional>

namespace hsmbridge::securosys {
namespace {

// our name | the TSB's | the oldest generation whose certificate endpoints take it
struct AlgorithmRow {
  std::string_view name;
  std::string_view word;
  std::optional<Generation> certificates = std::nullopt;
};
constexpr auto kAlgorithms = std::to_array<AlgorithmRow>({
    {"ecdsa-sha256", "SHA256_WITH_ECDSA", Generation::classic},
    {"ecdsa-sha384", "SHA384_WITH_ECDSA", Generation::classic},
    {"ecdsa-sha512", "SHA512_WITH_ECDSA", Generation::classic},
    {"rsa-sha256", "SHA256_WITH_RSA", Generation::classic},
    {"rsa-sha384", "SHA384_WITH_RSA", Generation::classic},
    {"rsa-sha512", "SHA512_WITH_RSA", Generation::classic},
    {"rsa-pss-sha256", "SHA256_WITH_RSA_PSS"},
    {"rsa-pss-sha384", "SHA384_WITH_RSA_PSS"},
    {"rsa-pss-sha512", "SHA512_WITH_RSA_PSS"},
    {"ed25519", "EDDSA", Generation::modern},
});

// What the issuing core builds from: the CSR; or, where somebody else made it, one for its key that asks what the order
// asks, and that nobody signed: of a CSR that was brought only the key counts here.
Bytes csr_as_ordered(const workflow::Order& order, ByteView csr) {
  if (order.brought_csr().empty()) return to_bytes(csr);
  const Bytes spki = x509::parse_csr(csr).spki;
  const Bytes information = x509::build_certification_request_info(spki, workflow::enrolment_of(order).content.content);
  return x509::assemble(information, x509::default_algorithm(x509::key_spec_of(spki)), Bytes(64, 0));
}

}  // namespace

std::string_view algorithm_word(std::string_view name) {
  const AlgorithmRow* row = providers::row_with(kAlgorithms, &AlgorithmRow::name, name);
  return row == nullptr ? std::string_view() : row->word;
}

bool issues_certificates_with(std::string_view name, Generation generation) {
  const AlgorithmRow* row = providers::row_with(kAlgorithms, &AlgorithmRow::name, name);
  return row != nullptr && row->certificates && *row->certificates <= generation;
}

const x509::SignatureAlgorithm& issuing_algorithm(const Settings& settings, const x509::Certificate& issuer) {
  const x509::SignatureAlgorithm& algorithm = ca::issuing_algorithm(settings.algorithm, issuer);
  if (algorithm_word(algorithm.name).empty()) {
    throw Error{ErrorKind::invalid_input, fmt::format("the TSB cannot sign with {}", algorithm.name)}.hint(
        "change `algorithm` or `sign_key` of this provider");
  }
  return algorithm;
}

std::string signing_place(const Settings& settings) {
  return providers::stored({{"url", settings.url}, {"sign_key", settings.sign_key}});
}

workflow::ProviderDraft raw_draft(const Settings& settings, const x509::Certificate& issuer,
                                  const workflow::Order& order, ByteView csr, Instant now) {
  const x509::SignatureAlgorithm& algorithm = issuing_algorithm(settings, issuer);
  workflow::ProviderDraft draft;
  draft.to_be_signed = ca::draft_to_be_signed({algorithm, settings.validity, settings.backdate}, issuer,
                                              workflow::enrolment_of(order).content, csr_as_ordered(order, csr), now);
  draft.algorithm = std::string(algorithm.name);
  draft.issuer = issuer.der;
  return draft;
}

std::string too_long(ByteView to_be_signed) {
  if (to_be_signed.size() <= kLongestPayload) return {};
  return fmt::format("what is to be signed has {} bytes; the HSM's approval format holds {}", to_be_signed.size(),
                     kLongestPayload);
}

ca::DraftFaults check_raw_draft(const x509::Certificate& issuer, const ca::Path& above,
                                const std::vector<x509::Certificate>& others, const workflow::ProviderCall& call) {
  using Csr = ca::Draft::Csr;
  const workflow::Draft& draft = call.draft;
  if (draft.to_be_signed.empty()) {
    return {.reasons = {}, .outdated = {"the draft holds no TBSCertificate (it was made for another mode)"}};
  }
  const bool brought = !call.order.brought_csr().empty();
  const Bytes csr = csr_as_ordered(call.order, draft.csr);
  const auto state = brought || call.key.spki.empty() ? Csr::has_no_key_yet : Csr::is_signed;
  ca::Draft to_judge{draft.to_be_signed, csr, draft.algorithm, draft.built_at, state};
  to_judge.others = others;
  ca::DraftFaults faults = ca::check_to_be_signed(to_judge, issuer, above, call.now);
  if (brought && !x509::signature_verifies(x509::parse_csr(draft.csr))) {
    faults.reasons.emplace_back("the certificate request is not signed by its own key");
  }
  if (std::string why = too_long(draft.to_be_signed); !why.empty()) {
    faults.reasons.insert(faults.reasons.begin(), std::move(why));
  }
  return faults;
}

}  // namespace hsmbridge::securosys
