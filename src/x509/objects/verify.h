#pragma once

#include "base/bytes.h"
#include "x509/objects/algorithm.h"

namespace hsmbridge::x509 {

// True when `signature` (as X.509 carries it) over `message` verifies with the public key. A signature that is merely
// malformed is false; a key that cannot be read throws invalid_input. Decoded keys are cached (decoding one costs more
// than a P-256 signature), and so is each thread's last question that was answered with true: a signature is verified
// when the token gave it, and the same octets again when they are read back out of what was assembled. Thread rule: may
// be called from any thread.
bool verify(ByteView spki, const SignatureAlgorithm& algorithm, ByteView message, ByteView signature);

}  // namespace hsmbridge::x509
