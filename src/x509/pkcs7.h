#pragma once

#include "base/bytes.h"

#include <vector>

namespace hsmbridge::x509 {

// The certificates of a certs-only PKCS#7 bundle (RFC 2315 §9.1, SignedData), DER or BER as some services write it, or
// PEM with the label PKCS7 or CMS. They are a SET, so their order says nothing. Signatures in the bundle are not looked
// at: each certificate speaks for itself. Throws invalid_input when it is no such bundle or holds no certificate.
std::vector<Bytes> read_pkcs7_certificates(ByteView file);

}  // namespace hsmbridge::x509
