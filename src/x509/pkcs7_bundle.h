#pragma once

#include "base/bytes.h"

#include <vector>

namespace hsmbridge::x509 {

// A certs-only PKCS#7 bundle (RFC 2315 §9.1: SignedData without content and without signers) of these certificates, as
// DER. It is a SET: the order says nothing to a reader. Throws invalid_input for bytes that are no certificate.
Bytes pkcs7_bundle(const std::vector<Bytes>& certificates);

// The certificates of a file that holds such a bundle and nothing else, PEM (label PKCS7) or DER; empty for any other.
std::vector<Bytes> certificates_of_bundle(ByteView file);

}  // namespace hsmbridge::x509
