#include "pkcs11/cryptoki/mechanism_name.h"
#include "pkcs11/cryptoki/return_code.h"

#include <p11-kit/pkcs11.h>

#include <catch2/catch.hpp>
#include <set>
#include <string>

using namespace hsmbridge;
using namespace hsmbridge::pkcs11;

TEST_CASE("every return code has one row with a CKR name and a meaning") {
  std::set<unsigned long> codes;
  std::set<std::string_view> names;
  for (const ReturnCode& row : return_codes()) {
    INFO(row.name);
    CHECK(codes.insert(row.code).second);
    CHECK(names.insert(row.name).second);
    CHECK(row.name.substr(0, 4) == "CKR_");
    CHECK_FALSE(row.meaning.empty());
    CHECK(row.code != CKR_OK);
    CHECK(&return_code(row.code) == &row);
  }
  CHECK(codes.size() == 93);
}

TEST_CASE("a vendor's return code keeps its number") {
  CHECK(return_code_name(0x80000123UL) == "0x80000123");
  CHECK(return_code(0x80000123UL).recovery == Recovery::give_up);
  CHECK(return_code(0x80000123UL).kind == ErrorKind::unavailable);
  CHECK(return_code_name(0x7fffUL) == "0x00007fff");
}

TEST_CASE("no code that may mean a wrong PIN is ever repeated") {
  for (const unsigned long code :
       {CKR_PIN_INCORRECT, CKR_PIN_INVALID, CKR_PIN_LEN_RANGE, CKR_PIN_EXPIRED, CKR_PIN_LOCKED}) {
    CHECK(return_code(code).recovery == Recovery::give_up);
    CHECK(return_code(code).kind == ErrorKind::denied);
  }
}

TEST_CASE("what a failed login says about the PIN is unclear unless the table knows better") {
  for (const unsigned long code : {CKR_PIN_INCORRECT, CKR_PIN_INVALID, CKR_PIN_LEN_RANGE, CKR_PIN_EXPIRED}) {
    CHECK(return_code(code).about_pin == AboutPin::wrong);
  }
  for (const unsigned long code : {0x80000123UL, 0x7fffUL, CKR_ARGUMENTS_BAD}) {
    CHECK(return_code(code).about_pin == AboutPin::likely_wrong);
  }
  for (const unsigned long code : {CKR_TOKEN_NOT_PRESENT, CKR_SESSION_HANDLE_INVALID, CKR_CRYPTOKI_NOT_INITIALIZED,
                                   CKR_USER_ANOTHER_ALREADY_LOGGED_IN}) {
    CHECK(return_code(code).about_pin == AboutPin::not_judged);
  }
  // The last six may happen during the call (PKCS#11 v2.40 §5.1): the token may have counted the PIN.
  for (const unsigned long code :
       {CKR_FUNCTION_FAILED, CKR_GENERAL_ERROR, CKR_DEVICE_ERROR, CKR_DEVICE_MEMORY, CKR_DEVICE_REMOVED,
        CKR_FUNCTION_CANCELED, CKR_SESSION_CLOSED, CKR_HOST_MEMORY, CKR_CANCEL, CKR_FUNCTION_REJECTED}) {
    CHECK(return_code(code).about_pin == AboutPin::unclear);
  }
}

TEST_CASE("a failed call says what was done and what the code means") {
  const TokenFailure failure(CKR_DEVICE_REMOVED, "C_Sign", "sign with key web");
  CHECK(failure.message() == "cannot sign with key web: the token was removed (CKR_DEVICE_REMOVED from C_Sign)");
  CHECK(failure.detail("ckr") == "CKR_DEVICE_REMOVED");
  CHECK(failure.detail("function") == "C_Sign");
  CHECK(failure.kind() == ErrorKind::unavailable);
}

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
