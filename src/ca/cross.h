#pragma once

#include "base/clock.h"
#include "ca/profile.h"
#include "x509/content/content.h"
#include "x509/objects/certificate.h"

#include <string>
#include <vector>

// Cross-signing: a CA certifies another one that is there already, under the same name and for the same key, so that
// what that one issues is trusted below both (RFC 5280 §3.2; TLS Baseline Requirements 7.1.2.2, whose cross-certified
// subordinate CA must have the subject and the key of the existing one byte by byte). Pure.
//
//   against_cross_signing  why the CA of a certificate is not cross-signed by this issuer
//   cross_content          what the new certificate is asked to say: what the existing one says, as far as the profile
//                          permits it
//   cross_objections       what of it the profile does not permit
//   cross_limits           between which dates it lies
//   unlike                 what a certificate has, signed or not, that the existing one does not grant
//   cross_differences      what else differs: for those who approve
//
// Not checked here: who has the key (its CSR says), and the issuer's own path (examine.h).
namespace hsmbridge::ca {

// Every reason, a sentence each.
std::vector<std::string> against_cross_signing(const x509::Certificate& existing, const x509::Certificate& issuer,
                                               Instant now);

// Usages and path length are the narrower of the two, the limits of the existing one stay (extended key usage, name
// constraints, policy constraints); what else it says and the profile does not permit is left out, unless it is critical. Its policies, and
// what only an issuer gives, are the profile's.
x509::Content cross_content(const Profile& profile, const x509::Certificate& existing);
// As `objections` (profile.h), which knows nothing of limits that the existing certificate has.
std::vector<std::string> cross_objections(const Profile& profile, x509::Content requested,
                                          const x509::Certificate& existing);

// The end of the issuer, and of the existing certificate unless the profile lets it be outlived.
x509::Validity cross_limits(const Profile& profile, const x509::Certificate& existing, const x509::Validity& issuer);

// Every reason, a sentence each; empty: it is for the same CA, and grants it nothing that it did not have. Dates are not
// compared.
std::vector<std::string> unlike(const x509::TbsCertificate& certificate, const x509::Certificate& existing);

// What is in one of them alone, a line each. Key identifiers and what only an issuer gives are not compared.
std::vector<std::string> cross_differences(const x509::Content& content, const x509::Certificate& existing);

}  // namespace hsmbridge::ca
