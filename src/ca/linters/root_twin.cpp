#include "ca/linters/root_twin.h"

#include "ca/linters/twin.h"
#include "x509/asn1/der.h"
#include "x509/objects/algorithm.h"
#include "x509/objects/certificate.h"
#include "x509/objects/pem.h"
#include "x509/objects/spki.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <utility>

namespace hsmbridge::ca {
namespace {

namespace der = x509::der;

// SEC 2 §2.4.2: the order of the group, and the base point, which is the public key of the private key 1.
constexpr const char* kOrder = "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551";
constexpr const char* kBaseX = "6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296";
constexpr const char* kBaseY = "4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5";

// Big-endian, with an octet in front for what two of them carry.
using Number = std::array<std::uint8_t, 33>;

Number number_of(ByteView octets) {
  Number number{};
  std::copy(octets.begin(), octets.end(), number.end() - static_cast<std::ptrdiff_t>(octets.size()));
  return number;
}

Number sum(const Number& one, const Number& other) {
  Number result{};
  unsigned carry = 0;
  for (std::size_t i = result.size(); i-- > 0;) {
    carry += unsigned{one[i]} + other[i];
    result[i] = static_cast<std::uint8_t>(carry);
    carry >>= 8U;
  }
  return result;
}

// `other` is not greater.
Number less(const Number& one, const Number& other) {
  Number result{};
  unsigned borrow = 0;
  for (std::size_t i = result.size(); i-- > 0;) {
    const unsigned digit = 256U + one[i] - other[i] - borrow;
    result[i] = static_cast<std::uint8_t>(digit);
    borrow = digit < 256U ? 1 : 0;
  }
  return result;
}

// ECDSA (FIPS 186-5 §6.4.1) with the private key 1 and the secret number 1: r is the x of the base point, s is e + r.
Bytes everybodys_signature(ByteView to_be_signed) {
  const Bytes x = from_hex(kBaseX);
  const Number order = number_of(from_hex(kOrder));
  Number s = sum(number_of(sha256(to_be_signed)), number_of(x));
  while (s >= order) s = less(s, order);
  return der::sequence(der::unsigned_integer(x), der::unsigned_integer(s));
}

Bytes everybodys_key() {
  Bytes point{0x04};
  der::append(point, from_hex(kBaseX));
  der::append(point, from_hex(kBaseY));
  return x509::spki_from(x509::parse_key_spec("ec:P-256"), point);
}

// The same but for them.
Bytes with(ByteView to_be_signed, ByteView signature_algorithm, ByteView spki) {
  // version, serialNumber, signature, issuer, validity, subject, subjectPublicKeyInfo, …
  constexpr unsigned kSignature = 2;
  constexpr unsigned kPublicKey = 6;
  der::Reader fields = der::inside(to_be_signed, der::kSequence, "TBSCertificate");
  Bytes content;
  for (unsigned field = 0; !fields.at_end(); ++field) {
    const der::Element one = fields.any("TBSCertificate");
    der::append(content, field == kSignature ? signature_algorithm : field == kPublicKey ? spki : one.whole);
  }
  return der::element(der::kSequence, content);
}

// RFC 5280 §4.2.1.1: only where its own key signs may the authority key identifier be left out.
bool is_roots(const x509::TbsCertificate& tbs) {
  const auto& constraints = tbs.content.basic_constraints;
  const bool is_ca = constraints && constraints->ca;
  const auto& authority = tbs.authority_key_identifier;
  return is_ca && tbs.version == 3 && tbs.issuer == tbs.content.subject &&
         (!authority || authority == tbs.content.subject_key_identifier);
}

}  // namespace

std::optional<RootTwins> root_twins(ByteView to_be_signed) {
  if (!is_roots(x509::parse_tbs_certificate(to_be_signed))) return std::nullopt;
  const x509::SignatureAlgorithm& algorithm = x509::signature_algorithm("ecdsa-sha256");
  const Bytes spki = everybodys_key();
  const Bytes tbs = with(to_be_signed, x509::algorithm_identifier(algorithm), spki);
  const Bytes as_root = x509::assemble_certificate(tbs, algorithm, everybodys_signature(tbs), spki);
  return RootTwins{x509::certificate_to_pem(as_root), pem_twin_of(Artefact::certificate, tbs)};
}

std::vector<LintFinding> lint_by_signature(Artefact artefact, ByteView to_be_signed, const AskLinter& ask) {
  std::vector<LintFinding> found = ask(pem_twin_of(artefact, to_be_signed));
  const auto twins = artefact == Artefact::certificate ? root_twins(to_be_signed) : std::nullopt;
  if (!twins) return found;
  for (const LintFinding& other : ask(twins->as_other)) {
    std::erase_if(found, [&](const LintFinding& one) { return one.rule == other.rule; });
  }
  for (LintFinding& one : ask(twins->as_root)) found.push_back(std::move(one));
  return found;
}

}  // namespace hsmbridge::ca
