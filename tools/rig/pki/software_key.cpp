#include "tools/rig/pki/software_key.h"

#include "tools/rig/pki/openssl_handles.h"

#include <fmt/core.h>
#include <openssl/ecdsa.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

namespace hsmbridge::rig {
namespace {

using EcdsaHandle = std::unique_ptr<ECDSA_SIG, Freed<::ECDSA_SIG_free>>;

}  // namespace

KeyHandle decode_public_key(ByteView der) {
  return decoded<KeyHandle, ::d2i_PUBKEY>(der, "not a SubjectPublicKeyInfo");
}

DigestHandle signing_context(EVP_PKEY* key, const SignatureScheme& scheme) {
  DigestHandle digest(::EVP_MD_CTX_new());
  EVP_PKEY_CTX* context = nullptr;  // owned by the digest
  const char* name = ::EVP_PKEY_is_a(key, "ED25519") == 1 ? nullptr : scheme.digest.c_str();
  must(::EVP_DigestSignInit_ex(digest.get(), &context, name, nullptr, nullptr, key, nullptr) == 1, "cannot sign");
  if (scheme.padding == SignatureScheme::Padding::pss) {
    must(::EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PSS_PADDING) > 0 &&
             ::EVP_PKEY_CTX_set_rsa_pss_saltlen(context, RSA_PSS_SALTLEN_DIGEST) > 0,
         "PSS needs an RSA key");
  }
  return digest;
}

void SoftwareKey::Free::operator()(evp_pkey_st* key) const {
  ::EVP_PKEY_free(key);
}

SoftwareKey SoftwareKey::generate(std::string_view algorithm, int bits) {
  EVP_PKEY* key = nullptr;
  if (algorithm == "RSA" && bits >= 2048 && bits <= 8192) {
    key = ::EVP_PKEY_Q_keygen(nullptr, nullptr, "RSA", static_cast<std::size_t>(bits));
  } else if (algorithm == "EC" && (bits == 256 || bits == 384 || bits == 521)) {
    key = ::EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", bits == 256 ? "P-256" : bits == 384 ? "P-384" : "P-521");
  } else if (algorithm == "ED") {
    key = ::EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519");
  } else {
    throw Error{ErrorKind::invalid_input, fmt::format("the rig does not support {} keys of {} bits", algorithm, bits)};
  }
  must(key != nullptr, "key generation failed");
  return SoftwareKey(key);
}

SoftwareKey SoftwareKey::from_pem(std::string_view pem) {
  const BioHandle bio = memory_bio(pem);
  EVP_PKEY* key = ::PEM_read_bio_PrivateKey(bio.get(), nullptr, nullptr, nullptr);
  if (key == nullptr) throw openssl_error("not a private key in PEM");
  return SoftwareKey(key);
}

std::string SoftwareKey::to_pem() const {
  const BioHandle bio(::BIO_new(::BIO_s_mem()));
  must(::PEM_write_bio_PKCS8PrivateKey(bio.get(), key_.get(), nullptr, nullptr, 0, nullptr, nullptr) == 1,
       "cannot write the key");
  char* data = nullptr;
  const long size = ::BIO_get_mem_data(bio.get(), &data);
  return {data, static_cast<std::size_t>(size)};
}

Bytes SoftwareKey::public_key() const {
  return der_of(key_.get(), ::i2d_PUBKEY);
}

Bytes SoftwareKey::sign(const SignatureScheme& scheme, ByteView message) const {
  const DigestHandle digest = signing_context(key_.get(), scheme);
  std::size_t size = 0;
  must(::EVP_DigestSign(digest.get(), nullptr, &size, message.data(), message.size()) == 1, "cannot sign");
  Bytes signature(size);
  must(::EVP_DigestSign(digest.get(), signature.data(), &size, message.data(), message.size()) == 1, "cannot sign");
  signature.resize(size);
  return signature;
}

PublicKeyType public_key_type(ByteView public_key) {
  const KeyHandle key = decode_public_key(public_key);
  if (::EVP_PKEY_is_a(key.get(), "RSA") == 1) return PublicKeyType::rsa;
  if (::EVP_PKEY_is_a(key.get(), "EC") == 1) return PublicKeyType::ec;
  if (::EVP_PKEY_is_a(key.get(), "ED25519") == 1) return PublicKeyType::ed25519;
  return PublicKeyType::other;
}

int public_key_bits(ByteView public_key) {
  return ::EVP_PKEY_get_bits(decode_public_key(public_key).get());
}

Bytes raw_ecdsa(ByteView der, std::size_t octets) {
  const unsigned char* cursor = der.data();
  const EcdsaHandle signature(::d2i_ECDSA_SIG(nullptr, &cursor, static_cast<long>(der.size())));
  const auto half = static_cast<int>(octets);
  Bytes raw(2 * octets);
  must(signature != nullptr && ::BN_bn2binpad(::ECDSA_SIG_get0_r(signature.get()), raw.data(), half) == half &&
           ::BN_bn2binpad(::ECDSA_SIG_get0_s(signature.get()), raw.data() + octets, half) == half,
       "not an ECDSA signature");
  return raw;
}

Bytes der_ecdsa(ByteView raw) {
  const EcdsaHandle signature(::ECDSA_SIG_new());
  const auto half = static_cast<int>(raw.size() / 2);
  must(signature != nullptr && ::ECDSA_SIG_set0(signature.get(), ::BN_bin2bn(raw.data(), half, nullptr),
                                                ::BN_bin2bn(raw.data() + half, half, nullptr)) == 1,
       "not an ECDSA signature");
  return der_of(signature.get(), ::i2d_ECDSA_SIG);
}

Bytes public_key_from_pem(std::string_view pem) {
  const BioHandle bio = memory_bio(pem);
  const KeyHandle key(::PEM_read_bio_PUBKEY(bio.get(), nullptr, nullptr, nullptr));
  if (key == nullptr) throw openssl_error("not a public key in PEM");
  return der_of(key.get(), ::i2d_PUBKEY);
}

bool verify_signature(ByteView public_key, std::string_view digest, ByteView message, ByteView signature) {
  const KeyHandle key = decode_public_key(public_key);
  const bool ed25519 = ::EVP_PKEY_is_a(key.get(), "ED25519") == 1;
  const DigestHandle context(::EVP_MD_CTX_new());
  const std::string name(digest);
  const bool good =
      (ed25519 || !name.empty()) &&
      ::EVP_DigestVerifyInit_ex(context.get(), nullptr, ed25519 ? nullptr : name.c_str(), nullptr, nullptr, key.get(),
                                nullptr) == 1 &&
      ::EVP_DigestVerify(context.get(), signature.data(), signature.size(), message.data(), message.size()) == 1;
  ::ERR_clear_error();
  return good;
}

}  // namespace hsmbridge::rig
