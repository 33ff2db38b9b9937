#pragma once

#include "pkcs11/keys/contract.h"
#include "pkcs11/keys/generate.h"
#include "pkcs11/keys/key_objects.h"

#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace hsmbridge::pkcs11 {

enum class Half { private_half, public_half };

enum class Rule {
  hard,        // stated in the template, and must be so afterwards
  hard_usage,  // the same; a token that took it in the template may leave it out of what it shows
  outcome,     // cannot be stated; must be so afterwards
  wish,        // stated where the token takes it
};

struct ContractTerm {
  Half half;
  CK_ATTRIBUTE_TYPE attribute;
  bool value;
  Rule rule;
};
// The flags of the contract. CKA_ALLOWED_MECHANISMS, a wish too, depends on the key type and is not in the table.
std::span<const ContractTerm> contract_terms();
// What a key of this type may do at most: raw and hashed signatures of our algorithm table.
std::vector<CK_MECHANISM_TYPE> allowed_mechanisms(x509::KeyType type, KeyUse use);

// One rung of the ladder: what is left out of the two templates. Outcomes and hard terms are read back all the same.
struct Quirk {
  std::string_view name;
  std::string_view seen_at;  // for the reader: which tokens refuse the rung before it
  bool allowed_mechanisms;   // whether they are stated
  bool copyable;
  bool modifiable;
  bool false_usages;   // whether usages that are FALSE are stated on the private half
  bool public_usages;  // whether the public half states anything but its name
};
std::span<const Quirk> quirk_ladder();
bool states(const Quirk& quirk, const ContractTerm& term);

// What the key was made for, which no attribute but CKA_ALLOWED_MECHANISMS says. See check_contract.
KeyUse use_of(const Session& session, const KeyObjects& key);

// In one call. A usage that the token does not show is said and no flaw: it may have taken it in the template. Where
// one of the others is not shown, nobody knows whether the key ever left the token: that is a flaw (key-not-shown).
// That an imported key could be taken out is part of being imported: only key-not-local is named.
KeyStanding standing_of_key(const Session& session, CK_OBJECT_HANDLE private_half);
// The same, and nothing where the handle is not a private key of that id and label: still one call.
std::optional<KeyStanding> standing_if_still(const Session& session, CK_OBJECT_HANDLE handle, const KeyInfo& key);

// Reads back and compares. `quirk`: what the token was told; null for a key that was not made just now.
ContractReport compare_with_contract(const Session& session, const KeyObjects& key, const Quirk* quirk, KeyUse use);

}  // namespace hsmbridge::pkcs11
