#pragma once

#include "base/bytes.h"
#include "workflow/machine/order.h"
#include "workflow/ports/key_use.h"
#include "x509/objects/signer.h"

#include <memory>
#include <span>
#include <string>
#include <vector>

namespace hsmbridge::workflow {

// What the workflow needs of a token. Implemented in pkcs11/. Thread rule: called from the threads of this token's lane
// only. Throws denied, unavailable, not_found, ambiguous, conflict, corrupt.
class Token {
 public:
  virtual ~Token() = default;

  // Makes the planned key, or adopts it when a crash left it complete (half a pair under the planned CKA_ID is
  // destroyed and made again); or finds the one key that the selector names.
  virtual Key ensure_key(const KeyWish& wish) = 0;
  // The key as a signer for that purpose. Refused with `conflict` when the key behind the URI is not the pinned one.
  virtual std::unique_ptr<x509::Signer> signer(const Key& key, Purpose purpose) = 0;
  // Puts the certificate beside the key (same CKA_ID and label), reads it back, compares the DER, and only then removes
  // those of `replaces` (DER) that stand there, and no others. Running it twice changes nothing.
  virtual void put_certificate(const Key& key, ByteView certificate, const std::vector<Bytes>& replaces) = 0;
};

}  // namespace hsmbridge::workflow
