#include "x509/objects/foreign_signature.h"

#include "x509/asn1/openssl_error.h"
#include "x509/asn1/openssl_ptr.h"
#include "x509/objects/spki.h"

#include <openssl/asn1.h>
#include <openssl/err.h>
#include <openssl/objects.h>
#include <openssl/rsa.h>

#include <string>

namespace hsmbridge::x509 {
namespace {

using AlgorithmPtr = OpensslPtr<X509_ALGOR, ::X509_ALGOR_free>;
using AnyPtr = OpensslPtr<ASN1_TYPE, ::ASN1_TYPE_free>;
using BitsPtr = OpensslPtr<ASN1_BIT_STRING, ::ASN1_BIT_STRING_free>;
using PssPtr = OpensslPtr<RSA_PSS_PARAMS, ::RSA_PSS_PARAMS_free>;

// NIST SP 800-57 part 1: what has fewer bits of security than this is no longer allowed for signatures.
constexpr int kLeastSecurity = 112;

// The hash of a signature algorithm; NID_undef where the algorithm has its own (EdDSA, ML-DSA).
int hash_of(const X509_ALGOR& algorithm) {
  int hash = NID_undef;
  const int signature = ::OBJ_obj2nid(algorithm.algorithm);
  if (signature == NID_rsassaPss) {
    if (algorithm.parameter == nullptr) return NID_sha1;
    const PssPtr parameters(
        static_cast<RSA_PSS_PARAMS*>(::ASN1_TYPE_unpack_sequence(ASN1_ITEM_rptr(RSA_PSS_PARAMS), algorithm.parameter)));
    if (!parameters || parameters->hashAlgorithm == nullptr) return NID_sha1;  // the default, RFC 4055 §3.1
    return ::OBJ_obj2nid(parameters->hashAlgorithm->algorithm);
  }
  ::OBJ_find_sigid_algs(signature, &hash, nullptr);
  return hash;
}

std::string weakness(const X509_ALGOR& algorithm, const EVP_PKEY& key) {
  const int hash = hash_of(algorithm);
  if (const EVP_MD* digest = hash == NID_undef ? nullptr : ::EVP_get_digestbynid(hash)) {
    // Half its bits against collisions.
    if (::EVP_MD_get_size(digest) * 8 / 2 < kLeastSecurity) {
      return std::string("the hash ") + ::OBJ_nid2sn(hash) + " no longer counts as safe";
    }
  }
  const int security = ::EVP_PKEY_get_security_bits(&key);
  if (security >= kLeastSecurity) return "";
  return "a key of " + std::to_string(::EVP_PKEY_get_bits(&key)) + " bits no longer counts as safe";
}

}  // namespace

SignatureCheck check_foreign_signature(const SignedObject& object, ByteView spki) {
  const auto unknown = [&](const std::string& why) {
    ::ERR_clear_error();
    return SignatureCheck{SignatureVerdict::cannot_be_checked, why};
  };
  const unsigned char* at = spki.data();
  const PkeyPtr key(::d2i_PUBKEY(nullptr, &at, static_cast<long>(spki.size())));
  if (!key) return unknown(key_text(spki));
  at = object.signature_algorithm.data();
  const AlgorithmPtr algorithm(::d2i_X509_ALGOR(nullptr, &at, static_cast<long>(object.signature_algorithm.size())));
  // Kept as the bytes that they are, whatever they mean.
  at = object.to_be_signed.data();
  const AnyPtr message(::d2i_ASN1_TYPE(nullptr, &at, static_cast<long>(object.to_be_signed.size())));
  const BitsPtr signature(::ASN1_BIT_STRING_new());
  if (!algorithm || !message || !signature ||
      ::ASN1_BIT_STRING_set(signature.get(), const_cast<unsigned char*>(object.signature.data()),
                            static_cast<int>(object.signature.size())) != 1) {
    return unknown(algorithm_text(object.signature_algorithm));
  }
  signature->flags |= ASN1_STRING_FLAG_BITS_LEFT;  // whole octets: no unused bits are to be guessed
  const int result =
      ::ASN1_item_verify(ASN1_ITEM_rptr(ASN1_ANY), algorithm.get(), signature.get(), message.get(), key.get());
  const bool other_key_type = ::ERR_GET_REASON(::ERR_peek_last_error()) == ASN1_R_WRONG_PUBLIC_KEY_TYPE;
  take_openssl_errors();
  if (result == 1) return {SignatureVerdict::verifies, weakness(*algorithm, *key)};
  // A key of another kind cannot have made it.
  if (result == 0 || other_key_type) return {SignatureVerdict::does_not_verify, ""};
  return unknown(algorithm_text(object.signature_algorithm));
}

}  // namespace hsmbridge::x509
