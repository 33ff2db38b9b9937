#pragma once

#include "base/clock.h"
#include "base/error.h"
#include "providers/securosys/wire/wire.h"
#include "x509/objects/signer.h"

#include <optional>

// Who asks for tasks, and the proof that it holds the key.
namespace hsmbridge::securosys {

// How a key is named towards the TSB: exactly as the policy names it, public key or certificate.
struct Identity {
  TimestampProof::Form form = TimestampProof::Form::public_key;
  Bytes value;  // DER SubjectPublicKeyInfo or Certificate

  static Identity public_key(const x509::Signer& signer);
  // Throws invalid_input when the certificate is not of the signer's key.
  static Identity certificate(const x509::Signer& signer, ByteView certificate);
  static Identity timestamp_certificate(const x509::Signer& signer, ByteView certificate);
};

// How that key signs for the TSB: RSA PKCS#1 v1.5 or ECDSA with SHA-256 ("SHA-256"), or Ed25519 ("EdDSA").
struct ApproverAlgorithm {
  const x509::SignatureAlgorithm* algorithm;
  std::string digest;
};
ApproverAlgorithm approver_algorithm(const Bytes& subject_public_key_info);
ApproverAlgorithm approver_algorithm(const x509::Signer& signer);

// Makes time stamps that the server takes. It refuses those from its future (tolerance zero) and those older than ten
// minutes, so they are back-dated a few seconds, and moved when the server's own clock is known to differ, by a day at
// most.
// Signs again only when the last proof is older than a minute: a signature may cost a person a touch of a card.
// Thread rule: one thread at a time.
class TimestampProver {
 public:
  TimestampProver(x509::Signer& signer, Identity identity, const Clock& clock);

  TimestampProof prove();
  // Calls `call` with a proof; when the server refuses the time stamp and tells its own time, once more with that time.
  template <class Call>
  auto with_proof(Call call) {
    try {
      return call(prove());
    } catch (const Error& error) {
      if (!learn(error)) throw;
    }
    return call(prove());
  }

 private:
  bool learn(const Error& error);

  x509::Signer& signer_;
  const Identity identity_;
  const Clock& clock_;
  Duration server_ahead_{};
  std::optional<TimestampProof> last_;
  Instant last_at_{};
};

}  // namespace hsmbridge::securosys
