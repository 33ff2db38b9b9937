#pragma once

#include "base/bytes.h"
#include "x509/objects/algorithm.h"

#include <string>
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

// Three answers: a signature that cannot be checked here is no bad one, and no good one either.
enum class SignatureVerdict { verifies, does_not_verify, cannot_be_checked };
struct SignatureCheck {
  SignatureVerdict verdict = SignatureVerdict::cannot_be_checked;
  // Why it cannot be checked; or, where it verifies, why that is worth little: a broken hash, a short key. Else "".
  std::string why;
};

// Whether the key made the signature, by any algorithm that this project or OpenSSL knows: also RSASSA-PSS with other
// parameters than ours, Ed448, SHA-1, short keys.
SignatureCheck check_signature(const SignedObject& object, ByteView spki);
// True when it verifies, however weak the algorithm: what may be trusted, build_chain decides.
bool is_signed_by(const SignedObject& object, ByteView spki);
// "verifies", "DOES NOT VERIFY", "cannot be checked here: …", "verifies, but is weak: …".
std::string to_string(const SignatureCheck& check);

}  // namespace hsmbridge::x509
