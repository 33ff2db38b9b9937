#pragma once

#include "base/bytes.h"
#include "x509/objects/algorithm.h"

namespace hsmbridge::x509 {

// The one seam for a signature that is answered now: a key in a token of this machine. (A signature that takes days is
// a provider whose result is a signature.)
class Signer {
 public:
  virtual ~Signer() = default;
  // DER SubjectPublicKeyInfo of the key.
  virtual const Bytes& subject_public_key_info() const = 0;
  // Signs `to_be_signed` and returns the signature as X.509 carries it (DER SEQUENCE{r,s} for ECDSA, raw octets for RSA
  // and Ed25519), already verified in software against subject_public_key_info(). Blocks.
  // Throws denied, unavailable, corrupt (the token answered a wrong signature), invalid_input (the key cannot do that).
  virtual Bytes sign(ByteView to_be_signed, const SignatureAlgorithm& algorithm) = 0;
};

}  // namespace hsmbridge::x509
