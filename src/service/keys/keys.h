#pragma once

#include "service/bridge.h"
#include "service/logbook.h"
#include "workflow/ports/key_ring.h"
#include "workflow/ports/store.h"

#include <functional>
#include <optional>
#include <string>
#include <vector>

// What people do with keys outside any request: make, look at, destroy. Where there is a store, the logbook tells it.
namespace hsmbridge::service {

struct NewKeys {
  std::vector<std::string> labels;
  x509::KeySpec spec;
  workflow::KeyUse use = workflow::KeyUse::sign;
  std::optional<Bytes> id;  // of the one key; else 16 random bytes each
};
// Each plan is on disk before the token is told to make its key, and each key as soon as it is made; a plan of an
// earlier run that was not carried out as far as is known is taken up again, so that the key it left complete is used
// and half a pair is removed.
// Throws what KeyRing::plan and make throw; with the detail "made" when some of several were made.
std::vector<workflow::MadeKey> make_keys(workflow::KeyRing& ring, Logbook& log, const NewKeys& wanted);

// A key with all that the token shows of it.
struct KeyView {
  workflow::KeyInfo key;
  workflow::KeyAttributes attributes;
  workflow::ContractReport contract;
  std::optional<workflow::KeyProof> proof;
};
enum class Prove { no, yes };
// `prove`: the key signs a nonce, and tells first which public key is its own where only certificates say it.
KeyView view_key(workflow::KeyRing& ring, Logbook& log, const std::string& selector, Prove prove);
// The key with its public part. Throws not_found where nothing tells it.
workflow::KeyInfo public_key(workflow::KeyRing& ring, Logbook& log, const std::string& selector);

// Keys that were planned for requests that are over, and of which nobody has said whether they were made: a process
// died while the token made one, and the request was cancelled before another looked.
std::vector<workflow::KeyRecord> forgotten_plans(workflow::Store& store);
// Those of them that are among these keys of a token and have no certificate: nobody else would ever speak of them.
std::vector<workflow::KeyInfo> forgotten_keys(workflow::Store& store, const std::string& token,
                                              const std::vector<workflow::KeyInfo>& keys);

// Whether the token that requests know by this name is the one of the ring, which may be called otherwise there.
using SameToken = std::function<bool(const std::string& name)>;
// The CA of this bridge (a provider of type local-ca) whose key this is, or will be once its certificate is made;
// nothing for any other key. `except`: a CA that is not looked at; `same`: by default by name. Throws what making the
// provider throws.
std::optional<std::string> authority_of(Bridge& bridge, workflow::KeyRing& ring, const workflow::KeyInfo& key,
                                        const std::string& except = "", const SameToken& same = {});
// The same of a key of which no more is known: a CSR's.
std::optional<std::string> authority_of(Bridge& bridge, const SpkiHash& key);
// The CA whose key will be made under that label in that token.
std::optional<std::string> authority_to_be(Bridge& bridge, const std::string& token, const std::string& label);
bool has_authorities(const Bridge& bridge);
// A CA's key is asked a CSR for nothing but a CA's certificate. `key`: what messages call it. Throws refused.
void refuse_leaf_of_authority(const std::optional<std::string>& authority, const std::string& key,
                              const x509::Content& asked);

// Throws refused for a key that a certificate in use or an open request needs, as far as the records know: a key of a
// token that another bridge uses is its own business.
void refuse_in_use(workflow::Store& store, workflow::KeyRing& ring, const workflow::KeyInfo& key,
                   const SameToken& same);
// Throws refused for the key of a CA of this bridge.
void refuse_authority_key(Bridge& bridge, workflow::KeyRing& ring, const workflow::KeyInfo& key, const SameToken& same);
// Destroys it for good. Which certificates are its own only the key itself can say: it signs for that.
workflow::KeyInfo destroy_key(workflow::KeyRing& ring, Logbook& log, workflow::KeyInfo key,
                              workflow::WithCertificates certificates);

}  // namespace hsmbridge::service
