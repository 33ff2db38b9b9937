#pragma once

#include "base/bytes.h"

#include <string>
#include <vector>

namespace hsmbridge::x509 {

// Why a public key gets no certificate.
struct KeyWeakness {
  std::string name;         // "rsa-size", "rsa-exponent", "rsa-modulus", "close-primes", "roca", "key"
  std::string explanation;  // one sentence that a person understands
  std::string reference;    // where it is written
};

// What anybody can see who has the public key alone: its kind and size, its exponent, a modulus with small factors or
// one that is no product of two primes, primes so close that Fermat's factorisation finds them within 100 rounds, the
// structure of the keys of CVE-2017-15361 (ROCA), a point that is not on its curve. Empty when there is nothing.
// Lists of known keys: weak_key_list.h. Not checked here: primes that several keys share, and primes with patterns.
std::vector<KeyWeakness> key_weaknesses(ByteView spki);

}  // namespace hsmbridge::x509
