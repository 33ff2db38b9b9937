#include "x509/objects/algorithm.h"

#include "base/error.h"
#include "x509/asn1/der.h"
#include "x509/asn1/oid.h"
#include "x509/asn1/openssl_error.h"

#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstddef>

namespace hsmbridge::x509 {
namespace {

// PKCS#11 v2.40 mechanisms, CKM_EDDSA from v3.0. Plain numbers: no Cryptoki header belongs here.
constexpr unsigned long kCkmRsaPkcs = 0x00000001;
constexpr unsigned long kCkmRsaPkcsPss = 0x0000000D;
constexpr unsigned long kCkmEcdsa = 0x00001041;
constexpr unsigned long kCkmEddsa = 0x00001057;

// name, key type, digest, mechanism, what the mechanism consumes, Securosys name
constexpr std::array kAlgorithms{
    SignatureAlgorithm{"ecdsa-sha256", KeyType::ec, "SHA256", kCkmEcdsa, TokenInput::digest, "SHA256_WITH_ECDSA"},
    SignatureAlgorithm{"ecdsa-sha384", KeyType::ec, "SHA384", kCkmEcdsa, TokenInput::digest, "SHA384_WITH_ECDSA"},
    SignatureAlgorithm{"ecdsa-sha512", KeyType::ec, "SHA512", kCkmEcdsa, TokenInput::digest, "SHA512_WITH_ECDSA"},
    SignatureAlgorithm{"rsa-sha256", KeyType::rsa, "SHA256", kCkmRsaPkcs, TokenInput::digest_info, "SHA256_WITH_RSA"},
    SignatureAlgorithm{"rsa-sha384", KeyType::rsa, "SHA384", kCkmRsaPkcs, TokenInput::digest_info, "SHA384_WITH_RSA"},
    SignatureAlgorithm{"rsa-sha512", KeyType::rsa, "SHA512", kCkmRsaPkcs, TokenInput::digest_info, "SHA512_WITH_RSA"},
    SignatureAlgorithm{"rsa-pss-sha256", KeyType::rsa, "SHA256", kCkmRsaPkcsPss, TokenInput::pss_digest,
                       "SHA256_WITH_RSA_PSS"},
    SignatureAlgorithm{"rsa-pss-sha384", KeyType::rsa, "SHA384", kCkmRsaPkcsPss, TokenInput::pss_digest,
                       "SHA384_WITH_RSA_PSS"},
    SignatureAlgorithm{"rsa-pss-sha512", KeyType::rsa, "SHA512", kCkmRsaPkcsPss, TokenInput::pss_digest,
                       "SHA512_WITH_RSA_PSS"},
    SignatureAlgorithm{"ed25519", KeyType::ed25519, "", kCkmEddsa, TokenInput::message, "EDDSA"},
};

// The identifiers of each row, beside the table that callers see. Same order as kAlgorithms; walked together by a test.
// signature OID (RFC 5758 §3.2, RFC 8017 appendix C, RFC 8410 §3), digest OID (NIST CSOR)
struct Identifiers {
  std::string_view name;
  const char* signature;
  const char* digest;
};
constexpr std::array kIdentifiers{
    Identifiers{"ecdsa-sha256", "1.2.840.10045.4.3.2", "2.16.840.1.101.3.4.2.1"},
    Identifiers{"ecdsa-sha384", "1.2.840.10045.4.3.3", "2.16.840.1.101.3.4.2.2"},
    Identifiers{"ecdsa-sha512", "1.2.840.10045.4.3.4", "2.16.840.1.101.3.4.2.3"},
    Identifiers{"rsa-sha256", "1.2.840.113549.1.1.11", "2.16.840.1.101.3.4.2.1"},
    Identifiers{"rsa-sha384", "1.2.840.113549.1.1.12", "2.16.840.1.101.3.4.2.2"},
    Identifiers{"rsa-sha512", "1.2.840.113549.1.1.13", "2.16.840.1.101.3.4.2.3"},
    Identifiers{"rsa-pss-sha256", "1.2.840.113549.1.1.10", "2.16.840.1.101.3.4.2.1"},
    Identifiers{"rsa-pss-sha384", "1.2.840.113549.1.1.10", "2.16.840.1.101.3.4.2.2"},
    Identifiers{"rsa-pss-sha512", "1.2.840.113549.1.1.10", "2.16.840.1.101.3.4.2.3"},
    Identifiers{"ed25519", "1.3.101.112", ""},
};
static_assert(kAlgorithms.size() == kIdentifiers.size());

const Identifiers& identifiers(const SignatureAlgorithm& algorithm) {
  for (const Identifiers& row : kIdentifiers) {
    if (row.name == algorithm.name) return row;
  }
  throw Error{ErrorKind::internal, "signature algorithm without identifiers: " + std::string(algorithm.name)};
}

enum class Null { absent, present };
enum class Trailer { omitted, stated };

Bytes digest_identifier(const Identifiers& row, Null null) {
  return der::sequence(der::oid(Oid(row.digest)), null == Null::present ? der::null() : Bytes{});
}

std::size_t digest_size(const SignatureAlgorithm& algorithm) {
  if (algorithm.digest == "SHA256") return 32;
  if (algorithm.digest == "SHA384") return 48;
  return 64;
}

Bytes pss_identifier(const SignatureAlgorithm& algorithm, Null hash_null, Null mgf_null, Trailer trailer) {
  const Identifiers& row = identifiers(algorithm);
  const Bytes mgf1 = der::sequence(der::oid(Oid("1.2.840.113549.1.1.8")), digest_identifier(row, mgf_null));
  const Bytes parameters = der::sequence(
      der::constructed(der::context_constructed(0), digest_identifier(row, hash_null)),
      der::constructed(der::context_constructed(1), mgf1),
      der::constructed(der::context_constructed(2), der::integer(digest_size(algorithm))),
      // trailerField is 1 by default: DER omits a default, some encoders state it.
      trailer == Trailer::stated ? der::constructed(der::context_constructed(3), der::integer(1)) : Bytes{});
  return der::sequence(der::oid(Oid(row.signature)), parameters);
}

struct Encoding {
  Bytes der;
  const SignatureAlgorithm* algorithm;
};

// Every encoding that means a row. The first of a row is the one we write.
const std::vector<Encoding>& encodings() {
  static const std::vector<Encoding> all = [] {
    std::vector<Encoding> list;
    for (const SignatureAlgorithm& row : kAlgorithms) {
      const Bytes bare = der::sequence(der::oid(Oid(identifiers(row).signature)));
      const Bytes with_null = der::sequence(der::oid(Oid(identifiers(row).signature)), der::null());
      if (row.token_input == TokenInput::pss_digest) {
        // RFC 4055 §2.1: NULL and absent parameters of a hash must both be accepted.
        for (const Null hash_null : {Null::present, Null::absent}) {
          for (const Null mgf_null : {Null::present, Null::absent}) {
            for (const Trailer trailer : {Trailer::omitted, Trailer::stated}) {
              list.push_back({pss_identifier(row, hash_null, mgf_null, trailer), &row});
            }
          }
        }
      } else if (row.key_type == KeyType::rsa) {
        list.push_back({with_null, &row});
        list.push_back({bare, &row});  // RFC 4055 §5: must be accepted
      } else {
        list.push_back({bare, &row});
      }
    }
    return list;
  }();
  return all;
}

Bytes digest_of(const SignatureAlgorithm& algorithm, ByteView message) {
  const EVP_MD* digest = ::EVP_get_digestbyname(std::string(algorithm.digest).c_str());
  Bytes value(EVP_MAX_MD_SIZE);
  unsigned length = 0;
  if (digest == nullptr || ::EVP_Digest(message.data(), message.size(), value.data(), &length, digest, nullptr) != 1) {
    throw openssl_error(ErrorKind::internal, "hashing with " + std::string(algorithm.digest));
  }
  value.resize(length);
  return value;
}

// names of a curve (lower case), field bits
struct CurveName {
  std::string_view name;
  unsigned bits;
};
constexpr std::array kCurveNames{
    CurveName{"p-256", 256}, CurveName{"p256", 256},      CurveName{"prime256v1", 256}, CurveName{"secp256r1", 256},
    CurveName{"p-384", 384}, CurveName{"p384", 384},      CurveName{"secp384r1", 384},  CurveName{"p-521", 521},
    CurveName{"p521", 521},  CurveName{"secp521r1", 521},
};

}  // namespace

KeySpec parse_key_spec(std::string_view text) {
  std::string lower(text);
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  if (lower == "ed25519") return {KeyType::ed25519, 255};
  if (lower.rfind("rsa:", 0) == 0) {
    unsigned bits = 0;
    const char* end = lower.data() + lower.size();
    const auto [at, error] = std::from_chars(lower.data() + 4, end, bits);
    if (error == std::errc{} && at == end && bits >= 2048 && bits <= 8192 && bits % 1024 == 0) {
      return {KeyType::rsa, bits};
    }
  }
  if (lower.rfind("ec:", 0) == 0) {
    for (const CurveName& curve : kCurveNames) {
      if (lower.substr(3) == curve.name) return {KeyType::ec, curve.bits};
    }
  }
  throw Error{ErrorKind::invalid_input, "\"" + std::string(text) + "\" is not a supported key type"}.hint(
      "use rsa:2048, rsa:3072, rsa:4096, rsa:5120, rsa:6144, rsa:7168, rsa:8192, ec:P-256, ec:P-384, ec:P-521 or "
      "ed25519");
}

std::string to_string(const KeySpec& spec) {
  switch (spec.type) {
    case KeyType::rsa:
      return "rsa:" + std::to_string(spec.bits);
    case KeyType::ec:
      return "ec:P-" + std::to_string(spec.bits);
    case KeyType::ed25519:
      return "ed25519";
  }
  return "";
}

std::span<const SignatureAlgorithm> signature_algorithms() {
  return kAlgorithms;
}

const SignatureAlgorithm& signature_algorithm(std::string_view name) {
  std::string names;
  for (const SignatureAlgorithm& row : kAlgorithms) {
    if (row.name == name) return row;
    names += (names.empty() ? "" : ", ") + std::string(row.name);
  }
  throw Error{ErrorKind::invalid_input, "\"" + std::string(name) + "\" is not a supported signature algorithm"}.hint(
      "use one of " + names);
}

const SignatureAlgorithm& default_algorithm(const KeySpec& spec) {
  switch (spec.type) {
    case KeyType::rsa:
      return signature_algorithm("rsa-sha256");
    case KeyType::ec:
      return signature_algorithm(spec.bits == 256   ? "ecdsa-sha256"
                                 : spec.bits == 384 ? "ecdsa-sha384"
                                                    : "ecdsa-sha512");
    case KeyType::ed25519:
      break;
  }
  return signature_algorithm("ed25519");
}

Bytes algorithm_identifier(const SignatureAlgorithm& algorithm) {
  for (const Encoding& encoding : encodings()) {
    if (encoding.algorithm->name == algorithm.name) return encoding.der;
  }
  throw Error{ErrorKind::internal, "signature algorithm without an encoding: " + std::string(algorithm.name)};
}

const SignatureAlgorithm& algorithm_of(ByteView algorithm_identifier_der) {
  for (const Encoding& encoding : encodings()) {
    if (equal(encoding.der, algorithm_identifier_der)) return *encoding.algorithm;
  }
  der::Reader reader(algorithm_identifier_der);
  der::Reader sequence = reader.enter(der::kSequence, "AlgorithmIdentifier");
  const Oid oid = sequence.oid("AlgorithmIdentifier algorithm");
  throw Error{ErrorKind::invalid_input,
              "signature algorithm " + oid.name() + " (" + oid.dotted() + ") with these parameters is not supported"}
      .with("algorithm_identifier", hex(algorithm_identifier_der));
}

Bytes token_input(const SignatureAlgorithm& algorithm, ByteView message) {
  if (algorithm.token_input == TokenInput::message) return Bytes(message.begin(), message.end());
  const Bytes digest = digest_of(algorithm, message);
  if (algorithm.token_input != TokenInput::digest_info) return digest;
  // RFC 8017 §9.2 note 1: the hash identifier carries NULL here, always.
  return der::sequence(digest_identifier(identifiers(algorithm), Null::present), der::octet_string(digest));
}

Bytes signature_from_token(const SignatureAlgorithm& algorithm, const KeySpec& key, ByteView token_output) {
  if (algorithm.key_type != KeyType::ec) return Bytes(token_output.begin(), token_output.end());
  const std::size_t half = (key.bits + 7) / 8;
  if (token_output.size() != 2 * half) {
    throw Error{ErrorKind::corrupt, "the token answered an ECDSA signature of " + std::to_string(token_output.size()) +
                                        " octets; " + to_string(key) + " gives " + std::to_string(2 * half)};
  }
  return der::sequence(der::unsigned_integer(token_output.first(half)),
                       der::unsigned_integer(token_output.subspan(half)));
}

std::string algorithm_text(ByteView algorithm_identifier_der) {
  try {
    return std::string(algorithm_of(algorithm_identifier_der).name);
  } catch (const Error&) {
  }
  try {
    der::Reader outer(algorithm_identifier_der);
    der::Reader sequence = outer.enter(der::kSequence, "AlgorithmIdentifier");
    const Oid oid = sequence.oid("AlgorithmIdentifier");
    return "unsupported algorithm (" + oid.name() + ", " + hex(algorithm_identifier_der) + ")";
  } catch (const Error&) {
    return "unreadable algorithm (" + hex(algorithm_identifier_der) + ")";
  }
}

}  // namespace hsmbridge::x509
