#include "tools/rig/tsb/signature_words.h"

#include "tools/rig/tsb/business_error.h"

#include <fmt/core.h>

#include <array>
#include <utility>

namespace hsmbridge::rig {
namespace {

constexpr auto kPkcs1 = SignatureScheme::Padding::pkcs1;
constexpr auto kPss = SignatureScheme::Padding::pss;
constexpr auto kRsa = PublicKeyType::rsa;
constexpr auto kEc = PublicKeyType::ec;

// Word, key type, digest, padding, usable for certificates.
constexpr std::array<SignatureWord, 16> kWords{{
    {"SHA1_WITH_RSA", kRsa, "SHA1", kPkcs1, false},
    {"SHA224_WITH_RSA", kRsa, "SHA224", kPkcs1, true},
    {"SHA256_WITH_RSA", kRsa, "SHA256", kPkcs1, true},
    {"SHA384_WITH_RSA", kRsa, "SHA384", kPkcs1, true},
    {"SHA512_WITH_RSA", kRsa, "SHA512", kPkcs1, true},
    {"SHA1_WITH_RSA_PSS", kRsa, "SHA1", kPss, false},
    {"SHA224_WITH_RSA_PSS", kRsa, "SHA224", kPss, false},
    {"SHA256_WITH_RSA_PSS", kRsa, "SHA256", kPss, false},
    {"SHA384_WITH_RSA_PSS", kRsa, "SHA384", kPss, false},
    {"SHA512_WITH_RSA_PSS", kRsa, "SHA512", kPss, false},
    {"SHA1_WITH_ECDSA", kEc, "SHA1", kPkcs1, false},
    {"SHA224_WITH_ECDSA", kEc, "SHA224", kPkcs1, false},
    {"SHA256_WITH_ECDSA", kEc, "SHA256", kPkcs1, true},
    {"SHA384_WITH_ECDSA", kEc, "SHA384", kPkcs1, true},
    {"SHA512_WITH_ECDSA", kEc, "SHA512", kPkcs1, true},
    {"EDDSA", PublicKeyType::ed25519, "", kPkcs1, true},
}};

// The API's word, OpenSSL's.
constexpr std::array<std::pair<std::string_view, std::string_view>, 9> kDigests{{{"SHA-224", "SHA224"},
                                                                                 {"SHA-256", "SHA256"},
                                                                                 {"SHA-384", "SHA384"},
                                                                                 {"SHA-512", "SHA512"},
                                                                                 {"SHA3-224", "SHA3-224"},
                                                                                 {"SHA3-256", "SHA3-256"},
                                                                                 {"SHA3-384", "SHA3-384"},
                                                                                 {"SHA3-512", "SHA3-512"},
                                                                                 {"EdDSA", ""}}};

}  // namespace

const SignatureWord* find_signature_word(std::string_view word) {
  for (const SignatureWord& row : kWords) {
    if (row.word == word) return &row;
  }
  return nullptr;
}

std::string digest_of(std::string_view word, std::string_view field) {
  for (const auto& [api, openssl] : kDigests) {
    if (api == word) return std::string(openssl);
  }
  throw business_error(600, fmt::format("Value '{}' is not valid for field {}", word, field));
}

}  // namespace hsmbridge::rig
