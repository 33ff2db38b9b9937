#pragma once

#include "base/strong.h"
#include "pkcs11/token/uri.h"
#include "workflow/ports/key_ring.h"

#include <optional>
#include <span>
#include <vector>

namespace hsmbridge::pkcs11 {

class Token;

using workflow::Attribute;
using workflow::KeyAttributes;
using workflow::KeyInfo;
using workflow::WithCertificates;

// Every key of the token, logged in, in the token's order. Throws denied, unavailable.
std::vector<KeyInfo> list_keys(Token& token);

// Every key that the selector matches, also none.
std::vector<KeyInfo> match_keys(Token& token, const KeySelector& selector);

// The one key that it matches; nothing is signed. Throws not_found, or ambiguous with one "candidate" ("id=0a01
// label=web rsa:2048") a key.
KeyInfo find_key(Token& token, const KeySelector& selector);

// The same for many selectors, from one look at the token where that is fewer calls. Nothing where find_key is to be
// asked, for whatever reason; KeyInfo::has_certificate says nothing.
std::vector<std::optional<KeyInfo>> find_keys(Token& token, std::span<const KeySelector> selectors);

// The one key that it matches and whose public key has this hash: keys that share the id or label of a pinned one do
// not stand in its way. Throws as find_key does, not_found when a match shows no public key now, and conflict when only
// other keys match.
KeyInfo find_pinned(Token& token, const KeySelector& selector, const SpkiHash& expected);

// Every attribute with a name in our table that the token knows, except those that hold key material.
KeyAttributes key_attributes(Token& token, const KeyInfo& key);

// Destroys both halves, and on request the certificates of its id that certify it. A key that is not there any more is
// no error; one that is still found afterwards throws corrupt.
void destroy_key(Token& token, const KeyInfo& key, WithCertificates certificates = WithCertificates::keep);

}  // namespace hsmbridge::pkcs11
