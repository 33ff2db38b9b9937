#include "x509/signed_object.h"

#include "x509/der.h"
#include "x509/verify.h"

namespace hsmbridge::x509 {

Bytes assemble(ByteView to_be_signed, const SignatureAlgorithm& algorithm, ByteView signature) {
  return der::sequence(to_be_signed, algorithm_identifier(algorithm), der::bit_string(signature));
}

SignedObject take_apart(ByteView der, std::string_view what) {
  der::Reader outer(der);
  der::Reader sequence = outer.enter(der::kSequence, what);
  outer.expect_end(what);
  const ByteView to_be_signed = sequence.expect(der::kSequence, what).whole;
  const ByteView algorithm = sequence.expect(der::kSequence, what).whole;
  const ByteView signature = sequence.octet_aligned_bits(what);
  sequence.expect_end(what);
  return SignedObject{Bytes(to_be_signed.begin(), to_be_signed.end()), Bytes(algorithm.begin(), algorithm.end()),
                      Bytes(signature.begin(), signature.end())};
}

bool is_signed_by(const SignedObject& object, ByteView spki) {
  return verify(spki, algorithm_of(object.signature_algorithm), object.to_be_signed, object.signature);
}

}  // namespace hsmbridge::x509
