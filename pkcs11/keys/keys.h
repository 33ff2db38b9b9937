#pragma once

#include "base/bytes.h"
#include "base/json.h"
#include "base/strong.h"
#include "pkcs11/token/uri.h"
#include "x509/objects/algorithm.h"

#include <optional>
#include <string>
#include <vector>

namespace hsmbridge::pkcs11 {

class Token;

// A key pair of a token, or the half of one that is there.
struct KeyInfo {
  std::string label;  // of the private half where there is one
  Bytes id;           // CKA_ID
  std::string type;   // "rsa:3072", "ec:P-256", "ed25519", or what the token calls a key this project has no row for
  std::optional<x509::KeySpec> spec;
  Bytes spki;  // DER; empty when the token shows no public part of it
  SpkiHash spki_hash;
  bool has_private = false;
  bool has_public = false;
  bool has_certificate = false;  // that certifies its public key
  bool always_authenticate = false;
  // Where the token shows no public part of a private half: what the certificates under its id certify. CKA_ID is a
  // convention, so any of them may be another key's; TokenKey::open lets the key sign to tell.
  struct Claim {
    Bytes spki;
    std::string certificate;  // its label, or its subject where it has none
    bool operator==(const Claim&) const = default;
  };
  std::vector<Claim> claims;
  // False when two public halves carry this id and nothing on the token says which one belongs to the private half.
  bool paired = true;
  std::string uri;  // token, serial, id and label: names this key only, unless the token holds two of one id and label

  // What a person reads and may type again to name it: the label where that reads as it is and names a key by its
  // label, else a URI with the label's octets, or the id where there is no label.
  std::string name() const;
};

// What every leaf of the audit log about a key says: token, label, id, type, SPKI hash.
Json facts_of(const Token& token, const KeyInfo& key);

// Every key of the token, logged in, in the token's order. Throws denied, unavailable.
std::vector<KeyInfo> list_keys(Token& token);

// Every key that the selector matches, also none.
std::vector<KeyInfo> match_keys(Token& token, const KeySelector& selector);

// The one key that it matches; nothing is signed. Throws not_found, or ambiguous with one "candidate" ("id=0a01
// label=web rsa:2048") a key.
KeyInfo find_key(Token& token, const KeySelector& selector);

// The one key that it matches and whose public key has this hash: keys that share the id or label of a pinned one do
// not stand in its way. Throws as find_key does, not_found when a match shows no public key now, and conflict when only
// other keys match.
KeyInfo find_pinned(Token& token, const KeySelector& selector, const SpkiHash& expected);

// One attribute as the token shows it.
struct Attribute {
  unsigned long type = 0;
  std::string name;   // "CKA_SIGN"
  std::string value;  // "true", "CKK_EC", text, or lower-case hex
  Bytes raw;
};
struct KeyAttributes {
  std::vector<Attribute> private_half;  // empty when that half is not there
  std::vector<Attribute> public_half;
};
// Every attribute with a name in our table that the token knows, except those that hold key material.
KeyAttributes key_attributes(Token& token, const KeyInfo& key);

enum class WithCertificates { keep, destroy };
// Destroys both halves, and on request the certificates of its id that certify it. A key that is not there any more is
// no error; one that is still found afterwards throws corrupt.
void destroy_key(Token& token, const KeyInfo& key, WithCertificates certificates = WithCertificates::keep);

}  // namespace hsmbridge::pkcs11
