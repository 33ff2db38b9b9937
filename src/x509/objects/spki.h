#pragma once

#include "base/bytes.h"
#include "base/strong.h"
#include "x509/objects/algorithm.h"

#include <optional>
#include <string>

// A SubjectPublicKeyInfo (RFC 5280 §4.1.2.7) is DER bytes everywhere in this project; an EVP_PKEY exists only inside
// verify.cpp.
namespace hsmbridge::x509 {

// Builds the DER. `modulus` and `exponent` are unsigned big-endian integers (CKA_MODULUS, CKA_PUBLIC_EXPONENT).
Bytes spki_from_rsa(ByteView modulus, ByteView exponent);
// Of any other kind of key: what its subjectPublicKey holds, a point without an OCTET STRING around it.
Bytes spki_from(const KeySpec& spec, ByteView octets);
// A public key of that kind that nobody has: enough for rules about kinds of keys.
Bytes spki_of_nobody(const KeySpec& spec);

// What follows reads a key in any encoding.
// The key type and size. Throws invalid_input for a key this project has no row for, or for bytes that are no SPKI.
KeySpec key_spec_of(ByteView spki);
// The one encoding of a key that this project writes: RSA with NULL parameters (RFC 3279 §2.3.1), EC with a named curve
// and an uncompressed point (RFC 5480 §2). CAs re-encode keys. Bytes that are not a supported key are given back as
// they are.
Bytes canonical_spki(ByteView spki);
bool same_key(ByteView one, ByteView other);
// Lower-case hex SHA-256 of the canonical DER: what a key is pinned by, whatever its encoding.
SpkiHash spki_hash(ByteView spki);
// How a key identifier follows from a key: 20 octets of a digest over those of the subjectPublicKey BIT STRING.
enum class KeyIdentifierMethod {
  sha1,    // RFC 5280 §4.2.1.2 method (1)
  sha256,  // RFC 7093 §2 method 1: the leftmost 160 bits
};
Bytes key_identifier(ByteView spki, KeyIdentifierMethod method = KeyIdentifierMethod::sha1);
// The numbers of an RSA key as unsigned big-endian without leading zeros, 65537 being 010001; also of one that is not
// supported (its size, its exponent). Nothing for another key, and for bytes that are no RSA key.
struct RsaNumbers {
  Bytes modulus, exponent;
};
std::optional<RsaNumbers> rsa_numbers(ByteView spki);

std::string spki_to_pem(ByteView spki);
// One line for authorized_keys: "ssh-rsa AAAA…", "ecdsa-sha2-nistp256 …", "ssh-ed25519 …" (RFC 4253 §6.6, RFC 5656
// §3.1, RFC 8709 §4), without a comment.
std::string spki_to_ssh(ByteView spki);

// "EC P-256", "RSA 3072", "Ed25519", or "unsupported key (name of its algorithm)".
std::string key_text(ByteView spki);

}  // namespace hsmbridge::x509
