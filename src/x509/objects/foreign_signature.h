#pragma once

#include "x509/objects/signed_object.h"

namespace hsmbridge::x509 {

// A signature by an algorithm or a key that this project does not use itself, judged by OpenSSL.
SignatureCheck check_foreign_signature(const SignedObject& object, ByteView spki);

}  // namespace hsmbridge::x509
