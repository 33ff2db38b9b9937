#include "pkcs11/keys/public_key.h"

#include "base/error.h"
#include "x509/asn1/der.h"
#include "x509/asn1/oid.h"
#include "x509/objects/certificate.h"
#include "x509/objects/spki.h"

namespace hsmbridge::pkcs11 {
namespace {

using x509::KeyKind;
using x509::KeySpec;
using x509::KeyType;
using x509::PublicKeyForm;

constexpr std::uint8_t kPrintableString = 0x13;
constexpr std::uint8_t kOctetString = 0x04;

Bytes oid_of(const KeyKind& kind) {
  return x509::der::oid(x509::Oid(kind.curve.empty() ? kind.algorithm : kind.curve));
}

Bytes name_of(const KeyKind& kind) {
  Bytes name{kPrintableString, static_cast<std::uint8_t>(kind.token_curve.size())};
  name.insert(name.end(), kind.token_curve.begin(), kind.token_curve.end());
  return name;
}

// What GnuPG used for Ed25519 before RFC 8410: 1.3.6.1.4.1.11591.15.1.
const Bytes& old_ed25519() {
  static const Bytes oid = from_hex("06092b06010401da470f01");
  return oid;
}

}  // namespace

std::vector<Bytes> ec_params(const KeySpec& spec) {
  const KeyKind& kind = x509::key_kind(spec);
  std::vector<Bytes> params{oid_of(kind)};
  if (kind.form == PublicKeyForm::octets) params.push_back(name_of(kind));
  return params;
}

std::optional<KeySpec> curve_of(ByteView params) {
  if (equal(params, old_ed25519())) return KeySpec{KeyType::ed25519, 255};
  for (const KeyKind& kind : x509::key_kinds()) {
    if (kind.token_curve.empty()) continue;
    if (equal(params, oid_of(kind)) || equal(params, name_of(kind))) return kind.spec;
  }
  return std::nullopt;
}

Bytes bare_point(const KeySpec& curve, ByteView point) {
  const std::size_t octets = x509::key_kind(curve).octets;
  // By the exact length: the first octet of an uncompressed point is 04 too.
  if (point.size() == octets) return Bytes(point.begin(), point.end());
  const std::size_t header = octets < 128 ? 2 : 3;
  if (point.size() != octets + header || point[0] != kOctetString) return {};
  const bool length_fits = header == 2 ? point[1] == octets : point[1] == 0x81 && point[2] == octets;
  if (!length_fits) return {};
  return Bytes(point.begin() + static_cast<std::ptrdiff_t>(header), point.end());
}

std::optional<Bytes> spki_of_certificate(ByteView der) {
  try {
    return x509::canonical_spki(x509::parse_certificate(der).spki());
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::invalid_input) throw;
    return std::nullopt;
  }
}

std::string subject_of_certificate(ByteView der) {
  try {
    return x509::parse_certificate(der).subject().to_string();
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::invalid_input) throw;
    return {};
  }
}

bool certifies(ByteView der, ByteView spki) {
  const auto certified = spki_of_certificate(der);
  return certified && !spki.empty() && equal(*certified, spki);
}

}  // namespace hsmbridge::pkcs11
