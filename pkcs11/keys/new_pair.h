#pragma once

#include "pkcs11/keys/contract_table.h"
#include "pkcs11/keys/generate.h"
#include "pkcs11/keys/key_objects.h"

#include <functional>
#include <optional>
#include <vector>

// Making one key pair on the token, and what is left of it when that fails.
namespace hsmbridge::pkcs11 {

inline const Bytes kPublicExponent{1, 0, 1};  // 65537: of every RSA key that is made

// The two new objects. They are read back through these handles: a search for each of many keys would walk the token
// as often (a search by id is a linear scan on SoftHSM).
struct NewPair {
  CK_OBJECT_HANDLE public_half = 0;
  CK_OBJECT_HANDLE private_half = 0;
  const Quirk* quirk = nullptr;
  Bytes id;  // as asked of the token: a part of the planned one where the token takes no longer one
};

// Whether a key of the token has that id.
using IdInUse = std::function<bool(const Bytes& id)>;

// C_GenerateKeyPair with the first template of the ladder that the token takes. What a refused try left behind is
// removed before the next; when it left a whole key there is no next (detail "left_on_token"). A token that refuses an
// id of 16 octets is asked with parts of it that are not in use.
NewPair generate_pair(const Session& session, const KeyPlan& plan, const IdInUse& in_use);

// Whether `kept` is what a token that keeps few octets may have made of the planned id.
bool is_part_of_id(const KeyPlan& plan, const Bytes& kept);
// A part of the planned id, as long as `taken`, that names no key; nothing where `taken` is not a part of it, or where
// every part is taken. The plan on disk finds the key by each of them.
std::optional<Bytes> free_part_of_id(const KeyPlan& plan, const Bytes& taken, const IdInUse& in_use);

// Whether an object under the planned id is of this plan. Half a pair that did not get its label yet is.
bool is_of_plan(const KeyPlan& plan, const KeyObjects& key);

// What is under one id.
struct UnderId {
  std::vector<KeyObjects> pairs;
  std::vector<CK_OBJECT_HANDLE> halves;  // certainly half of no pair
  bool unclear = false;                  // halves that nothing on the token tells apart from a pair's

  bool holds_a_key() const { return !pairs.empty() || unclear; }
};
UnderId sort_out(std::vector<KeyObjects> keys);

// Removes the halves of an unfinished key of this plan. Only 16 random octets that were journalled before say that a
// half was made for the plan: an id that a person chose, or a part of ours, may be that of a key which another tool
// made meanwhile, and a private key alone, with its certificate, is how some tokens keep a whole key. So nothing is
// removed under such an id, beside a certificate, or when the token did not make the private half itself (CKA_LOCAL).
enum class Halves { none, left };
Halves remove_halves(const Session& session, const KeyPlan& plan, const UnderId& under);

// Removes an object of an unfinished key. One that is gone is no error.
void destroy_half(const Session& session, CK_OBJECT_HANDLE handle);

}  // namespace hsmbridge::pkcs11
