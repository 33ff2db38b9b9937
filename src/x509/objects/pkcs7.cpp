#include "x509/objects/pkcs7.h"

#include "base/error.h"
#include "x509/asn1/openssl_error.h"
#include "x509/asn1/openssl_ptr.h"
#include "x509/objects/pem.h"

#include <openssl/pkcs7.h>

#include <string>
#include <string_view>

namespace hsmbridge::x509 {
namespace {

using Pkcs7Ptr = OpensslPtr<PKCS7, ::PKCS7_free>;

// What stands between "-----BEGIN LABEL-----" and its END line. x509/objects/pem.h wants one DER element in a block,
// and this may be BER.
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
    for (std::size_t i = 0; i < inside.size(); ++i) {
      const char c = inside[i];
      if (c == '\\') {
        ++i;  // a line end as the two characters \n, which nobody undid
      } else if (c != '\r' && c != '\n' && c != ' ' && c != '\t') {
        digits.push_back(c);
      }
    }
    return from_base64(digits);
  }
  return {file.begin(), file.end()};
}

// Never null, and signed data.
Pkcs7Ptr decoded(ByteView encoded) {
  const unsigned char* at = encoded.data();
  Pkcs7Ptr bundle(::d2i_PKCS7(nullptr, &at, static_cast<long>(encoded.size())));
  if (!bundle) throw openssl_error(ErrorKind::invalid_input, "not a valid PKCS#7 bundle");
  if (at != encoded.data() + encoded.size()) {
    throw Error{ErrorKind::invalid_input, "something follows the PKCS#7 bundle"};
  }
  if (!PKCS7_type_is_signed(bundle.get()) || bundle->d.sign == nullptr) {
    throw Error{ErrorKind::invalid_input, "the PKCS#7 bundle is not of type signed-data, which holds certificates"};
  }
  return bundle;
}

Bytes taken(int length, unsigned char* encoded, ErrorKind kind, const char* otherwise) {
  if (length <= 0) throw openssl_error(kind, otherwise);
  Bytes der(encoded, encoded + length);
  ::OPENSSL_free(encoded);
  return der;
}

std::vector<Bytes> certificates_in(const PKCS7& bundle) {
  const STACK_OF(X509)* certificates = bundle.d.sign->cert;
  std::vector<Bytes> found;
  for (int i = 0; i < sk_X509_num(certificates); ++i) {
    unsigned char* encoded = nullptr;
    const int length = ::i2d_X509(sk_X509_value(certificates, i), &encoded);
    found.push_back(
        taken(length, encoded, ErrorKind::invalid_input, "a certificate of a PKCS#7 bundle could not be written"));
  }
  return found;
}

std::vector<Bytes> without_signers(ByteView der) {
  const Pkcs7Ptr bundle = decoded(der);
  if (sk_PKCS7_SIGNER_INFO_num(bundle->d.sign->signer_info) > 0) return {};
  return certificates_in(*bundle);
}

}  // namespace

Bytes pkcs7_bundle(const std::vector<Bytes>& certificates) {
  const Pkcs7Ptr bundle(::PKCS7_new());
  // PKCS7_set_type makes version 1 and the empty sets; the content is `data` that is left out (RFC 2315 §9.1 note 3).
  if (!bundle || ::PKCS7_set_type(bundle.get(), NID_pkcs7_signed) != 1 ||
      ::PKCS7_content_new(bundle.get(), NID_pkcs7_data) != 1 || ::PKCS7_set_detached(bundle.get(), 1) != 1) {
    throw openssl_error(ErrorKind::internal, "no PKCS#7 bundle could be made");
  }
  for (const Bytes& der : certificates) {
    const unsigned char* at = der.data();
    const X509Ptr certificate(::d2i_X509(nullptr, &at, static_cast<long>(der.size())));
    if (!certificate) throw openssl_error(ErrorKind::invalid_input, "not a valid DER certificate");
    if (::PKCS7_add_certificate(bundle.get(), certificate.get()) != 1) {
      throw openssl_error(ErrorKind::internal, "a certificate could not be put into a PKCS#7 bundle");
    }
  }
  unsigned char* encoded = nullptr;
  const int length = ::i2d_PKCS7(bundle.get(), &encoded);
  return taken(length, encoded, ErrorKind::internal, "a PKCS#7 bundle could not be written");
}

std::vector<Bytes> read_pkcs7_certificates(ByteView file) {
  std::vector<Bytes> found = certificates_in(*decoded(without_armour(file)));
  if (found.empty()) throw Error{ErrorKind::invalid_input, "the PKCS#7 bundle holds no certificate"};
  return found;
}

std::vector<Bytes> certificates_of_bundle(ByteView file) {
  try {
    return without_signers(file);
  } catch (const Error&) {
    // no DER
  }
  try {
    const auto blocks = read_pem(as_text(file));
    if (blocks.size() == 1 && blocks.front().label == "PKCS7") return without_signers(blocks.front().der);
  } catch (const Error&) {
    // no PEM either
  }
  return {};
}

std::vector<Bytes> certificates_in_any_form(ByteView file) {
  auto bundled = certificates_of_bundle(file);
  return bundled.empty() ? read_certificates(file) : bundled;
}

}  // namespace hsmbridge::x509
