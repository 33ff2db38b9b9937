#pragma once

#include "base/bytes.h"
#include "base/error.h"
#include "tools/rig/pki/software_key.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <memory>
#include <string>
#include <string_view>

// Owners of OpenSSL's handles, for the .cpp files of the rig only.
namespace hsmbridge::rig {

template <auto Function>
struct Freed {
  template <class T>
  void operator()(T* handle) const {
    Function(handle);
  }
};

using BioHandle = std::unique_ptr<BIO, Freed<::BIO_free_all>>;
using DigestHandle = std::unique_ptr<EVP_MD_CTX, Freed<::EVP_MD_CTX_free>>;
using KeyHandle = std::unique_ptr<EVP_PKEY, Freed<::EVP_PKEY_free>>;
using CertificateHandle = std::unique_ptr<X509, Freed<::X509_free>>;
using CsrHandle = std::unique_ptr<X509_REQ, Freed<::X509_REQ_free>>;
using NameHandle = std::unique_ptr<X509_NAME, Freed<::X509_NAME_free>>;
using ExtensionHandle = std::unique_ptr<X509_EXTENSION, Freed<::X509_EXTENSION_free>>;

// The oldest complaint in OpenSSL's queue, which is emptied.
inline std::string openssl_reason() {
  const unsigned long code = ::ERR_get_error();
  ::ERR_clear_error();
  const char* text = code == 0 ? nullptr : ::ERR_reason_error_string(code);
  return text == nullptr ? "no reason given" : text;
}

inline Error openssl_error(std::string_view what) {
  return Error{ErrorKind::invalid_input, std::string(what) + ": " + openssl_reason()};
}

inline void must(bool good, std::string_view what) {
  if (!good) throw openssl_error(what);
}

// The DER of any OpenSSL structure, by its i2d function.
template <class T, class Encode>
Bytes der_of(T* structure, Encode encode) {
  unsigned char* out = nullptr;
  const int size = encode(structure, &out);
  must(size > 0 && out != nullptr, "cannot encode DER");
  Bytes der(out, out + size);
  ::OPENSSL_free(out);
  return der;
}

// What d2i reads, which must be all of the bytes.
template <class Handle, auto Decode>
Handle decoded(ByteView der, std::string_view otherwise) {
  const unsigned char* cursor = der.data();
  Handle handle(Decode(nullptr, &cursor, static_cast<long>(der.size())));
  must(handle != nullptr && cursor == der.data() + der.size(), otherwise);
  return handle;
}

// software_key.cpp
KeyHandle decode_public_key(ByteView der);
// Ready to sign with the scheme; OpenSSL takes the AlgorithmIdentifier from it too.
DigestHandle signing_context(EVP_PKEY* key, const SignatureScheme& scheme);

inline BioHandle memory_bio(std::string_view text) {
  BioHandle bio(::BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
  must(bio != nullptr, "out of memory");
  return bio;
}

}  // namespace hsmbridge::rig
