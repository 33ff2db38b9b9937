#pragma once

#include "pkcs11/keys/keys.h"
#include "pkcs11/keys/objects.h"

#include <optional>
#include <span>
#include <utility>
#include <vector>

namespace hsmbridge::pkcs11 {

// A key of the token with the handles of its objects: good for this session's login only, so it is never kept.
struct KeyObjects {
  KeyInfo info;
  std::optional<CK_OBJECT_HANDLE> private_half;
  std::optional<CK_OBJECT_HANDLE> public_half;
  std::vector<CK_OBJECT_HANDLE> certificates;  // with its CKA_ID, and of this key
  // Every certificate with its CKA_ID, with what it certifies.
  std::vector<std::pair<CK_OBJECT_HANDLE, Bytes>> beside;
};

// Takes one of the key's claims for its public key.
void take_claim(KeyInfo& key, const Bytes& spki);

// What an object search gave, read and paired. Halves pair by CKA_ID and, where the private object shows it, by the
// public value; an empty CKA_ID pairs by label. Handles of other classes are passed over, and so is an object that was
// destroyed since the search (see is_gone).
std::vector<KeyObjects> pair_objects(const Session& session, std::span<const CK_OBJECT_HANDLE> handles);

// Every key; those with this CKA_ID; those that the selector matches.
std::vector<KeyObjects> all_keys(const Session& session);
std::vector<KeyObjects> keys_with_id(const Session& session, ByteView id);
std::vector<KeyObjects> matching_keys(const Session& session, const KeySelector& selector);
// For each selector its one key, where it has one that shows its public key. From one look at all keys of the token: two
// calls a key, where a search of its own takes seven. Nothing where the token has so many that this would be more calls,
// where no key or several match, or where a URI selects: to be searched for then. Whether certificates are beside a key
// is not looked at.
std::vector<std::optional<KeyInfo>> keys_of_many(const Session& session, std::span<const KeySelector> selectors);
// The key that `info` describes, as it is on the token now: same id, label and public key. Throws not_found when it is
// gone, and conflict when another public key has taken its place.
KeyObjects locate(const Session& session, const KeyInfo& info);

// The key that is selected by its id alone and has this public key, as a search of this login showed it, where it was one
// alone. The token is not asked, so whoever uses the key locates its private half.
std::optional<KeyInfo> remembered_key(TokenState& token, const KeySelector& selector, const SpkiHash& spki);

// The private half of that key by a handle that a search of this login gave, once it was seen to be a private key of the
// key's id and label, with how it stands to its contract; else as locate() finds it. Throws as locate does, and
// not_found when there is no private half.
struct PrivateHalf {
  CK_OBJECT_HANDLE handle = 0;
  workflow::KeyStanding standing;
};
// `look`: again, to whatever handle was remembered.
enum class Look { remembered, again };
PrivateHalf locate_private_half(const Session& session, const KeyInfo& info, Look look);

// Whether the public half that a search of this login found is there and shows the key's id and public key: a token may
// give the handle of a key that was destroyed to another of its id and label, and only a signature tells those apart.
bool still_shows_public_key(const Session& session, const KeyInfo& info);

// "id=0a01 label=web ec:P-256", for a candidate in an error.
std::string candidate_text(const KeyInfo& key);

}  // namespace hsmbridge::pkcs11
