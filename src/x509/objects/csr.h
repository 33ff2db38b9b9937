#pragma once

#include "base/bytes.h"
#include "x509/content/content.h"
#include "x509/objects/algorithm.h"
#include "x509/objects/signed_object.h"
#include "x509/objects/signer.h"

#include <string>
#include <vector>

// PKCS#10 certification requests (RFC 2986).
namespace hsmbridge::x509 {

// A request attribute other than extensionRequest and challengePassword.
struct RequestAttribute {
  Oid type;
  Bytes values;  // DER SET OF
};

struct Csr {
  Bytes der;
  SignedObject parts;
  Bytes spki;  // DER SubjectPublicKeyInfo
  Content content;
  std::vector<RequestAttribute> other_attributes;
};

// DER CertificationRequestInfo: what the key signs. `spki` is copied as it is. Checks the content first (see
// `validate`). Throws invalid_input.
Bytes build_certification_request_info(ByteView spki, const Content& content);

// Builds, signs with `signer`, and proves (prove_csr) before it returns DER. Throws what the signer throws,
// invalid_input (algorithm and key do not fit, content contradicts itself), corrupt (the proof failed).
Bytes create_csr(Signer& signer, const Content& content, const SignatureAlgorithm& algorithm);

// Reads `der` back and compares it with what was asked: every field of the content, the public key byte by byte, the
// algorithm with its parameters, and the signature in software. Throws corrupt naming the first field that differs.
void prove_csr(ByteView der, ByteView spki, const Content& content, const SignatureAlgorithm& algorithm);

// How a CSR differs from what was asked, found as above: the first field, or that its signature does not verify; "" when
// it is what was asked.
std::string difference(const Csr& csr, ByteView spki, const Content& content, const SignatureAlgorithm& algorithm);

// Structure only: the signature is judged by signature_verifies. Throws invalid_input.
Csr parse_csr(ByteView der);
// False also where that cannot be checked (check_signature tells).
bool signature_verifies(const Csr& csr);

}  // namespace hsmbridge::x509
