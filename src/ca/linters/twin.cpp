#include "ca/linters/twin.h"

#include "base/error.h"
#include "x509/asn1/der.h"
#include "x509/objects/algorithm.h"
#include "x509/objects/certificate.h"
#include "x509/objects/crl.h"
#include "x509/objects/pem.h"
#include "x509/objects/signed_object.h"

namespace hsmbridge::ca {
namespace {

// As long as signatures are, and of the form that theirs have.
Bytes with_static_signature(ByteView to_be_signed, ByteView signature_algorithm) {
  const auto& algorithm = x509::algorithm_of(signature_algorithm);
  constexpr std::size_t kRsa = 256;
  // The curves that these digests are for (TLS Baseline Requirements 7.1.3.2.2): zlint takes the curve from the length.
  constexpr std::size_t kP256 = 32;
  constexpr std::size_t kP384 = 48;
  constexpr std::size_t kP521 = 66;
  constexpr std::size_t kEd25519 = 64;
  const std::size_t curve = algorithm.digest == "SHA512" ? kP521 : algorithm.digest == "SHA384" ? kP384 : kP256;
  const Bytes number(curve, 0x55);
  switch (algorithm.key_type) {
    case x509::KeyType::ec:
      return x509::assemble(
          to_be_signed, algorithm,
          x509::der::sequence(x509::der::unsigned_integer(number), x509::der::unsigned_integer(number)));
    case x509::KeyType::rsa:
      return x509::assemble(to_be_signed, algorithm, Bytes(kRsa, 0x55));
    case x509::KeyType::ed25519:
      return x509::assemble(to_be_signed, algorithm, Bytes(kEd25519, 0x55));
  }
  throw Error{ErrorKind::internal, "a kind of key without a twin"};
}

}  // namespace

Bytes twin_of(Artefact artefact, ByteView to_be_signed) {
  return with_static_signature(to_be_signed, artefact == Artefact::certificate
                                                 ? x509::parse_tbs_certificate(to_be_signed).signature_algorithm
                                                 : x509::parse_tbs_cert_list(to_be_signed).signature_algorithm);
}

std::string pem_twin_of(Artefact artefact, ByteView to_be_signed) {
  return x509::write_pem(artefact == Artefact::certificate ? "CERTIFICATE" : "X509 CRL",
                         twin_of(artefact, to_be_signed));
}

}  // namespace hsmbridge::ca
