#include "base/error.h"
#include "base/json.h"
#include "providers/jose.h"
#include "providers/venafi/credentials.h"
#include "support/software_signer.h"

#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <memory>

using namespace hsmbridge;
using namespace hsmbridge::venafi;
using test::SoftwareSigner;

namespace {

Bytes from_base64url(std::string text) {
  std::replace(text.begin(), text.end(), '-', '+');
  std::replace(text.begin(), text.end(), '_', '/');
  while (text.size() % 4 != 0) text += '=';
  return from_base64(text);
}

struct Parts {
  Json header, claims;
  std::string signed_part;
  Bytes signature;
};
Parts parts_of(const std::string& jwt) {
  const std::size_t first = jwt.find('.');
  const std::size_t second = jwt.find('.', first + 1);
  return {Json::parse(as_text(from_base64url(jwt.substr(0, first)))),
          Json::parse(as_text(from_base64url(jwt.substr(first + 1, second - first - 1)))), jwt.substr(0, second),
          from_base64url(jwt.substr(second + 1))};
}

// OpenSSL's own verification, with the signature put into its own form for ECDSA.
bool openssl_verifies(const Bytes& spki, const char* digest, const std::string& message, Bytes signature) {
  const unsigned char* at = spki.data();
  const std::unique_ptr<EVP_PKEY, void (*)(EVP_PKEY*)> key(::d2i_PUBKEY(nullptr, &at, static_cast<long>(spki.size())),
                                                           ::EVP_PKEY_free);
  if (::EVP_PKEY_is_a(key.get(), "EC") == 1) {
    const auto half = static_cast<int>(signature.size() / 2);
    const std::unique_ptr<ECDSA_SIG, void (*)(ECDSA_SIG*)> pair(::ECDSA_SIG_new(), ::ECDSA_SIG_free);
    ::ECDSA_SIG_set0(pair.get(), ::BN_bin2bn(signature.data(), half, nullptr),
                     ::BN_bin2bn(signature.data() + half, half, nullptr));
    unsigned char* der = nullptr;
    const int size = ::i2d_ECDSA_SIG(pair.get(), &der);
    signature.assign(der, der + size);
    ::OPENSSL_free(der);
  }
  const std::unique_ptr<EVP_MD_CTX, void (*)(EVP_MD_CTX*)> context(::EVP_MD_CTX_new(), ::EVP_MD_CTX_free);
  return ::EVP_DigestVerifyInit_ex(context.get(), nullptr, digest, nullptr, nullptr, key.get(), nullptr) == 1 &&
         ::EVP_DigestVerify(context.get(), signature.data(), signature.size(),
                            reinterpret_cast<const unsigned char*>(message.data()), message.size()) == 1;
}

}  // namespace

TEST_CASE("a service account's JWT is verified by OpenSSL for every kind of key") {
  struct Row {
    const char* key;
    const char* alg;
    const char* digest;
    std::size_t octets;
  };
  for (const Row& row : {Row{"rsa:2048", "RS256", "SHA256", 256}, Row{"ec:P-256", "ES256", "SHA256", 64},
                         Row{"ec:P-384", "ES384", "SHA384", 96}, Row{"ec:P-521", "ES512", "SHA512", 132}}) {
    INFO(row.key);
    SoftwareSigner signer(row.key);
    // Many, since r or s may begin with zero octets.
    for (int i = 0; i < (std::string(row.key) == "rsa:2048" ? 2 : 40); ++i) {
      const Parts parts = parts_of(service_account_jwt(signer, "client", parse_rfc3339("2026-11-26T12:00:00.9Z"),
                                                       providers::uuid_v4(random_bytes(16))));
      CHECK(parts.header.at("alg").as_string() == row.alg);
      REQUIRE(parts.signature.size() == row.octets);
      REQUIRE(openssl_verifies(signer.subject_public_key_info(), row.digest, parts.signed_part, parts.signature));
    }
  }
}

TEST_CASE("the claims of a JWT are those that the service asks for") {
  SoftwareSigner signer("ec:P-256");
  const Instant now = parse_rfc3339("2026-11-26T12:00:00Z");
  const Parts parts = parts_of(service_account_jwt(signer, "the-client", now, "the-jti"));
  CHECK(parts.header == Json::parse(R"({"alg":"ES256","typ":"JWT"})"));
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(now.time_since_epoch()).count();
  CHECK(parts.claims == Json::object({{"iss", "the-client"},
                                      {"sub", "the-client"},
                                      {"aud", "api.venafi.cloud/v1/oauth/token/serviceaccount"},
                                      {"iat", static_cast<std::int64_t>(seconds)},
                                      {"exp", static_cast<std::int64_t>(seconds + 300)},
                                      {"jti", "the-jti"}}));
}

TEST_CASE("a key that the service takes no JWT from is refused before it signs") {
  SoftwareSigner signer("ed25519");
  try {
    service_account_jwt(signer, "c", Instant{}, "j");
    FAIL("no error");
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::invalid_input);
    CHECK(error.message().find("ed25519") != std::string::npos);
  }
}

TEST_CASE("a UUID of version 4 has its version and its variant") {
  CHECK(providers::uuid_v4(Bytes(16, 0)) == "00000000-0000-4000-8000-000000000000");
  CHECK(providers::uuid_v4(Bytes(16, 0xFF)) == "ffffffff-ffff-4fff-bfff-ffffffffffff");
  CHECK(providers::uuid_v4(random_bytes(16)) != providers::uuid_v4(random_bytes(16)));
}

TEST_CASE("base64url has no padding and no characters that a URL reads") {
  CHECK(providers::base64url(Bytes{0xFB, 0xFF}) == "-_8");
  CHECK(providers::base64url(Bytes{}).empty());
}

TEST_CASE("a token tells whose it is only where it is a JWT that names both") {
  const auto jwt = [](const std::string& claims) { return "e30." + providers::base64url(as_bytes(claims)) + ".c2ln"; };
  CHECK(providers::subject_of(jwt(R"({"iss":"https://idp.example","sub":"bridge","exp":1})")) ==
        "bridge of https://idp.example");
  CHECK(providers::subject_of(jwt("{\"iss\":\"i\\u001b\",\"sub\":\"s\"}")).find('\x1b') == std::string::npos);
  for (const std::string& other : {std::string{}, std::string{"opaque"}, std::string{"a.b"}, std::string{"a.b.c"},
                                   jwt("[]"), jwt(R"({"iss":"i"})"), jwt(R"({"iss":"i","sub":7})")}) {
    CAPTURE(other);
    CHECK(providers::subject_of(other).empty());
  }
}
