#pragma once

#include "pkcs11/keys/contract.h"
#include "pkcs11/keys/keys.h"
#include "workflow/ports/key_use.h"

#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace hsmbridge::pkcs11 {

class Token;

// A key of a token as the signing seam: the one door to C_Sign, whatever a key is used for (workflow::Purpose). Each
// use keeps one order: the key is compared with the contract (refuse_flaws) where the login is a newer one than at the
// last look, the intent is written down, the key signs, and where the purpose wants it the outcome is written down
// before anybody has the signature. What cannot be written down is not signed. Hashing happens here, the private
// operation in the token, and every signature is verified in software before it is returned. Handles are cached and
// looked up again when the token has forgotten them; the key that is found then must have the same public key, and is
// compared with the contract again.
// Not checked here: whether what is signed was approved or linted; that is for whoever opens the key.
// This header is private to pkcs11/ (scripts/check-layers): others open keys through the ports of the workflow.
class TokenKey final : public workflow::KeySigner {
 public:
  // A key whose public part only certificates tell signs to tell which (with_proved_claim), for the same intent.
  // Throws what find_key throws, internal without a log, invalid_input for a key without a private half, of a kind
  // without a row, or without a public part anywhere on the token, and refused for one with a flaw.
  static std::unique_ptr<TokenKey> open(std::shared_ptr<Token> token, const KeySelector& selector,
                                        workflow::Intent intent, workflow::RecordFact record);
  // The same, refusing (conflict) a key whose public key is another one than the pinned. One that a search of this login
  // showed is not searched for again, only looked at, as at each use.
  static std::unique_ptr<TokenKey> open_pinned(std::shared_ptr<Token> token, const KeySelector& selector,
                                               const SpkiHash& expected, workflow::Intent intent,
                                               workflow::RecordFact record);
  static std::unique_ptr<TokenKey> open(std::shared_ptr<Token> token, KeyInfo key, workflow::Intent intent,
                                        workflow::RecordFact record);

  ~TokenKey() override;
  const KeyInfo& info() const noexcept;
  // How it was found to stand to the contract at the last look.
  KeyStanding standing() const;
  const Bytes& subject_public_key_info() const override;
  // Throws denied (PIN), unavailable, corrupt (the token answered a signature that does not verify), refused (a flaw
  // that the key did not have before), invalid_input (the key cannot do that algorithm, or the token has no mechanism
  // for it), and what the log throws.
  Bytes sign(ByteView to_be_signed, const x509::SignatureAlgorithm& algorithm) override;
  void say(std::string words) override;
  Bytes sign_saying(const Json& more, ByteView to_be_signed, const x509::SignatureAlgorithm& algorithm) override;
  workflow::KeyProof prove(ByteView nonce) override;
  // For TLS client authentication alone, where OpenSSL drives the key through libp11: the key is compared, the intent
  // written down, and then `hand_over` may give it to OpenSSL, which signs with it inside the handshake.
  void lend(const std::function<void()>& hand_over);

 private:
  struct State;
  explicit TokenKey(std::unique_ptr<State> state);
  // `more`: see sign_saying; null for what the intent says.
  Bytes sign(const Json* more, ByteView to_be_signed, const x509::SignatureAlgorithm& algorithm);
  Bytes sign_for(std::string_view leaf, const Json* more, ByteView message, const x509::SignatureAlgorithm& algorithm);
  std::unique_ptr<State> state_;
};

// Whether only a signature can tell the key's public key.
bool wants_proof(const KeyInfo& key);
// A key whose public part only certificates tell signs a proof (TokenKey::prove) for each of its claims: the one that
// verifies is taken, the others are other keys' and stay in `claims`. Throws what TokenKey::open throws, except that a
// key with no claim of its own is given back as it is.
KeyInfo with_proved_claim(const std::shared_ptr<Token>& token, KeyInfo key, const workflow::Intent& intent,
                          const workflow::RecordFact& record);

// Throws invalid_input when the token has no mechanism for the algorithm: to be asked before a key is made for it.
void expect_to_sign(const Token& token, const x509::SignatureAlgorithm& algorithm);

// What prove() signs; for a verifier.
Bytes proof_message(ByteView nonce, ByteView spki);

}  // namespace hsmbridge::pkcs11
