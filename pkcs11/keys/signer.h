#pragma once

#include "pkcs11/keys/contract.h"
#include "pkcs11/keys/intended_use.h"
#include "pkcs11/keys/keys.h"
#include "x509/objects/signer.h"

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace hsmbridge::pkcs11 {

class Token;

struct KeyProof {
  Bytes nonce;
  Bytes message;    // what was signed: "hsmbridge key proof v1", a zero byte, the nonce, SHA-256 of the SPKI
  Bytes signature;  // as X.509 carries it
  std::string algorithm;
};

// A key of a token as the signing seam: the one door through which keys sign, except for TLS client authentication
// (TlsClientKey). Each use goes to the journal first: what cannot be written down is not signed. Before it is used, and
// again after a login or the module was lost, the key is compared with the contract: one with a flaw that is not
// accepted by name signs nothing (refuse_flaws). Hashing happens here, the private operation in the token, and every
// signature is verified in software before it is returned. Handles are cached and looked up again when the token has
// forgotten them; the key that is found then must have the same public key. Thread rule: may be called from several
// threads.
class TokenKey final : public x509::Signer {
 public:
  // `accepted`: names of config::key_flaws().
  // A key whose public part only certificates tell signs to tell which (with_proved_claim), by the same journal.
  // Throws what find_key throws, invalid_input for a key without a private half, of a kind without a row, or without a
  // public part anywhere on the token, and refused for one with a flaw.
  static std::unique_ptr<TokenKey> open(std::shared_ptr<Token> token, const KeySelector& selector, UseJournal journal,
                                        std::vector<std::string> accepted = {});
  // The same, refusing (conflict) a key whose public key is another one than the pinned.
  static std::unique_ptr<TokenKey> open_pinned(std::shared_ptr<Token> token, const KeySelector& selector,
                                               const SpkiHash& expected, UseJournal journal,
                                               std::vector<std::string> accepted = {});
  static std::unique_ptr<TokenKey> open(std::shared_ptr<Token> token, KeyInfo key, UseJournal journal,
                                        std::vector<std::string> accepted = {});

  ~TokenKey() override;
  const KeyInfo& info() const noexcept;
  // How it was found to stand to the contract when it was opened.
  const KeyStanding& standing() const noexcept;
  const Bytes& subject_public_key_info() const override;
  // Throws denied (PIN), unavailable, corrupt (the token answered a signature that does not verify), invalid_input (the
  // key cannot do that algorithm, or the token has no mechanism for it), and what the journal throws.
  Bytes sign(ByteView to_be_signed, const x509::SignatureAlgorithm& algorithm) override;
  // The default algorithm, over a domain-separated message that can be no certificate, CSR or CRL.
  KeyProof prove(ByteView nonce);

 private:
  struct State;
  explicit TokenKey(std::unique_ptr<State> state);
  Bytes sign_for(IntendedUse::Act act, ByteView message, const x509::SignatureAlgorithm& algorithm);
  std::unique_ptr<State> state_;
};

// Whether only a signature can tell the key's public key.
bool wants_proof(const KeyInfo& key);
// A key whose public part only certificates tell signs a proof (TokenKey::prove) for each of its claims: the one that
// verifies is taken, the others are other keys' and stay in `claims`. Throws what TokenKey::open throws, except that a
// key with no claim of its own is given back as it is.
KeyInfo with_proved_claim(const std::shared_ptr<Token>& token, KeyInfo key, const UseJournal& journal,
                          const std::vector<std::string>& accepted);

// Throws invalid_input when the token has no mechanism for the algorithm: to be asked before a key is made for it.
void expect_to_sign(const Token& token, const x509::SignatureAlgorithm& algorithm);

// What prove() signs; for a verifier.
Bytes proof_message(ByteView nonce, ByteView spki);

}  // namespace hsmbridge::pkcs11
