#include "x509/objects/spki.h"

#include "base/error.h"
#include "x509/asn1/der.h"
#include "x509/asn1/openssl_error.h"
#include "x509/asn1/openssl_ptr.h"
#include "x509/objects/pem.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/objects.h>
#include <openssl/x509.h>

#include <array>
#include <bit>
#include <optional>
#include <utility>

namespace hsmbridge::x509 {
namespace {

ByteView without_leading_zeros(ByteView number) {
  while (!number.empty() && number[0] == 0) number = number.subspan(1);
  return number;
}

unsigned bit_length(ByteView number) {
  number = without_leading_zeros(number);
  if (number.empty()) return 0;
  return static_cast<unsigned>(number.size() * 8) - static_cast<unsigned>(std::countl_zero(number[0]));
}

struct Parts {
  KeySpec spec;
  ByteView bits;      // the BIT STRING's octets
  ByteView modulus;   // RSA only, without leading zeros
  ByteView exponent;  // RSA only
};

[[noreturn]] void refuse_key(const std::string& why) {
  throw Error{ErrorKind::invalid_input, "this public key is not supported: " + why};
}

constexpr std::uint8_t kUncompressed = 4;  // RFC 5480 §2.2

std::string wrong_length(const KeyKind& kind, std::size_t octets) {
  return "the public key of an " + std::string(kind.name) + " key has " + std::to_string(kind.octets) +
         " octets, this one " + std::to_string(octets);
}

// Reads the curve from the parameters where the algorithm alone does not tell the kind.
const KeyKind& kind_of(const Oid& algorithm, der::Reader& parameters) {
  std::optional<Oid> curve;
  for (const KeyKind& kind : key_kinds()) {
    if (algorithm.dotted() != kind.algorithm) continue;
    if (kind.curve.empty()) return kind;
    if (!curve) curve = parameters.oid("EC parameters");
    if (curve->dotted() == kind.curve) return kind;
  }
  refuse_key(curve ? "curve " + curve->name() : "algorithm " + algorithm.name());
}

// Of any size, in `parts.bits`.
void read_rsa(Parts& parts) {
  der::Reader key = der::inside(parts.bits, der::kSequence, "RSAPublicKey");
  const ByteView modulus = key.integer("RSA modulus");
  const ByteView exponent = key.integer("RSA exponent");
  key.expect_end("RSAPublicKey");
  if (modulus[0] >= 0x80 || exponent[0] >= 0x80) refuse_key("a negative RSA number");
  parts.modulus = without_leading_zeros(modulus);
  parts.exponent = without_leading_zeros(exponent);
  parts.spec.bits = bit_length(modulus);
}

void take_apart_rsa(Parts& parts) {
  read_rsa(parts);
  if (parts.spec.bits < kLeastRsaBits || parts.spec.bits > kMostRsaBits) {
    refuse_key("RSA with " + std::to_string(parts.spec.bits) + " bits (2048 to 8192 are)");
  }
  // RFC 8017 §3.1: odd and at least 3. With 1 a signature is its own message, with 2 it is no RSA.
  const bool tiny = parts.exponent.size() == 1 && parts.exponent[0] < 3;
  if (parts.exponent.empty() || parts.exponent.size() > 8 || tiny || (parts.exponent.back() & 1U) == 0) {
    refuse_key("its RSA exponent " + hex(parts.exponent));
  }
}

enum class SpkiEncoding { canonical, any };

// The views point into `spki`.
Parts take_apart_spki(ByteView spki, SpkiEncoding wanted = SpkiEncoding::canonical) {
  der::Reader sequence = der::inside(spki, der::kSequence, "SubjectPublicKeyInfo");
  der::Reader algorithm = sequence.enter(der::kSequence, "SubjectPublicKeyInfo algorithm");
  Parts parts;
  parts.bits = sequence.octet_aligned_bits("subjectPublicKey");
  sequence.expect_end("SubjectPublicKeyInfo");
  const Oid oid = algorithm.oid("SubjectPublicKeyInfo algorithm");
  const KeyKind& kind = kind_of(oid, algorithm);
  parts.spec = kind.spec;
  switch (kind.form) {
    case PublicKeyForm::rsa:
      if (wanted == SpkiEncoding::canonical || !algorithm.at_end()) algorithm.expect(der::kNull, "RSA parameters");
      take_apart_rsa(parts);
      break;
    case PublicKeyForm::point:
      if (parts.bits.size() != kind.octets || parts.bits[0] != kUncompressed) {
        refuse_key("its EC point is not an uncompressed one of its curve");
      }
      break;
    case PublicKeyForm::octets:
      if (parts.bits.size() != kind.octets) refuse_key(wrong_length(kind, parts.bits.size()));
      break;
  }
  algorithm.expect_end("SubjectPublicKeyInfo algorithm");
  return parts;
}

Bytes number_of(const EVP_PKEY* key, const char* name, std::size_t octets) {
  BIGNUM* number = nullptr;
  const bool there = ::EVP_PKEY_get_bn_param(key, name, &number) == 1;
  const BignumPtr owner(number);
  Bytes value(octets);
  if (!there || ::BN_bn2binpad(number, value.data(), static_cast<int>(octets)) < 0) return {};
  return value;
}

// An EC key with a compressed or hybrid point, or with explicit parameters that are those of a named curve: OpenSSL
// compares every one of them with its own.
std::optional<Bytes> re_encoded_ec(ByteView spki) {
  const unsigned char* at = spki.data();
  const PkeyPtr key(::d2i_PUBKEY(nullptr, &at, static_cast<long>(spki.size())));
  std::array<char, 80> group{};
  const bool read = key && at == spki.data() + spki.size() && ::EVP_PKEY_is_a(key.get(), "EC") == 1 &&
                    ::EVP_PKEY_get_group_name(key.get(), group.data(), group.size(), nullptr) == 1;
  take_openssl_errors();
  if (!read) return std::nullopt;
  const int nid = ::OBJ_txt2nid(group.data());
  for (const KeyKind& kind : key_kinds()) {
    if (kind.form != PublicKeyForm::point || ::OBJ_txt2nid(std::string(kind.curve).c_str()) != nid) continue;
    Bytes point{kUncompressed};
    for (const char* name : {OSSL_PKEY_PARAM_EC_PUB_X, OSSL_PKEY_PARAM_EC_PUB_Y}) {
      der::append(point, number_of(key.get(), name, kind.octets / 2));
    }
    take_openssl_errors();
    if (point.size() != kind.octets) return std::nullopt;
    return spki_from(kind.spec, point);
  }
  return std::nullopt;
}

std::optional<Bytes> re_encoded(ByteView spki) {
  try {
    const Parts parts = take_apart_spki(spki, SpkiEncoding::any);
    if (!parts.modulus.empty()) return spki_from_rsa(parts.modulus, parts.exponent);
  } catch (const Error&) {
    // an EC key, or none
  }
  return re_encoded_ec(spki);
}

void put_ssh_string(Bytes& to, ByteView content) {
  for (int shift = 24; shift >= 0; shift -= 8) to.push_back(static_cast<std::uint8_t>(content.size() >> shift));
  der::append(to, content);
}

// RFC 4251 §5: mpint, a zero octet before a set top bit.
void put_ssh_number(Bytes& to, ByteView number) {
  Bytes padded;
  if (!number.empty() && number[0] >= 0x80) padded.push_back(0);
  der::append(padded, number);
  put_ssh_string(to, padded);
}

}  // namespace

Bytes spki_from_rsa(ByteView modulus, ByteView exponent) {
  if (bit_length(modulus) == 0 || bit_length(exponent) == 0) {
    throw Error{ErrorKind::invalid_input, "an RSA key without a modulus or an exponent"};
  }
  const Bytes key = der::sequence(der::unsigned_integer(modulus), der::unsigned_integer(exponent));
  return der::sequence(der::sequence(der::oid(Oid(key_kind({KeyType::rsa, 0}).algorithm)), der::null()),
                       der::bit_string(key));
}

Bytes spki_from(const KeySpec& spec, ByteView octets) {
  const KeyKind& kind = key_kind(spec);
  if (kind.form == PublicKeyForm::rsa) throw Error{ErrorKind::internal, "an RSA key is made of two numbers"};
  if (octets.size() != kind.octets) throw Error{ErrorKind::invalid_input, wrong_length(kind, octets.size())};
  if (kind.form == PublicKeyForm::point && octets[0] != kUncompressed) {
    throw Error{ErrorKind::invalid_input, "not an uncompressed point of " + to_string(spec) + ": " + hex(octets)};
  }
  const Bytes curve = kind.curve.empty() ? Bytes{} : der::oid(Oid(kind.curve));
  return der::sequence(der::sequence(der::oid(Oid(kind.algorithm)), curve), der::bit_string(octets));
}

Bytes spki_of_nobody(const KeySpec& spec) {
  const KeyKind& kind = key_kind(spec);
  Bytes octets(kind.form == PublicKeyForm::rsa ? spec.bits / 8 : kind.octets, 1);
  if (kind.form == PublicKeyForm::rsa) {
    octets.front() = 0x80;
    return spki_from_rsa(octets, Bytes{1, 0, 1});
  }
  if (kind.form == PublicKeyForm::point) octets.front() = kUncompressed;
  return spki_from(spec, octets);
}

Bytes canonical_spki(ByteView spki) {
  try {
    take_apart_spki(spki);
  } catch (const Error&) {
    if (auto canonical = re_encoded(spki)) return std::move(*canonical);
  }
  return Bytes(spki.begin(), spki.end());
}

bool same_key(ByteView one, ByteView other) {
  return equal(one, other) || canonical_spki(one) == canonical_spki(other);
}

KeySpec key_spec_of(ByteView spki) {
  return take_apart_spki(canonical_spki(spki)).spec;
}

SpkiHash spki_hash(ByteView spki) {
  return SpkiHash(hex(sha256(canonical_spki(spki))));
}

Bytes key_identifier(ByteView spki, KeyIdentifierMethod method) {
  der::Reader sequence = der::inside(spki, der::kSequence, "SubjectPublicKeyInfo");
  sequence.expect(der::kSequence, "SubjectPublicKeyInfo algorithm");
  const ByteView bits = sequence.octet_aligned_bits("subjectPublicKey");
  if (method == KeyIdentifierMethod::sha1) return sha1(bits);
  Bytes identifier = sha256(bits);
  identifier.resize(20);
  return identifier;
}

std::optional<RsaNumbers> rsa_numbers(ByteView spki) {
  try {
    der::Reader sequence = der::inside(spki, der::kSequence, "SubjectPublicKeyInfo");
    der::Reader algorithm = sequence.enter(der::kSequence, "SubjectPublicKeyInfo algorithm");
    if (algorithm.oid("SubjectPublicKeyInfo algorithm").dotted() != key_kind({KeyType::rsa, 0}).algorithm) {
      return std::nullopt;
    }
    Parts parts;
    parts.bits = sequence.octet_aligned_bits("subjectPublicKey");
    read_rsa(parts);
    return RsaNumbers{to_bytes(parts.modulus), to_bytes(parts.exponent)};
  } catch (const Error&) {
    return std::nullopt;
  }
}

std::string spki_to_pem(ByteView spki) {
  return write_pem("PUBLIC KEY", spki);
}

std::string spki_to_ssh(ByteView spki) {
  const Bytes canonical = canonical_spki(spki);
  const Parts parts = take_apart_spki(canonical);
  const KeyKind& kind = key_kind(parts.spec);
  const std::string type(kind.ssh);
  Bytes blob;
  put_ssh_string(blob, as_bytes(type));
  switch (kind.form) {
    case PublicKeyForm::rsa:
      put_ssh_number(blob, parts.exponent);
      put_ssh_number(blob, parts.modulus);
      break;
    case PublicKeyForm::point:
      put_ssh_string(blob, as_bytes(type.substr(type.rfind('-') + 1)));  // "nistp256"
      put_ssh_string(blob, parts.bits);
      break;
    case PublicKeyForm::octets:
      put_ssh_string(blob, parts.bits);
      break;
  }
  return type + " " + base64(blob);
}

std::string key_text(ByteView spki) {
  try {
    const KeySpec spec = key_spec_of(spki);
    const KeyKind& kind = key_kind(spec);
    return std::string(kind.text) + (kind.spec.bits == 0 ? std::to_string(spec.bits) : "");
  } catch (const Error&) {
  }
  try {
    der::Reader outer(spki);
    der::Reader sequence = outer.enter(der::kSequence, "SubjectPublicKeyInfo");
    der::Reader algorithm = sequence.enter(der::kSequence, "SubjectPublicKeyInfo algorithm");
    const Oid oid = algorithm.oid("SubjectPublicKeyInfo algorithm");
    return "unsupported key (" + oid.name() + ")";
  } catch (const Error&) {
    return "unreadable key";
  }
}

}  // namespace hsmbridge::x509
