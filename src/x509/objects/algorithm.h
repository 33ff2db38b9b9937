#pragma once

#include "base/bytes.h"

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

namespace hsmbridge::x509 {

enum class KeyType { rsa, ec, ed25519 };

inline constexpr unsigned kLeastRsaBits = 2048;
inline constexpr unsigned kMostRsaBits = 8192;

// A kind of key as a user writes it: "rsa:3072", "ec:P-256", "ed25519".
struct KeySpec {
  KeyType type = KeyType::ec;
  unsigned bits = 256;  // RSA modulus bits; EC field bits: 256, 384, 521; Ed25519: 255

  bool operator==(const KeySpec&) const = default;
};

// What a subjectPublicKey holds, and what stands next to the OID in its AlgorithmIdentifier.
enum class PublicKeyForm {
  rsa,     // DER RSAPublicKey; NULL (RFC 3279 §2.3.1)
  point,   // an uncompressed point 04||X||Y; the OID of its curve (RFC 5480 §2)
  octets,  // the key's octets, always as many; nothing (RFC 8410 §3)
};

// One row of the table of kinds of keys. Everything that differs between kinds is a column here. The numbers are those
// of PKCS#11 v2.40, for Ed25519 of v3.0.
struct KeyKind {
  KeySpec spec;            // 0 bits: any size that is supported
  std::string_view name;   // as a user writes it, "ec:P-256"; the size follows where it is free: "rsa:"
  std::string_view other;  // what is read too, lower case, with blanks between
  std::string_view text;   // for people: "EC P-256", "RSA "
  PublicKeyForm form;
  std::string_view algorithm;      // OID in the SubjectPublicKeyInfo
  std::string_view curve;          // OID of the curve (form point)
  std::size_t octets;              // of the subjectPublicKey; 0 where it depends on the size
  std::string_view ssh;            // RFC 4253 §6.6, RFC 5656 §3.1, RFC 8709 §4
  std::string_view usual;          // the usual signature algorithm
  std::string_view token_curve;    // the curve's name, which some tokens give instead of its OID; "" without a curve
  unsigned long token_type;        // CKK_*
  unsigned long token_generation;  // CKM_*, makes a pair
};
// All rows, in the order in which they are listed to a user.
std::span<const KeyKind> key_kinds();
// The row of a key. Throws invalid_input.
const KeyKind& key_kind(const KeySpec& spec);

// Throws invalid_input that lists what is supported: rsa:2048 to rsa:8192 in steps of 1024 (and 2048), ec:P-256,
// ec:P-384, ec:P-521, ed25519.
KeySpec parse_key_spec(std::string_view text);
std::string to_string(const KeySpec& spec);

// What the PKCS#11 mechanism consumes and returns.
enum class TokenInput {
  digest,       // CKM_ECDSA: the raw hash; the token answers r||s
  digest_info,  // CKM_RSA_PKCS: DER DigestInfo (RFC 8017 §9.2); the token answers the RSA block
  pss_digest,   // CKM_RSA_PKCS_PSS: the raw hash with CK_RSA_PKCS_PSS_PARAMS
  message,      // CKM_EDDSA: the message itself
};

// One row of the table of signature algorithms. Everything that differs between algorithms is a column here.
struct SignatureAlgorithm {
  std::string_view name;  // as a user writes it: "ecdsa-sha256", "rsa-sha256", "rsa-pss-sha256", "ed25519"
  KeyType key_type;
  std::string_view digest;  // OpenSSL's name, "SHA256"; "" for Ed25519
  std::string_view oid;     // RFC 5758 §3.2, RFC 8017 appendix C, RFC 8410 §3
  TokenInput token_input;
  unsigned long token_mechanism;   // CKM_* (PKCS#11 v2.40 mechanisms; Ed25519: v3.0)
  unsigned long hashed_mechanism;  // the one that hashes in the token, for tokens that have only that; 0 without one
};

// All rows, in the order in which they are listed to a user.
std::span<const SignatureAlgorithm> signature_algorithms();
// By name. Throws invalid_input that lists the names.
const SignatureAlgorithm& signature_algorithm(std::string_view name);
// The usual choice for a key: ecdsa-sha256/384/512 by curve size, rsa-sha256, ed25519.
const SignatureAlgorithm& default_algorithm(const KeySpec& spec);

// DER AlgorithmIdentifier: RSA with NULL parameters, PSS with all parameters stated (RFC 4055 §3.1: hash, MGF1 with the
// same hash, salt length = hash length), ECDSA and Ed25519 with none (RFC 5758 §3.2, RFC 8410 §3).
Bytes algorithm_identifier(const SignatureAlgorithm& algorithm);
// The row whose AlgorithmIdentifier this DER is, PSS parameters compared. Throws invalid_input naming the OID
// otherwise.
const SignatureAlgorithm& algorithm_of(ByteView algorithm_identifier_der);

// What is handed to C_Sign for `message` (see TokenInput).
Bytes token_input(const SignatureAlgorithm& algorithm, ByteView message);
// What the token answered, as X.509 carries it: DER SEQUENCE{r,s} for ECDSA (the only place where r||s is converted),
// the octets unchanged otherwise. Throws corrupt when r||s has the wrong length for the key.
Bytes signature_from_token(const SignatureAlgorithm& algorithm, const KeySpec& key, ByteView token_output);

// "ecdsa-sha256", or "unsupported algorithm (name, hex of the AlgorithmIdentifier)".
std::string algorithm_text(ByteView algorithm_identifier_der);

}  // namespace hsmbridge::x509
