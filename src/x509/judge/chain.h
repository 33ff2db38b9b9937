#pragma once

#include "base/clock.h"
#include "x509/objects/certificate.h"
#include "x509/objects/signature_budget.h"

#include <string>
#include <vector>

namespace hsmbridge::x509 {

// A path from a certificate to a trust anchor, or why there is none.
struct ChainResult {
  bool anchored = false;
  std::vector<Certificate> chain;  // leaf first, the anchor last; only when anchored
  std::string why;                 // when not anchored, with the subject of the certificate at which it ended
};

// Path validation of RFC 5280 §6 by OpenSSL (signatures, dates at `at`, basic constraints, path length, name
// constraints), from `leaf` through any of `intermediates` (any order, unneeded ones allowed) to one of `anchors`. An
// anchor need not be self-signed. Purpose and host name are not judged here. No anchors: not anchored. At most
// kMostAuthorities lie between; `signatures` limits the search where names alone do not show the way.
ChainResult build_chain(const Certificate& leaf, const std::vector<Certificate>& intermediates,
                        const std::vector<Certificate>& anchors, Instant at, SignatureBudget& signatures);
ChainResult build_chain(const Certificate& leaf, const std::vector<Certificate>& intermediates,
                        const std::vector<Certificate>& anchors, Instant at);

// Those of `purposes` for which an issuer with these extended key usages may not certify, by name. RFC 5280 §4.2.1.12
// says nothing about issuers; browsers and Windows let a CA pass on only what it has. An issuer without any, or with
// anyExtendedKeyUsage, may certify for everything; OCSPSigning is an issuer's to give whatever it has (RFC 6960
// §4.2.2.2).
std::vector<std::string> purposes_refused(const Certificate& issuer, const std::vector<Oid>& purposes);

}  // namespace hsmbridge::x509
