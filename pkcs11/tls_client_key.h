#pragma once

#include "base/bytes.h"
#include "pkcs11/keys/keys.h"
#include "workflow/ports/key_use.h"

#include <memory>
#include <string>
#include <vector>

struct ssl_ctx_st;  // SSL_CTX of openssl/ssl.h

namespace hsmbridge::pkcs11 {

class Token;

// A token key that authenticates this process to a TLS server. OpenSSL itself drives the key here, through libp11; no
// other signature takes that way. libp11's context is made after our own login and is never logged out, released or
// unloaded: doing so would end our sessions.
class TlsClientKey {
 public:
  // `chain`: the client certificate and its issuers as DER, leaf first; when empty, the certificate next to the key.
  // `intent`: for Purpose::tls_client. Each handshake is written down before OpenSSL gets the key, and so are the
  // proofs of a key whose public part only certificates tell.
  // Throws what find_key throws, refused for a key with a flaw, and invalid_input when the token holds an Ed25519 private key (libp11 0.4.12 then
  // cannot use any key of it), when the key is not RSA or EC, or when no certificate for the key is there.
  static std::shared_ptr<TlsClientKey> open(std::shared_ptr<Token> token, const KeySelector& selector,
                                            workflow::Intent intent, workflow::RecordFact record,
                                            std::vector<Bytes> chain = {});
  ~TlsClientKey();

  // An RSA key that may not do raw RSA (the contract allows it to keys made for KeyUse::tls_client only) authenticates
  // with PKCS#1 v1.5 signatures, and the connection is limited to TLS 1.2.
  // Puts certificate, chain and key into an SSL_CTX: call it from CURLOPT_SSL_CTX_FUNCTION (catch there: it throws).
  // Throws unavailable when another handshake with a key of the same module keeps it waiting for longer than
  // TokenAccess::session_wait.
  // Thread rule: may be called from several threads. The handshake then signs on the thread that drives it.
  void install(void* ssl_ctx);

 private:
  struct State;
  explicit TlsClientKey(std::unique_ptr<State> state);
  void hand_over(ssl_ctx_st* context);
  std::unique_ptr<State> state_;
};

}  // namespace hsmbridge::pkcs11
