#include "x509/objects/algorithm.h"

#include "base/error.h"
#include "base/text.h"
#include "x509/asn1/der.h"
#include "x509/asn1/oid.h"
#include "x509/asn1/openssl_error.h"

#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstddef>
#include <optional>
#include <vector>

namespace hsmbridge::x509 {
namespace {

// Plain numbers: no Cryptoki header belongs here. A test of pkcs11 compares them with it.
constexpr unsigned long kCkmRsaPkcs = 0x01;
constexpr unsigned long kCkmRsaPkcsPss = 0x0D;
constexpr unsigned long kCkmEcdsa = 0x1041;
constexpr unsigned long kCkmEddsa = 0x1057;

constexpr const char* kRsaEncryption = "1.2.840.113549.1.1.1";  // RFC 8017 appendix A.1
constexpr const char* kRsassaPss = "1.2.840.113549.1.1.10";
constexpr const char* kEcPublicKey = "1.2.840.10045.2.1";  // RFC 5480 §2.1.1
constexpr const char* kEd25519 = "1.3.101.112";            // RFC 8410 §3
constexpr const char* kMgf1 = "1.2.840.113549.1.1.8";

// As the members of KeyKind.
constexpr std::array kKeyKinds{
    KeyKind{{KeyType::rsa, 0},
            "rsa:",
            "",
            "RSA ",
            PublicKeyForm::rsa,
            kRsaEncryption,
            "",
            0,
            "ssh-rsa",
            "rsa-sha256",
            "",
            0x00,
            0x00},
    KeyKind{{KeyType::ec, 256},
            "ec:P-256",
            "ec:p256 ec:prime256v1 ec:secp256r1",
            "EC P-256",
            PublicKeyForm::point,
            kEcPublicKey,
            "1.2.840.10045.3.1.7",
            65,
            "ecdsa-sha2-nistp256",
            "ecdsa-sha256",
            "secp256r1",
            0x03,
            0x1040},
    KeyKind{{KeyType::ec, 384},
            "ec:P-384",
            "ec:p384 ec:secp384r1",
            "EC P-384",
            PublicKeyForm::point,
            kEcPublicKey,
            "1.3.132.0.34",
            97,
            "ecdsa-sha2-nistp384",
            "ecdsa-sha384",
            "secp384r1",
            0x03,
            0x1040},
    KeyKind{{KeyType::ec, 521},
            "ec:P-521",
            "ec:p521 ec:secp521r1",
            "EC P-521",
            PublicKeyForm::point,
            kEcPublicKey,
            "1.3.132.0.35",
            133,
            "ecdsa-sha2-nistp521",
            "ecdsa-sha512",
            "secp521r1",
            0x03,
            0x1040},
    KeyKind{{KeyType::ed25519, 255},
            "ed25519",
            "",
            "Ed25519",
            PublicKeyForm::octets,
            kEd25519,
            "",
            32,
            "ssh-ed25519",
            "ed25519",
            "edwards25519",
            0x40,
            0x1055},
};

// name, key type, digest, OID, what the mechanism consumes, mechanism, the one that hashes in the token
constexpr std::array kAlgorithms{
    SignatureAlgorithm{"ecdsa-sha256", KeyType::ec, "SHA256", "1.2.840.10045.4.3.2", TokenInput::digest, kCkmEcdsa,
                       0x1044},
    SignatureAlgorithm{"ecdsa-sha384", KeyType::ec, "SHA384", "1.2.840.10045.4.3.3", TokenInput::digest, kCkmEcdsa,
                       0x1045},
    SignatureAlgorithm{"ecdsa-sha512", KeyType::ec, "SHA512", "1.2.840.10045.4.3.4", TokenInput::digest, kCkmEcdsa,
                       0x1046},
    SignatureAlgorithm{"rsa-sha256", KeyType::rsa, "SHA256", "1.2.840.113549.1.1.11", TokenInput::digest_info,
                       kCkmRsaPkcs, 0x40},
    SignatureAlgorithm{"rsa-sha384", KeyType::rsa, "SHA384", "1.2.840.113549.1.1.12", TokenInput::digest_info,
                       kCkmRsaPkcs, 0x41},
    SignatureAlgorithm{"rsa-sha512", KeyType::rsa, "SHA512", "1.2.840.113549.1.1.13", TokenInput::digest_info,
                       kCkmRsaPkcs, 0x42},
    SignatureAlgorithm{"rsa-pss-sha256", KeyType::rsa, "SHA256", kRsassaPss, TokenInput::pss_digest, kCkmRsaPkcsPss,
                       0x43},
    SignatureAlgorithm{"rsa-pss-sha384", KeyType::rsa, "SHA384", kRsassaPss, TokenInput::pss_digest, kCkmRsaPkcsPss,
                       0x44},
    SignatureAlgorithm{"rsa-pss-sha512", KeyType::rsa, "SHA512", kRsassaPss, TokenInput::pss_digest, kCkmRsaPkcsPss,
                       0x45},
    SignatureAlgorithm{"ed25519", KeyType::ed25519, "", kEd25519, TokenInput::message, kCkmEddsa, 0},
};

// OpenSSL's name, OID (NIST CSOR), octets
struct Digest {
  std::string_view name;
  std::string_view oid;
  std::size_t size;
};
constexpr std::array kDigests{
    Digest{"SHA256", "2.16.840.1.101.3.4.2.1", 32},
    Digest{"SHA384", "2.16.840.1.101.3.4.2.2", 48},
    Digest{"SHA512", "2.16.840.1.101.3.4.2.3", 64},
};

const Digest& digest_row(const SignatureAlgorithm& algorithm) {
  const auto* row = std::find_if(kDigests.begin(), kDigests.end(),
                                 [&](const Digest& digest) { return digest.name == algorithm.digest; });
  if (row == kDigests.end()) throw Error{ErrorKind::internal, "no hash of a signature: " + std::string(algorithm.name)};
  return *row;
}

enum class Null { absent, present };
enum class Trailer { omitted, stated };

Bytes digest_identifier(const SignatureAlgorithm& algorithm, Null null) {
  return der::sequence(der::oid(Oid(digest_row(algorithm).oid)), null == Null::present ? der::null() : Bytes{});
}

Bytes pss_identifier(const SignatureAlgorithm& algorithm, Null hash_null, Null mgf_null, Trailer trailer) {
  const Bytes mgf1 = der::sequence(der::oid(Oid(kMgf1)), digest_identifier(algorithm, mgf_null));
  const Bytes parameters = der::sequence(
      der::constructed(der::context_constructed(0), digest_identifier(algorithm, hash_null)),
      der::constructed(der::context_constructed(1), mgf1),
      der::constructed(der::context_constructed(2), der::integer(digest_row(algorithm).size)),
      // trailerField is 1 by default: DER omits a default, some encoders state it.
      trailer == Trailer::stated ? der::constructed(der::context_constructed(3), der::integer(1)) : Bytes{});
  return der::sequence(der::oid(Oid(algorithm.oid)), parameters);
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
      const Bytes bare = der::sequence(der::oid(Oid(row.oid)));
      const Bytes with_null = der::sequence(der::oid(Oid(row.oid)), der::null());
      if (row.token_input == TokenInput::pss_digest) {
        // RFC 4055 §2.1: NULL and absent parameters of a hash must both be accepted.
        for (const Null hash_null : {Null::present, Null::absent}) {
          for (const Null mgf_null : {Null::present, Null::absent}) {
            for (const Trailer trailer : {Trailer::omitted, Trailer::stated}) {
              list.push_back({pss_identifier(row, hash_null, mgf_null, trailer), &row});
            }
          }
        }
      } else if (row.token_input == TokenInput::digest_info) {
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

// The size that follows the name of a kind; nothing where it is none that is supported.
std::optional<unsigned> rsa_bits(std::string_view digits) {
  unsigned bits = 0;
  const char* end = digits.data() + digits.size();
  const auto [at, error] = std::from_chars(digits.data(), end, bits);
  if (error != std::errc{} || at != end || bits < kLeastRsaBits || bits > kMostRsaBits || bits % 1024 != 0) {
    return std::nullopt;
  }
  return bits;
}

}  // namespace

std::span<const KeyKind> key_kinds() {
  return kKeyKinds;
}

const KeyKind& key_kind(const KeySpec& spec) {
  for (const KeyKind& kind : kKeyKinds) {
    if (kind.spec.type == spec.type && (kind.spec.bits == 0 || kind.spec.bits == spec.bits)) return kind;
  }
  throw Error{ErrorKind::invalid_input,
              "a key of " + std::to_string(spec.bits) + " bits of this type is not supported"};
}

KeySpec parse_key_spec(std::string_view text) {
  const std::string wanted = lower(text);
  for (const KeyKind& kind : kKeyKinds) {
    const std::string name = lower(kind.name);
    if (kind.spec.bits == 0) {
      if (wanted.rfind(name, 0) != 0) continue;
      if (const auto bits = rsa_bits(std::string_view(wanted).substr(name.size()))) return {kind.spec.type, *bits};
    } else if (wanted == name ||
               (!wanted.empty() && wanted.find(' ') == std::string::npos &&
                (" " + std::string(kind.other) + " ").find(" " + wanted + " ") != std::string::npos)) {
      return kind.spec;
    }
  }
  throw Error{ErrorKind::invalid_input, "\"" + std::string(text) + "\" is not a supported key type"}.hint(
      "use rsa:2048, rsa:3072, rsa:4096, rsa:5120, rsa:6144, rsa:7168, rsa:8192, ec:P-256, ec:P-384, ec:P-521 or "
      "ed25519");
}

std::string to_string(const KeySpec& spec) {
  const KeyKind& kind = key_kind(spec);
  return std::string(kind.name) + (kind.spec.bits == 0 ? std::to_string(spec.bits) : "");
}

std::span<const SignatureAlgorithm> signature_algorithms() {
  return kAlgorithms;
}

const SignatureAlgorithm& signature_algorithm(std::string_view name) {
  for (const SignatureAlgorithm& row : kAlgorithms) {
    if (row.name == name) return row;
  }
  throw Error{ErrorKind::invalid_input, "\"" + std::string(name) + "\" is not a supported signature algorithm"}.hint(
      "use one of " + joined(kAlgorithms, ", ", &SignatureAlgorithm::name));
}

const SignatureAlgorithm& default_algorithm(const KeySpec& spec) {
  return signature_algorithm(key_kind(spec).usual);
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
  return der::sequence(digest_identifier(algorithm, Null::present), der::octet_string(digest));
}

Bytes signature_from_token(const SignatureAlgorithm& algorithm, const KeySpec& key, ByteView token_output) {
  if (algorithm.token_input != TokenInput::digest) return Bytes(token_output.begin(), token_output.end());
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
