#pragma once

#include "pkcs11/contract.h"
#include "pkcs11/keys.h"

#include <span>
#include <string>
#include <vector>

namespace hsmbridge::pkcs11 {

// A key before it is born: what the caller journals before make_key. The id is 16 random bytes, so a crash between the
// two leaves something that can be looked for.
struct KeyPlan {
  std::string label;
  Bytes id;
  x509::KeySpec spec;
  KeyUse use = KeyUse::sign;

  bool operator==(const KeyPlan&) const = default;
};

struct MadeKey {
  KeyInfo key;
  ContractReport contract;
  enum class Origin { generated, adopted } origin = Origin::generated;  // adopted: it was made before a crash
};

// Checks that label and id are free and that the token can make such a key. Throws conflict naming both ids, and
// invalid_input for a mechanism or size that the token does not have.
KeyPlan plan_key(Token& token, const std::string& label, const x509::KeySpec& spec);
// Many at once with one scan of the token.
std::vector<KeyPlan> plan_keys(Token& token, std::span<const std::string> labels, const x509::KeySpec& spec);

// Makes the planned key, or adopts it: first the id is looked for; a full pair of the planned type is adopted, half a
// pair is destroyed and made again. Afterwards every attribute is read back and compared. A violated contract destroys
// both halves and throws corrupt with one "violation" a row. Throws conflict when another key took the label meanwhile.
MadeKey make_key(Token& token, const KeyPlan& plan);
// Many at once with one scan of the token. Stops at the first that fails; those made before it stay and are found again
// by their plans.
std::vector<MadeKey> make_keys(Token& token, std::span<const KeyPlan> plans);

}  // namespace hsmbridge::pkcs11
