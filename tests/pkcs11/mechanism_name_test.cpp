#include "pkcs11/cryptoki/mechanism_name.h"

#include <p11-kit/pkcs11.h>

#include <catch2/catch.hpp>

using hsmbridge::pkcs11::mechanism_name;

TEST_CASE("a mechanism has the name that the Cryptoki header gives it") {
  CHECK(mechanism_name(CKM_RSA_PKCS_KEY_PAIR_GEN) == "CKM_RSA_PKCS_KEY_PAIR_GEN");
  CHECK(mechanism_name(CKM_ECDSA) == "CKM_ECDSA");
  CHECK(mechanism_name(CKM_EDDSA) == "CKM_EDDSA");
  CHECK(mechanism_name(CKM_RSA_PKCS_OAEP_TPM_1_1) == "CKM_RSA_PKCS_OAEP_TPM_1_1");
}

TEST_CASE("of two names of a mechanism the first one of the header is given") {
  STATIC_REQUIRE(CKM_EC_KEY_PAIR_GEN == CKM_ECDSA_KEY_PAIR_GEN);
  CHECK(mechanism_name(CKM_EC_KEY_PAIR_GEN) == "CKM_ECDSA_KEY_PAIR_GEN");
}

TEST_CASE("a mechanism without a name is shown by its number") {
  CHECK(mechanism_name(CKM_VENDOR_DEFINED) == "0x80000000");
  CHECK(mechanism_name(0x80001234UL) == "0x80001234");
}
