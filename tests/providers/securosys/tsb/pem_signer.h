#pragma once

#include "base/file.h"
#include "x509/objects/signer.h"

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <filesystem>
#include <memory>
#include <stdexcept>
#include <string>

namespace hsmbridge::test {

// A Signer over a PEM private key file, for the keys that the rig leaves in its folder.
class PemSigner final : public x509::Signer {
 public:
  explicit PemSigner(const std::filesystem::path& file) : key_(nullptr, ::EVP_PKEY_free) {
    const Bytes pem = read_file(file);
    const std::unique_ptr<BIO, void (*)(BIO*)> bio(::BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())),
                                                   [](BIO* b) { ::BIO_free(b); });
    key_.reset(::PEM_read_bio_PrivateKey(bio.get(), nullptr, nullptr, nullptr));
    if (!key_) throw std::runtime_error("no private key in " + file.string());
    unsigned char* der = nullptr;
    const int length = ::i2d_PUBKEY(key_.get(), &der);
    spki_.assign(der, der + length);
    ::OPENSSL_free(der);
  }

  const Bytes& subject_public_key_info() const override { return spki_; }
  Bytes sign(ByteView to_be_signed, const x509::SignatureAlgorithm& algorithm) override {
    const std::unique_ptr<EVP_MD_CTX, void (*)(EVP_MD_CTX*)> context(::EVP_MD_CTX_new(), ::EVP_MD_CTX_free);
    const EVP_MD* digest =
        algorithm.digest.empty() ? nullptr : ::EVP_get_digestbyname(std::string(algorithm.digest).c_str());
    Bytes signature(1024);
    std::size_t length = signature.size();
    if (::EVP_DigestSignInit(context.get(), nullptr, digest, nullptr, key_.get()) != 1 ||
        ::EVP_DigestSign(context.get(), signature.data(), &length, to_be_signed.data(), to_be_signed.size()) != 1) {
      throw std::runtime_error("cannot sign");
    }
    signature.resize(length);
    return signature;
  }

 private:
  std::unique_ptr<EVP_PKEY, void (*)(EVP_PKEY*)> key_;
  Bytes spki_;
};

}  // namespace hsmbridge::test
