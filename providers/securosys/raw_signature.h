#pragma once

#include "ca/path.h"
#include "providers/securosys/settings.h"
#include "workflow/ports/provider.h"
#include "x509/content/requested_content.h"
#include "x509/objects/certificate.h"

#include <string>
#include <vector>

// mode: raw-signature. The TBSCertificate is built here; the TSB only signs it, as the payload of POST /v1/sign.
namespace hsmbridge::securosys {

// The row of x509's table that signs with the issuer's key: the configured one or the usual one for that key.
const x509::SignatureAlgorithm& issuing_algorithm(const Settings& settings, const x509::Certificate& issuer);

// Everything the certificate will say, frozen: subject and extensions as the CSR asks, issuer name and key identifier
// as the issuer's certificate has them, a random serial, validity from `now`. Read back and compared before it is
// returned. Its notBefore is never before the issuer's, and it always has an authority key identifier. Whether its own
// key signed the CSR is for the check. Throws refused (the CSR is not what the order asks), invalid_input (the
// algorithm does not fit the issuer), corrupt.
workflow::ProviderDraft draft_to_be_signed(const Settings& settings, const x509::Certificate& issuer,
                                           const workflow::Order& order, ByteView csr, Instant now);

// Why a draft that was built at `built_at` has waited too long for its own dates; "" where it has not.
std::string outlived(const x509::Validity& validity, Instant built_at, Instant now);

// Why a draft is not to be signed: `reasons` that only another request mends, and those that another draft does.
struct DraftFaults {
  std::vector<std::string> reasons;
  std::vector<std::string> outdated;
};
// `issuer` is what the signing key has now; `above` begins with the certificate that the draft was made for, and that
// its own will be verified with. Whether these CAs are fit to issue is ca::unfitness.
DraftFaults check_to_be_signed(const Settings& settings, const x509::Certificate& issuer, const ca::Path& above,
                               const workflow::ProviderCall& call);

// The certificate of a signature that came back, verified with the issuer's key. Throws corrupt.
Bytes assemble(const workflow::Draft& draft, const workflow::IssuedResult& result);

}  // namespace hsmbridge::securosys
