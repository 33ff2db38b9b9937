#pragma once

#include "base/bytes.h"
#include "x509/objects/algorithm.h"
#include "x509/objects/signer.h"

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include <memory>
#include <stdexcept>
#include <string>

// A Signer whose key lives in this process, for tests. It goes the way a token goes: token_input, a raw private
// operation, signature_from_token. It does not verify what it returns, so that a test can make it lie.
namespace hsmbridge::test {

class SoftwareSigner : public x509::Signer {
 public:
  // A new key of that kind, for example "ec:P-256", "rsa:2048" or "ed25519".
  explicit SoftwareSigner(const std::string& key_spec) : spec_(x509::parse_key_spec(key_spec)), key_(nullptr, nullptr) {
    EVP_PKEY* key = nullptr;
    switch (spec_.type) {
      case x509::KeyType::rsa:
        key = ::EVP_PKEY_Q_keygen(nullptr, nullptr, "RSA", static_cast<std::size_t>(spec_.bits));
        break;
      case x509::KeyType::ec:
        key = ::EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", ("P-" + std::to_string(spec_.bits)).c_str());
        break;
      case x509::KeyType::ed25519:
        key = ::EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519");
        break;
    }
    if (key == nullptr) throw std::runtime_error("no key of the kind " + key_spec);
    key_ = Key(key, ::EVP_PKEY_free);
    unsigned char* der = nullptr;
    const int length = ::i2d_PUBKEY(key, &der);
    if (length <= 0) throw std::runtime_error("the public key cannot be written");
    spki_.assign(der, der + length);
    ::OPENSSL_free(der);
  }

  const Bytes& subject_public_key_info() const override { return spki_; }
  const x509::KeySpec& spec() const { return spec_; }

  Bytes sign(ByteView to_be_signed, const x509::SignatureAlgorithm& algorithm) override {
    return x509::signature_from_token(algorithm, spec_, raw(algorithm, x509::token_input(algorithm, to_be_signed)));
  }

 private:
  using Key = std::unique_ptr<EVP_PKEY, void (*)(EVP_PKEY*)>;

  static void require(bool good, const char* what) {
    if (!good) throw std::runtime_error(what);
  }

  // What a token's C_Sign answers.
  Bytes raw(const x509::SignatureAlgorithm& algorithm, const Bytes& input) const {
    Bytes output(2048);
    std::size_t length = output.size();
    if (algorithm.token_input == x509::TokenInput::message) {
      const std::unique_ptr<EVP_MD_CTX, void (*)(EVP_MD_CTX*)> context(::EVP_MD_CTX_new(), ::EVP_MD_CTX_free);
      require(::EVP_DigestSignInit(context.get(), nullptr, nullptr, nullptr, key_.get()) == 1, "DigestSignInit");
      require(::EVP_DigestSign(context.get(), output.data(), &length, input.data(), input.size()) == 1, "DigestSign");
      output.resize(length);
      return output;
    }
    const std::unique_ptr<EVP_PKEY_CTX, void (*)(EVP_PKEY_CTX*)> context(
        ::EVP_PKEY_CTX_new_from_pkey(nullptr, key_.get(), nullptr), ::EVP_PKEY_CTX_free);
    require(context && ::EVP_PKEY_sign_init(context.get()) == 1, "sign_init");
    if (algorithm.token_input == x509::TokenInput::digest_info) {
      require(::EVP_PKEY_CTX_set_rsa_padding(context.get(), RSA_PKCS1_PADDING) == 1, "PKCS1 padding");
    } else if (algorithm.token_input == x509::TokenInput::pss_digest) {
      require(::EVP_PKEY_CTX_set_rsa_padding(context.get(), RSA_PKCS1_PSS_PADDING) == 1, "PSS padding");
      require(::EVP_PKEY_CTX_set_signature_md(context.get(),
                                              ::EVP_get_digestbyname(std::string(algorithm.digest).c_str())) == 1,
              "PSS digest");
      require(::EVP_PKEY_CTX_set_rsa_pss_saltlen(context.get(), RSA_PSS_SALTLEN_DIGEST) == 1, "PSS salt");
    }
    require(::EVP_PKEY_sign(context.get(), output.data(), &length, input.data(), input.size()) == 1, "sign");
    output.resize(length);
    return algorithm.key_type == x509::KeyType::ec ? plain_ecdsa(output) : output;
  }

  // DER SEQUENCE{r,s} as the r||s of PKCS#11.
  Bytes plain_ecdsa(const Bytes& der) const {
    const unsigned char* at = der.data();
    const std::unique_ptr<ECDSA_SIG, void (*)(ECDSA_SIG*)> signature(
        ::d2i_ECDSA_SIG(nullptr, &at, static_cast<long>(der.size())), ::ECDSA_SIG_free);
    require(signature != nullptr, "ECDSA signature");
    const int half = static_cast<int>((spec_.bits + 7) / 8);
    Bytes plain(static_cast<std::size_t>(2 * half));
    require(::BN_bn2binpad(::ECDSA_SIG_get0_r(signature.get()), plain.data(), half) == half, "r");
    require(::BN_bn2binpad(::ECDSA_SIG_get0_s(signature.get()), plain.data() + half, half) == half, "s");
    return plain;
  }

  x509::KeySpec spec_;
  Key key_;
  Bytes spki_;
};

// A key of the smallest kind that the algorithm works with.
inline std::string usual_key_for(const x509::SignatureAlgorithm& algorithm) {
  switch (algorithm.key_type) {
    case x509::KeyType::rsa:
      return "rsa:2048";
    case x509::KeyType::ec:
      return algorithm.digest == "SHA256" ? "ec:P-256" : algorithm.digest == "SHA384" ? "ec:P-384" : "ec:P-521";
    case x509::KeyType::ed25519:
      break;
  }
  return "ed25519";
}

}  // namespace hsmbridge::test
