#pragma once

#include "ca/issue.h"
#include "providers/securosys/settings.h"
#include "workflow/ports/provider.h"
#include "x509/objects/certificate.h"

#include <cstddef>
#include <string>
#include <string_view>

// What the TSB signs with (its `signatureAlgorithm`), and what it is given in mode: raw-signature. There the
// TBSCertificate is built here, by the issuing core; the TSB only signs it, as the payload of POST /v1/sign.
namespace hsmbridge::securosys {

// "SHA256_WITH_ECDSA" for "ecdsa-sha256"; "" for an algorithm that the TSB cannot sign with.
std::string_view algorithm_word(std::string_view name);

// Whether the TSB's certificate endpoints take it: they know java keytool's names, without PSS.
bool issues_certificates_with(std::string_view name, Generation generation);

// The algorithm of ca::issuing_algorithm, where the TSB has a name for it. Throws invalid_input.
const x509::SignatureAlgorithm& issuing_algorithm(const Settings& settings, const x509::Certificate& issuer);

// Where the bytes of a draft are signed, and with which key, as JSON: Draft::provider_state, so that approvals are for
// that too. `url`, since a label means something at one TSB only.
std::string signing_place(const Settings& settings);

// Throws as ca::draft_to_be_signed.
workflow::ProviderDraft raw_draft(const Settings& settings, const x509::Certificate& issuer,
                                  const workflow::Order& order, ByteView csr, Instant now);

// Lengths in approvalToBeSigned have 16 bits, and one element there wraps the payload together with a time and labels.
inline constexpr std::size_t kLongestPayload = 60'000;

// Why the HSM's approval format does not hold these bytes to be signed; "" where it does.
std::string too_long(ByteView to_be_signed);

// ca::check_to_be_signed, and what the HSM's approval format can hold. `others`: as in ca::Draft.
ca::DraftFaults check_raw_draft(const x509::Certificate& issuer, const ca::Path& above,
                                const std::vector<x509::Certificate>& others, const workflow::ProviderCall& call);

}  // namespace hsmbridge::securosys
