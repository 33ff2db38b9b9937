#pragma once

#include "base/bytes.h"
#include "x509/algorithm.h"

#include <string_view>

namespace hsmbridge::x509 {

// CertificationRequest, Certificate and CertificateList are all SEQUENCE { tbs, AlgorithmIdentifier, BIT STRING }
// (RFC 2986 §4.2, RFC 5280 §4.1, §5.1). This is the one function that puts them together; nothing is checked here: see
// prove_csr and prove_certificate.
Bytes assemble(ByteView to_be_signed, const SignatureAlgorithm& algorithm, ByteView signature);

// The three parts, cut but not interpreted. Throws invalid_input, "<what>: …".
struct SignedObject {
  Bytes to_be_signed;         // the whole element: what the signature covers
  Bytes signature_algorithm;  // DER AlgorithmIdentifier
  Bytes signature;            // the BIT STRING's octets
};
SignedObject take_apart(ByteView der, std::string_view what);

// True when the signature verifies with that key and algorithm. An algorithm without a row throws invalid_input.
bool is_signed_by(const SignedObject& object, ByteView spki);

}  // namespace hsmbridge::x509
