#include "providers/jose.h"

#include "base/error.h"
#include "base/json.h"
#include "base/unicode.h"
#include "x509/asn1/der.h"
#include "x509/objects/algorithm.h"
#include "x509/objects/spki.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>

namespace hsmbridge::providers {
namespace {

// RFC 7518 §3.1: its name, the kind of key, the name of our own table.
struct Row {
  std::string_view alg;
  x509::KeyType type;
  unsigned bits;  // 0: any
  std::string_view algorithm;
};
constexpr auto kAlgorithms = std::to_array<Row>({
    {"RS256", x509::KeyType::rsa, 0, "rsa-sha256"},
    {"ES256", x509::KeyType::ec, 256, "ecdsa-sha256"},
    {"ES384", x509::KeyType::ec, 384, "ecdsa-sha384"},
    {"ES512", x509::KeyType::ec, 521, "ecdsa-sha512"},
});

const Row& row_of(const x509::KeySpec& spec) {
  const auto* row = std::find_if(kAlgorithms.begin(), kAlgorithms.end(), [&](const Row& entry) {
    return entry.type == spec.type && (entry.bits == 0 || entry.bits == spec.bits);
  });
  if (row == kAlgorithms.end()) {
    throw Error{ErrorKind::invalid_input,
                fmt::format("a JWT cannot be signed by a key of kind {}", x509::to_string(spec))}
        .hint("use an RSA, P-256, P-384 or P-521 key");
  }
  return *row;
}

// RFC 7518 §3.4 wants r||s, each as long as the curve's order; a Signer answers DER SEQUENCE{r,s} as X.509 carries it.
Bytes plain_signature(ByteView der, unsigned bits) {
  const std::size_t half = (bits + 7) / 8;
  x509::der::Reader outer(der);
  x509::der::Reader pair = outer.enter(x509::der::kSequence, "ECDSA signature");
  Bytes result;
  for (const char* what : {"r", "s"}) {
    ByteView number = pair.integer(what);
    while (number.size() > 1 && number[0] == 0) number = number.subspan(1);
    if (number.size() > half) throw Error{ErrorKind::corrupt, "the signature of the JWT is longer than its key"};
    result.insert(result.end(), half - number.size(), 0);
    result.insert(result.end(), number.begin(), number.end());
  }
  return result;
}

}  // namespace

std::string base64url(ByteView bytes) {
  std::string text = base64(bytes);
  while (!text.empty() && text.back() == '=') text.pop_back();
  std::replace(text.begin(), text.end(), '+', '-');
  std::replace(text.begin(), text.end(), '/', '_');
  return text;
}

std::string uuid_v4(ByteView random) {
  if (random.size() != 16) throw Error{ErrorKind::internal, "a UUID is made of 16 octets"};
  Bytes octets(random.begin(), random.end());
  octets[6] = static_cast<std::uint8_t>((octets[6] & 0x0FU) | 0x40U);
  octets[8] = static_cast<std::uint8_t>((octets[8] & 0x3FU) | 0x80U);
  std::string text = hex(octets);
  for (const std::size_t at : {20U, 16U, 12U, 8U}) text.insert(at, "-");
  return text;
}

std::string subject_of(std::string_view jwt) {
  const std::size_t first = jwt.find('.');
  const std::size_t second = first == std::string_view::npos ? first : jwt.find('.', first + 1);
  if (second == std::string_view::npos) return "";
  std::string claims(jwt.substr(first + 1, second - first - 1));
  std::replace(claims.begin(), claims.end(), '-', '+');
  std::replace(claims.begin(), claims.end(), '_', '/');
  claims.resize((claims.size() + 3) / 4 * 4, '=');
  try {
    const Json json = Json::parse(as_text(from_base64(claims)));
    const std::string subject = json.string_or("sub", "");
    const std::string issuer = json.string_or("iss", "");
    if (subject.empty() || issuer.empty()) return "";
    return printable(fmt::format("{} of {}", subject, issuer).substr(0, 300));
  } catch (const Error&) {
    return "";
  }
}

std::string signed_jwt(x509::Signer& signer, const Json& claims) {
  const x509::KeySpec spec = x509::key_spec_of(signer.subject_public_key_info());
  const Row& row = row_of(spec);
  const Json header = Json::object({{"alg", row.alg}, {"typ", "JWT"}});
  const std::string signed_part = base64url(as_bytes(header.dump())) + "." + base64url(as_bytes(claims.dump()));
  Bytes signature = signer.sign(as_bytes(signed_part), x509::signature_algorithm(row.algorithm));
  if (row.type == x509::KeyType::ec) signature = plain_signature(signature, spec.bits);
  return signed_part + "." + base64url(signature);
}

}  // namespace hsmbridge::providers
