#include "x509/objects/verify.h"

#include "base/error.h"
#include "x509/asn1/openssl_error.h"
#include "x509/asn1/openssl_ptr.h"
#include "x509/objects/spki.h"

#include <openssl/err.h>
#include <openssl/rsa.h>

#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

namespace hsmbridge::x509 {
namespace {

using SharedKey = std::shared_ptr<EVP_PKEY>;

SharedKey decode(ByteView spki) {
  key_spec_of(spki);  // refuses kinds and sizes without a row before OpenSSL spends time on them
  const unsigned char* at = spki.data();
  PkeyPtr key(::d2i_PUBKEY(nullptr, &at, static_cast<long>(spki.size())));
  if (!key) throw openssl_error(ErrorKind::invalid_input, "the public key cannot be read");
  return SharedKey(key.release(), ::EVP_PKEY_free);
}

// Decoded keys by their DER, the oldest one leaving first. An EVP_PKEY that is only read may be shared by threads.
class KeyCache {
 public:
  SharedKey get(ByteView spki) {
    const std::string name(spki.begin(), spki.end());
    {
      const std::lock_guard lock(mutex_);
      const auto found = keys_.find(name);
      if (found != keys_.end()) return found->second;
    }
    // Outside the lock: decoding takes longer than most verifications. Two threads may both do it; either result is
    // good.
    SharedKey key = decode(spki);
    const std::lock_guard lock(mutex_);
    if (keys_.emplace(name, key).second) {
      order_.push_back(name);
      if (order_.size() > kMost) {
        keys_.erase(order_.front());
        order_.pop_front();
      }
    }
    return key;
  }

 private:
  static constexpr std::size_t kMost = 256;
  std::mutex mutex_;
  std::map<std::string, SharedKey> keys_;
  std::deque<std::string> order_;
};

KeyCache& cache() {
  static KeyCache keys;
  return keys;
}

// All that an answer depends on, so that equal octets are the same question.
Bytes question_of(ByteView spki, const SignatureAlgorithm& algorithm, ByteView message, ByteView signature) {
  Bytes question;
  question.reserve(spki.size() + algorithm.name.size() + message.size() + signature.size() + 4 * sizeof(std::size_t));
  for (const ByteView part : {spki, as_bytes(algorithm.name), message, signature}) {
    const std::size_t size = part.size();
    const auto* const octets = reinterpret_cast<const std::uint8_t*>(&size);
    question.insert(question.end(), octets, octets + sizeof size);
    question.insert(question.end(), part.begin(), part.end());
  }
  return question;
}

}  // namespace

bool verify(ByteView spki, const SignatureAlgorithm& algorithm, ByteView message, ByteView signature) {
  thread_local Bytes last_right;
  Bytes question = question_of(spki, algorithm, message, signature);
  if (question == last_right) return true;
  const SharedKey key = cache().get(spki);
  if (key_spec_of(spki).type != algorithm.key_type) return false;  // this key cannot have made such a signature
  const DigestContextPtr context(::EVP_MD_CTX_new());
  EVP_PKEY_CTX* key_context = nullptr;  // owned by `context`
  const std::string digest(algorithm.digest);
  if (!context || ::EVP_DigestVerifyInit_ex(context.get(), &key_context, digest.empty() ? nullptr : digest.c_str(),
                                            nullptr, nullptr, key.get(), nullptr) != 1) {
    throw openssl_error(ErrorKind::internal, "a verification with " + std::string(algorithm.name) + " cannot begin");
  }
  if (algorithm.token_input == TokenInput::pss_digest &&
      (::EVP_PKEY_CTX_set_rsa_padding(key_context, RSA_PKCS1_PSS_PADDING) != 1 ||
       // The salt is as long as the hash, no other length: the AlgorithmIdentifier says so.
       ::EVP_PKEY_CTX_set_rsa_pss_saltlen(key_context, RSA_PSS_SALTLEN_DIGEST) != 1)) {
    throw openssl_error(ErrorKind::internal, "PSS parameters are refused");
  }
  const int result =
      ::EVP_DigestVerify(context.get(), signature.data(), signature.size(), message.data(), message.size());
  ::ERR_clear_error();  // a malformed signature leaves its reasons there
  if (result != 1) return false;
  last_right = std::move(question);
  return true;
}

}  // namespace hsmbridge::x509
