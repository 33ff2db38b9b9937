#pragma once

#include <openssl/asn1.h>
#include <openssl/bn.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <openssl/x509_vfy.h>

#include <memory>

// Owner types for OpenSSL's objects: each handle has one from the moment it exists.
namespace hsmbridge::x509 {

template <auto Free>
struct OpensslDeleter {
  template <class T>
  void operator()(T* object) const noexcept {
    Free(object);
  }
};

template <class T, auto Free>
using OpensslPtr = std::unique_ptr<T, OpensslDeleter<Free>>;

using BignumPtr = OpensslPtr<BIGNUM, ::BN_free>;
using ObjectPtr = OpensslPtr<ASN1_OBJECT, ::ASN1_OBJECT_free>;
using PkeyPtr = OpensslPtr<EVP_PKEY, ::EVP_PKEY_free>;
using PkeyContextPtr = OpensslPtr<EVP_PKEY_CTX, ::EVP_PKEY_CTX_free>;
using DigestContextPtr = OpensslPtr<EVP_MD_CTX, ::EVP_MD_CTX_free>;
using X509Ptr = OpensslPtr<X509, ::X509_free>;
using X509StorePtr = OpensslPtr<X509_STORE, ::X509_STORE_free>;
using X509StoreContextPtr = OpensslPtr<X509_STORE_CTX, ::X509_STORE_CTX_free>;

}  // namespace hsmbridge::x509
