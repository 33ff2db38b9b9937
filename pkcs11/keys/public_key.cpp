#include "pkcs11/keys/public_key.h"

#include "base/error.h"
#include "x509/objects/certificate.h"
#include "x509/objects/spki.h"

#include <algorithm>

namespace hsmbridge::pkcs11 {
namespace {

using x509::KeySpec;
using x509::KeyType;

struct CurveRow {
  KeySpec spec;
  std::string_view name;  // as a PrintableString
  Bytes oid;              // DER
  std::size_t point;      // octets of the bare point
};

// Ed25519 carries three spellings in the field: the OID of RFC 8410, the one that GnuPG used before it, and the name.
const std::vector<CurveRow>& curves() {
  static const std::vector<CurveRow> table = {
      {{KeyType::ec, 256}, "secp256r1", from_hex("06082a8648ce3d030107"), 65},
      {{KeyType::ec, 384}, "secp384r1", from_hex("06052b81040022"), 97},
      {{KeyType::ec, 521}, "secp521r1", from_hex("06052b81040023"), 133},
      {{KeyType::ed25519, 255}, "edwards25519", from_hex("06032b6570"), 32},
      {{KeyType::ed25519, 255}, "edwards25519", from_hex("06092b06010401da470f01"), 32},
  };
  return table;
}

constexpr std::uint8_t kPrintableString = 0x13;
constexpr std::uint8_t kOctetString = 0x04;

}  // namespace

Bytes ec_params(const KeySpec& spec) {
  for (const CurveRow& row : curves()) {
    if (row.spec == spec) return row.oid;
  }
  return {};
}

Bytes edwards25519_name() {
  const std::string name = "edwards25519";
  return to_bytes(std::string{static_cast<char>(kPrintableString), static_cast<char>(name.size())} + name);
}

std::optional<KeySpec> curve_of(ByteView params) {
  for (const CurveRow& row : curves()) {
    if (equal(params, row.oid)) return row.spec;
    if (params.size() == 2 + row.name.size() && params[0] == kPrintableString && params[1] == row.name.size() &&
        as_text(params.subspan(2)) == row.name) {
      return row.spec;
    }
  }
  return std::nullopt;
}

Bytes bare_point(const KeySpec& curve, ByteView point) {
  const auto row = std::find_if(curves().begin(), curves().end(), [&](const CurveRow& r) { return r.spec == curve; });
  if (row == curves().end()) return {};
  // By the exact length: the first octet of an uncompressed point is 04 too.
  if (point.size() == row->point) return Bytes(point.begin(), point.end());
  const std::size_t header = row->point < 128 ? 2 : 3;
  if (point.size() != row->point + header || point[0] != kOctetString) return {};
  const bool length_fits = header == 2 ? point[1] == row->point : point[1] == 0x81 && point[2] == row->point;
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
