#include "x509/objects/signed_object.h"

#include "base/error.h"
#include "x509/asn1/der.h"
#include "x509/objects/foreign_signature.h"
#include "x509/objects/spki.h"
#include "x509/objects/verify.h"

namespace hsmbridge::x509 {
namespace {

// The row of an AlgorithmIdentifier that this project signs with itself, for a key that it supports; else nullptr.
const SignatureAlgorithm* own_algorithm(ByteView algorithm_identifier, ByteView spki) {
  try {
    key_spec_of(spki);
    return &algorithm_of(algorithm_identifier);
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::invalid_input) throw;
    return nullptr;
  }
}

}  // namespace

Bytes assemble(ByteView to_be_signed, const SignatureAlgorithm& algorithm, ByteView signature) {
  return der::sequence(to_be_signed, algorithm_identifier(algorithm), der::bit_string(signature));
}

SignedObject take_apart(ByteView der, std::string_view what) {
  der::Reader sequence = der::inside(der, der::kSequence, what);
  const ByteView to_be_signed = sequence.expect(der::kSequence, what).whole;
  const ByteView algorithm = sequence.expect(der::kSequence, what).whole;
  const ByteView signature = sequence.octet_aligned_bits(what);
  sequence.expect_end(what);
  return SignedObject{Bytes(to_be_signed.begin(), to_be_signed.end()), Bytes(algorithm.begin(), algorithm.end()),
                      Bytes(signature.begin(), signature.end())};
}

SignatureCheck check_signature(const SignedObject& object, ByteView spki) {
  const SignatureAlgorithm* own = own_algorithm(object.signature_algorithm, spki);
  if (own == nullptr) return check_foreign_signature(object, spki);
  try {
    const bool good = verify(spki, *own, object.to_be_signed, object.signature);
    return {good ? SignatureVerdict::verifies : SignatureVerdict::does_not_verify, ""};
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::invalid_input) throw;
    return {SignatureVerdict::cannot_be_checked, error.message()};  // a point that is not on its curve
  }
}

bool is_signed_by(const SignedObject& object, ByteView spki) {
  return check_signature(object, spki).verdict == SignatureVerdict::verifies;
}

std::string to_string(const SignatureCheck& check) {
  switch (check.verdict) {
    case SignatureVerdict::verifies:
      return check.why.empty() ? "verifies" : "verifies, but is weak: " + check.why;
    case SignatureVerdict::does_not_verify:
      return "DOES NOT VERIFY";
    case SignatureVerdict::cannot_be_checked:
      break;
  }
  return "cannot be checked here: " + check.why;
}

}  // namespace hsmbridge::x509
