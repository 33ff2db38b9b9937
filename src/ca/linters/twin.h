#pragma once

#include "base/bytes.h"
#include "ca/linters/linter.h"

#include <string>

namespace hsmbridge::ca {

// What linters read: the certificate or CRL (DER) of what shall be signed, with a signature that is none. The bytes to
// be signed in it are these very bytes (TLS Baseline Requirements 4.3.1.2 name a static signature for this).
Bytes twin_of(Artefact artefact, ByteView to_be_signed);
// The same as PEM.
std::string pem_twin_of(Artefact artefact, ByteView to_be_signed);

}  // namespace hsmbridge::ca
