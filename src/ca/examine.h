#pragma once

#include "ca/path.h"
#include "x509/certificate.h"

#include <string>
#include <vector>

// The issuer is examined before anybody is asked to approve or to sign: nobody shall sign what cannot verify. Pure, and
// the same for every signer.
//
//   path_above       who stands above: the issuer, the CAs above it, the trust anchor
//   objections       why a certificate with this content would not verify below them, every reason at once
//   forbidden_names  the part of it that is about name constraints
//
// Judged as RFC 5280 §6.1 does, and where common verifiers are stricter (extended key usage of CAs, critical extensions
// that OpenSSL does not know) as they do. Each CA up to the trust anchor is judged, the anchor too: its constraints
// bind nobody by the RFC, but OpenSSL keeps them.
//
// Not checked here: whether the CAs were revoked, policies, and the content by itself (x509::validate does that).
namespace hsmbridge::ca {

std::vector<std::string> objections(const x509::TbsCertificate& certificate, const Path& path, Instant now);

// What a certificate of this issuer carries as its authority key identifier: the issuer's subject key identifier, else
// one by RFC 7093 §2 method 1 (SHA-256 over the key, cut to 160 bits). RFC 5280 §4.2.1.1 wants one in every
// certificate.
Bytes authority_key_identifier(const x509::Certificate& issuer);

}  // namespace hsmbridge::ca
