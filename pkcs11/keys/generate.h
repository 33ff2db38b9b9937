#pragma once

#include "pkcs11/keys/contract.h"
#include "pkcs11/keys/keys.h"

#include <functional>
#include <map>
#include <span>
#include <string>
#include <vector>

namespace hsmbridge::pkcs11 {

using workflow::KeyMade;
using workflow::KeyPlan;
using workflow::KeysDue;
using workflow::kIdOctets;
using workflow::MadeKey;

// Checks that the label is free and that the token can make such a key. Throws conflict naming both ids, and
// invalid_input for a mechanism or size that the token does not have, or a label that could be taken for another kind
// of selector.
KeyPlan plan_key(Token& token, const std::string& label, const x509::KeySpec& spec);
// Many at once. `open_plans`: the ids, by label, of plans that were journalled before and
// not carried out as far as is known; such a plan is given again, so that what it left on the token is found.
std::vector<KeyPlan> plan_keys(Token& token, std::span<const std::string> labels, const x509::KeySpec& spec,
                               const std::map<std::string, Bytes>& open_plans = {});

// Makes the planned key, or adopts it: first the id is looked for; a full pair of the planned type is adopted, half a
// pair is destroyed and made again, or is a conflict where it may be another program's (remove_halves). Afterwards
// every attribute is read back and compared. A violated contract destroys both halves and throws corrupt with one
// "violation" a row. A read-back that fails for another reason leaves the pair (detail "left_on_token"): the plan finds
// it. Throws conflict when another key took the label meanwhile.
//
// A full pair under the planned id is never destroyed but through the handles of the call that made it: a call that a
// worker gave up may come back long after another worker made the same key and used it. So an adopted key that
// violates the contract, or was made for TLS clients where one that signs was planned, is refused and left, and more
// than one pair under the id is a conflict. From the search to the read-back the token's LockedWork::making_keys lock
// is held; throws unavailable when another process holds it for longer than TokenAccess::making_wait.
MadeKey make_key(Token& token, const KeyPlan& plan);
// Many at once, a few dozen or a few seconds under one lock; each name is looked for before its key is made, and again
// after such a part.
// Stops at the first that fails; those made before it stay and are found again by their plans.
std::vector<MadeKey> make_keys(Token& token, std::span<const KeyPlan> plans, const KeyMade& on_made = {},
                               const KeysDue& on_due = {});

}  // namespace hsmbridge::pkcs11
