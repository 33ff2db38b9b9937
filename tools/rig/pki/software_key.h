#pragma once

#include "base/bytes.h"

#include <memory>
#include <string>
#include <string_view>

// OpenSSL's key handle, owned by SoftwareKey; named here so that callers need no OpenSSL header.
struct evp_pkey_st;

namespace hsmbridge::rig {

// How a signature is made, in words of OpenSSL.
struct SignatureScheme {
  enum class Padding { pkcs1, pss };  // RSA only; PSS has MGF1 with the same hash and a salt as long as the hash
  std::string digest = "SHA256";      // not used for Ed25519
  Padding padding = Padding::pkcs1;
};

// A key of the simulated HSM, of the test CA or of a simulated approver: it lives in memory and in a file of mode 0600,
// which is what makes this a rig and not an HSM.
class SoftwareKey {
 public:
  // "RSA" with `bits` 2048 to 8192, "EC" with 256, 384 or 521, "ED" (Ed25519). Throws invalid_input on another.
  static SoftwareKey generate(std::string_view algorithm, int bits);
  // PKCS#8 PEM. Throws invalid_input.
  static SoftwareKey from_pem(std::string_view pem);
  std::string to_pem() const;

  // DER SubjectPublicKeyInfo.
  Bytes public_key() const;
  // DER SEQUENCE{r,s} for EC, raw octets otherwise. Throws invalid_input when the key cannot do that.
  Bytes sign(const SignatureScheme& scheme, ByteView message) const;

  evp_pkey_st* handle() const { return key_.get(); }

 private:
  struct Free {
    void operator()(evp_pkey_st* key) const;
  };
  explicit SoftwareKey(evp_pkey_st* key) : key_(key) {}
  std::unique_ptr<evp_pkey_st, Free> key_;
};

enum class PublicKeyType { rsa, ec, ed25519, other };
// Throws invalid_input when the DER is not a SubjectPublicKeyInfo.
PublicKeyType public_key_type(ByteView public_key);
int public_key_bits(ByteView public_key);
// DER from a "PUBLIC KEY" PEM. Throws invalid_input.
Bytes public_key_from_pem(std::string_view pem);
// With PKCS#1 v1.5 for RSA, DER for EC, pure EdDSA for Ed25519 (where `digest` is not used): how approvers and
// applications sign. `digest` is OpenSSL's name. A malformed signature is false; throws invalid_input for a broken key.
bool verify_signature(ByteView public_key, std::string_view digest, ByteView message, ByteView signature);

// An ECDSA signature as r and s, each of `octets` octets (RFC 7518 §3.4), and back to the DER of X.509.
Bytes raw_ecdsa(ByteView der, std::size_t octets);
Bytes der_ecdsa(ByteView raw);

}  // namespace hsmbridge::rig
