#pragma once

#include "workflow/ports/provider.h"

#include <cstddef>
#include <optional>

namespace hsmbridge::providers {

// A key of a CA of this bridge that a service keeps: it signs the bytes that the CA froze (Draft::to_be_signed), in its
// own time and under its own approvals, and follows that as any provider follows a request. What the bytes say is the
// CA's business: draft() is not called, check() judges the key and what the service can sign, and certificate_in()
// verifies the signature with the draft's issuer.
class KeyService : public workflow::Provider {
 public:
  // The SubjectPublicKeyInfo (DER) of the key; nothing where the service does not tell it to this bridge. Throws
  // not_found where there is no such key, unavailable.
  virtual std::optional<Bytes> public_key(Duration limit) = 0;
  // How many octets it signs at once.
  virtual std::size_t most_octets() const = 0;
};

}  // namespace hsmbridge::providers
