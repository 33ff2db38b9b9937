#pragma once

#include "base/bytes.h"
#include "base/strong.h"
#include "workflow/ports/key_use.h"
#include "x509/objects/algorithm.h"

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

// The keys of one token as people work with them. What the engine needs of a token is workflow/ports/token.h.
namespace hsmbridge::workflow {

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
  // convention, so any of them may be another key's; KeyRing::signer lets the key sign to tell.
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
  std::string name;
};

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

// What else the key will do besides the signatures of this program.
enum class KeyUse {
  sign,
  // TLS client authentication through libp11, which pads RSA-PSS by itself and asks for raw RSA (CKM_RSA_X_509). Raw
  // RSA signing equals raw decryption, so other RSA keys are not allowed it.
  tls_client,
};
// "sign", "tls-client"; parse_key_use throws invalid_input for another word.
std::string_view to_string(KeyUse use);
KeyUse parse_key_use(std::string_view text);

enum class Verdict {
  held,
  wish_not_granted,  // reported, not fatal: MODIFIABLE, COPYABLE, ALLOWED_MECHANISMS
  not_shown,         // the token accepted it in the template and does not show it (usage attributes only)
  violated,          // the key must not be used
};
std::string_view to_string(Verdict verdict);

struct ContractRow {
  std::string half;       // "private" or "public"
  std::string attribute;  // "CKA_EXTRACTABLE"
  std::string asked;      // "false"
  std::string found;      // "false", "not shown"
  Verdict verdict = Verdict::held;
};

// How a key that is there stands to the contract of its private half, as it is judged before each use.
struct KeyStanding {
  std::vector<std::string> flaws;      // names of config::key_flaws()
  std::vector<std::string> not_shown;  // attributes that the token does not show: "CKA_DERIVE"
};
// What was asked of a key and what the token says it has.
struct ContractReport {
  std::vector<ContractRow> rows;
  KeyUse use = KeyUse::sign;  // whose contract it is
  KeyStanding standing;       // as it is judged before each use; empty for a key without a private half
  std::string quirk;          // the rung of the ladder whose template the token took: "full", or a named vendor quirk

  bool violated() const;
  // One line a violated row: "private CKA_EXTRACTABLE: asked false, found true".
  std::string violations() const;
};

// The octets of an id that this program chooses.
inline constexpr std::size_t kIdOctets = 16;

// A key before it is born: what is journalled before it is made. The id is 16 random bytes, so a crash between the two
// leaves something that can be looked for.
struct KeyPlan {
  std::string label;
  Bytes id;
  x509::KeySpec spec;
  KeyUse use = KeyUse::sign;
  // A random id is there to find the key again: a token that keeps fewer octets, or gives an id of its own, is obeyed,
  // and KeyInfo::id says what the key's is. One that a person chose is kept as it is, or the key is not made.
  enum class IdFrom { random, chosen } id_from = IdFrom::random;

  bool operator==(const KeyPlan&) const = default;
};

struct MadeKey {
  KeyInfo key;
  ContractReport contract;
  enum class Origin { generated, adopted } origin = Origin::generated;  // adopted: it was made before a crash
};
// Told of each key as soon as it is certain to stay, also when a later one of the batch fails. It must not use the
// token. An error of its own ends the batch; the key stays and is found again by its plan.
using KeyMade = std::function<void(const MadeKey&)>;
// Told, under the lock, of the plans that are next: a few dozen, or the rest of those. It must not use the token. What
// it throws ends the batch: the place to refuse a plan that somebody else carried out while this one waited.
using KeysDue = std::function<void(std::span<const KeyPlan>)>;

enum class WithCertificates { keep, destroy };

// Implemented in pkcs11/. A `selector` is what a person types: a label, id=HEX, or a pkcs11: URI (RFC 7512); another
// text throws invalid_input. Every function logs in where it must. Each throws denied (PIN), unavailable.
// Thread rule: may be called from several threads.
class KeyRing {
 public:
  virtual ~KeyRing() = default;

  virtual const std::string& token() const = 0;  // its name, as the configuration or the command line gives it
  virtual std::string token_uri() = 0;           // which token it is, whatever it is called
  virtual void login() = 0;
  // How many signatures the token makes at once: a program with more threads than that has them wait in turn.
  virtual unsigned sessions() const = 0;

  // In the token's order.
  virtual std::vector<KeyInfo> list() = 0;
  // Every key that the selector matches, also none.
  virtual std::vector<KeyInfo> match(const std::string& selector) = 0;
  // The one key that it matches; nothing is signed. Throws not_found, or ambiguous with one "candidate" ("id=0a01
  // label=web rsa:2048") a key.
  virtual KeyInfo find(const std::string& selector) = 0;
  // The same for many, in their order, as they are at one moment: fewer calls of the token than one by one. Nothing where
  // find() is to be asked: it gives the key or says why not. Throws invalid_input for a text that is not a selector.
  virtual std::vector<std::optional<KeyInfo>> find_many(std::span<const std::string> selectors) = 0;
  // Every attribute with a name in our table that the token knows, except those that hold key material.
  virtual KeyAttributes attributes(const KeyInfo& key) = 0;
  // Compares a key, however it got there, with the contract.
  virtual ContractReport contract(const KeyInfo& key) = 0;
  // Throws invalid_input when the token has no mechanism for the algorithm: to be asked before a key is made for it.
  virtual void expect_to_sign(const x509::SignatureAlgorithm& algorithm) = 0;

  // Checks that labels and ids are free and that the token can make such keys; nothing is made. `open_plans`: the ids,
  // by label, of plans that were journalled before and not carried out as far as is known; such a plan is given again.
  // Throws conflict naming both ids, invalid_input.
  virtual std::vector<KeyPlan> plan(std::span<const std::string> labels, const x509::KeySpec& spec,
                                    const std::map<std::string, Bytes>& open_plans) = 0;
  // Makes the planned keys, or adopts those that a crash left. Stops at the first that fails; those made before it stay
  // and are found again by their plans. Throws corrupt with one "violation" a row for a contract that was not kept.
  virtual std::vector<MadeKey> make(std::span<const KeyPlan> plans, const KeyMade& on_made, const KeysDue& on_due) = 0;
  // Destroys both halves, and on request the certificates of its id that certify it. A key that is not there any more
  // is no error; one that is still found afterwards throws corrupt.
  virtual void destroy(const KeyInfo& key, WithCertificates certificates) = 0;

  // Where only certificates tell the key's public key: with the one for which it signs a proof, each of which is
  // written down first. A key with no claim of its own, or that needs none, is given back as it is.
  virtual KeyInfo identify(KeyInfo key, const Intent& intent, const RecordFact& record) = 0;
  // The one way to a signature. Throws invalid_input for a key that cannot sign, refused for one with a flaw that the
  // intent does not accept, and what `record` throws.
  struct Opened {
    KeyInfo key;  // identified
    std::unique_ptr<KeySigner> signer;
  };
  virtual Opened signer(const KeyInfo& key, Intent intent, RecordFact record) = 0;
};

// What every leaf of the audit log about a key says: token, label, id, type, SPKI hash.
Json facts_of(const std::string& token, const KeyInfo& key);

}  // namespace hsmbridge::workflow
