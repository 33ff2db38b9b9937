#pragma once

#include "ca/path.h"
#include "x509/objects/certificate.h"

#include <optional>
#include <string>
#include <vector>

// The issuer is examined before anybody is asked to approve or to sign: nobody shall sign what cannot verify. Pure, and
// the same for every signer.
//
//   path_above       who stands above: the issuer, the CAs above it, the trust anchor
//   unfitness        why nothing would verify below them now, whatever it says: time, or another CA certificate, mends
//   objections       why a certificate with this content would not verify below them: another request is needed
//   forbidden_names  the part of it that is about name constraints
//
// Judged as RFC 5280 §6.1 does, and where common verifiers are stricter (extended key usage of CAs, critical extensions
// that OpenSSL does not know) as they do. Each CA up to the trust anchor is judged, the anchor too: its constraints
// bind nobody by the RFC, but OpenSSL keeps them.
//
// Not checked here: whether the CAs were revoked, policies, and the content by itself (x509::validate does that).
namespace hsmbridge::ca {

// Both give every reason at once, the issuer's first.
std::vector<std::string> objections(const x509::TbsCertificate& certificate, const Path& path);

struct Unfitness {
  std::string why;
  std::optional<Instant> until;  // when it ends without anybody's doing
};
std::vector<Unfitness> unfitness(const Path& path, Instant now);

// What a certificate of this issuer carries as its authority key identifier: the issuer's subject key identifier, else
// one by RFC 7093 §2 method 1 (SHA-256 over the key, cut to 160 bits). RFC 5280 §4.2.1.1 wants one in every
// certificate.
Bytes authority_key_identifier(const x509::Certificate& issuer);

}  // namespace hsmbridge::ca
