#pragma once

#include "tools/rig/pki/software_key.h"

#include <string>
#include <string_view>

namespace hsmbridge::rig {

// A row of the TSB's enumeration of signature algorithms that the simulated HSM can do.
struct SignatureWord {
  std::string_view word;  // "SHA256_WITH_RSA"
  PublicKeyType key_type;
  std::string_view digest;  // OpenSSL's name; "" for Ed25519
  SignatureScheme::Padding padding;
  bool certificates;  // keytool's smaller set, for CSRs and certificates

  SignatureScheme scheme() const { return {std::string(digest), padding}; }
};

// Null for a word that is none of them: those of the API that the HSM cannot do are not told apart.
const SignatureWord* find_signature_word(std::string_view word);
// OpenSSL's name for the API's digest words ("SHA-256" is "SHA256", "SHA3-256" stays, "EdDSA" is ""); throws business
// error 600 naming `field` for another.
std::string digest_of(std::string_view word, std::string_view field);

}  // namespace hsmbridge::rig
