#include "x509/pkcs7_bundle.h"

#include "base/error.h"
#include "x509/openssl_ptr.h"
#include "x509/pem.h"

#include <openssl/err.h>
#include <openssl/pkcs7.h>

namespace hsmbridge::x509 {
namespace {

using Pkcs7Ptr = OpensslPtr<PKCS7, ::PKCS7_free>;

std::vector<Bytes> certificates_in(ByteView der) {
  const unsigned char* at = der.data();
  const Pkcs7Ptr bundle(::d2i_PKCS7(nullptr, &at, static_cast<long>(der.size())));
  ::ERR_clear_error();
  if (!bundle || at != der.data() + der.size() || !PKCS7_type_is_signed(bundle.get())) return {};
  const PKCS7_SIGNED* content = bundle->d.sign;
  if (content == nullptr || sk_PKCS7_SIGNER_INFO_num(content->signer_info) > 0) return {};
  std::vector<Bytes> certificates;
  for (int i = 0; i < sk_X509_num(content->cert); ++i) {
    unsigned char* encoded = nullptr;
    const int length = ::i2d_X509(sk_X509_value(content->cert, i), &encoded);
    if (length <= 0) return {};
    certificates.emplace_back(encoded, encoded + length);
    ::OPENSSL_free(encoded);
  }
  return certificates;
}

}  // namespace

Bytes pkcs7_bundle(const std::vector<Bytes>& certificates) {
  const Pkcs7Ptr bundle(::PKCS7_new());
  // PKCS7_set_type makes version 1 and the empty sets; the content is `data` that is left out (RFC 2315 §9.1 note 3).
  if (!bundle || ::PKCS7_set_type(bundle.get(), NID_pkcs7_signed) != 1 ||
      ::PKCS7_content_new(bundle.get(), NID_pkcs7_data) != 1 || ::PKCS7_set_detached(bundle.get(), 1) != 1) {
    throw Error{ErrorKind::internal, "no PKCS#7 bundle could be made"};
  }
  for (const Bytes& der : certificates) {
    const unsigned char* at = der.data();
    const X509Ptr certificate(::d2i_X509(nullptr, &at, static_cast<long>(der.size())));
    ::ERR_clear_error();
    if (!certificate) throw Error{ErrorKind::invalid_input, "these bytes are no DER certificate"};
    if (::PKCS7_add_certificate(bundle.get(), certificate.get()) != 1) {
      throw Error{ErrorKind::internal, "a certificate could not be put into a PKCS#7 bundle"};
    }
  }
  unsigned char* encoded = nullptr;
  const int length = ::i2d_PKCS7(bundle.get(), &encoded);
  if (length <= 0) throw Error{ErrorKind::internal, "a PKCS#7 bundle could not be written"};
  Bytes der(encoded, encoded + length);
  ::OPENSSL_free(encoded);
  return der;
}

std::vector<Bytes> certificates_of_bundle(ByteView file) {
  if (auto found = certificates_in(file); !found.empty()) return found;
  try {
    const auto blocks = read_pem(as_text(file));
    if (blocks.size() == 1 && blocks.front().label == "PKCS7") return certificates_in(blocks.front().der);
  } catch (const Error&) {
    // No PEM either.
  }
  return {};
}

}  // namespace hsmbridge::x509
