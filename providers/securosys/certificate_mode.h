#pragma once

#include "providers/securosys/settings.h"
#include "providers/securosys/wire/wire.h"
#include "x509/content/requested_content.h"
#include "x509/objects/certificate.h"
#include "x509/objects/csr.h"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

// mode: certificate. POST /v1/certificate/sign: the TSB builds the certificate, and carries less than what was asked.
// Servers before 2.4 (classic) carry the common name and the key; no alternative name, seldom usages, serial 0, 90
// days. Newer ones (modern) take the usual subject attributes, four kinds of alternative name and whole days.
namespace hsmbridge::securosys {

// Every reason not to submit: what this generation would drop or change, unless `ask.accept` names it, and what it
// would carry wrongly (its DN text is not escaped, so a comma in a value would inject a relative name): never
// acceptable. `issuer` is the signing key's certificate, where it is known: its key chooses the algorithm.
std::vector<std::string> check_certificate_request(const Settings& settings, Generation generation,
                                                   const x509::RequestedContent& ask,
                                                   const std::optional<x509::Certificate>& issuer);

// The submission for a request that passed the check: what `ask` says in words, and beside it the CSR. Throws
// invalid_input for what it cannot express.
CertificateSignRequest certificate_sign_request(Generation generation, const x509::RequestedContent& ask,
                                                const x509::Csr& csr);

// What of the settings goes there with a CSR, as JSON: Draft::provider_state, so that approvals are for that too. `url`
// too, since a label means something at one TSB only.
std::string beside_csr(const Settings& settings);

// The names under which a profile accepts what this mode drops: rows of x509::finding_kinds().
namespace accepted {
inline constexpr std::string_view kSubject = "subject-changed";
inline constexpr std::string_view kAlternativeNames = "san-dropped";  // all of them; some of them is never acceptable
inline constexpr std::string_view kUsage = "key-usage-missing";
inline constexpr std::string_view kExtendedUsage = "extended-key-usage-missing";
inline constexpr std::string_view kOtherExtendedUsage = "extended-key-usage-changed";
inline constexpr std::string_view kConstraints = "basic-constraints-changed";
inline constexpr std::string_view kNoConstraints = "basic-constraints-missing";
inline constexpr std::string_view kNameConstraints = "name-constraints-missing";
inline constexpr std::string_view kPolicies = "policies-missing";
inline constexpr std::string_view kTlsFeatures = "tls-features-missing";
inline constexpr std::string_view kExtension = "extension-missing";
inline constexpr std::string_view kSerial = "serial-not-positive";
inline constexpr std::string_view kShorter = "validity-shorter";
inline constexpr std::string_view kLonger = "validity-longer";
}  // namespace accepted

}  // namespace hsmbridge::securosys
