#include "x509/pkcs7.h"

#include "base/error.h"
#include "x509/openssl_error.h"
#include "x509/openssl_ptr.h"

#include <openssl/pkcs7.h>

#include <string>
#include <string_view>

namespace hsmbridge::x509 {
namespace {

using Pkcs7Ptr = OpensslPtr<PKCS7, ::PKCS7_free>;

// What stands between "-----BEGIN LABEL-----" and its END line. x509/pem.h wants one DER element in a block, and this
// may be BER.
std::string_view armoured(std::string_view text, std::string_view label) {
  const std::string begin = "-----BEGIN " + std::string(label) + "-----";
  const std::size_t at = text.find(begin);
  if (at == std::string_view::npos) return {};
  text.remove_prefix(at + begin.size());
  const std::size_t end = text.find("-----END " + std::string(label) + "-----");
  if (end == std::string_view::npos) throw Error{ErrorKind::invalid_input, "the PKCS#7 bundle is cut: no END line"};
  return text.substr(0, end);
}

Bytes without_armour(ByteView file) {
  for (const std::string_view label : {"PKCS7", "CMS"}) {
    const std::string_view inside = armoured(as_text(file), label);
    if (inside.empty()) continue;
    std::string digits;
    for (const char c : inside) {
      if (c != '\r' && c != '\n' && c != ' ' && c != '\t') digits.push_back(c);
    }
    return from_base64(digits);
  }
  return {file.begin(), file.end()};
}

Bytes der_of(X509* certificate) {
  unsigned char* der = nullptr;
  const int length = ::i2d_X509(certificate, &der);
  if (length <= 0)
    throw openssl_error(ErrorKind::invalid_input, "a certificate of the PKCS#7 bundle cannot be written");
  Bytes bytes(der, der + length);
  ::OPENSSL_free(der);
  return bytes;
}

}  // namespace

std::vector<Bytes> read_pkcs7_certificates(ByteView file) {
  const Bytes encoded = without_armour(file);
  const unsigned char* at = encoded.data();
  const Pkcs7Ptr bundle(::d2i_PKCS7(nullptr, &at, static_cast<long>(encoded.size())));
  if (!bundle) throw openssl_error(ErrorKind::invalid_input, "it is no PKCS#7 bundle");
  if (at != encoded.data() + encoded.size()) {
    throw Error{ErrorKind::invalid_input, "something follows the PKCS#7 bundle"};
  }
  const STACK_OF(X509)* certificates =
      PKCS7_type_is_signed(bundle.get()) && bundle->d.sign != nullptr ? bundle->d.sign->cert : nullptr;
  std::vector<Bytes> found;
  for (int i = 0; i < sk_X509_num(certificates); ++i) found.push_back(der_of(sk_X509_value(certificates, i)));
  if (found.empty()) throw Error{ErrorKind::invalid_input, "the PKCS#7 bundle holds no certificate"};
  return found;
}

}  // namespace hsmbridge::x509
