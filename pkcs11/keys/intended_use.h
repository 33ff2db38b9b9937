#pragma once

#include "pkcs11/keys/contract.h"
#include "pkcs11/keys/keys.h"

#include <functional>
#include <string>
#include <string_view>

namespace hsmbridge::pkcs11 {

class Token;

// One use of a private key that is about to happen. References live as long as the call that is told of it.
struct IntendedUse {
  enum class Act {
    proof,      // TokenKey::prove, also while a key is opened whose public part only certificates tell
    signature,  // TokenKey::sign
    handshake,  // TlsClientKey::install: OpenSSL signs with it inside a TLS handshake
  };
  Act act;
  const Token& token;
  const KeyInfo& key;
  const KeyStanding& standing;
  std::string_view algorithm;  // "" for a handshake, which negotiates it
  std::string signed_sha256;   // of the bytes that it signs, hex; "" for a handshake, which makes them later
};

// Writes a use down, durably, before the key is used. When it throws, the key is not used. Nobody opens a key without
// one: a caller who keeps no log says so in its journal. Called on the thread that uses the key.
using UseJournal = std::function<void(const IntendedUse&)>;

}  // namespace hsmbridge::pkcs11
