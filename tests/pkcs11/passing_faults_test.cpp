// One failing answer of any Cryptoki function, once, in the middle of the work: the work is done, or it is unavailable
// and the token's lane waits; done again it succeeds, and the token holds what it would hold without the fault.

#include "openssl_ca.h"
#include "pkcs11/cryptoki/return_code.h"
#include "pkcs11/keys/certificates.h"
#include "pkcs11/keys/generate.h"
#include "pkcs11/keys/keys.h"
#include "pkcs11/keys/signer.h"
#include "private_token.h"
#include "x509/objects/verify.h"

#include <p11-kit/pkcs11.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <functional>
#include <optional>

using namespace hsmbridge;
using namespace hsmbridge::pkcs11;
using namespace hsmbridge::test;

namespace {

constexpr x509::KeySpec kP256{x509::KeyType::ec, 256};

constexpr const char* kFunctions[] = {
    "C_GetInfo",          "C_GetSlotList",      "C_GetSlotInfo",       "C_GetTokenInfo",   "C_GetMechanismList",
    "C_GetMechanismInfo", "C_OpenSession",      "C_CloseSession",      "C_GetSessionInfo", "C_FindObjectsInit",
    "C_FindObjects",      "C_FindObjectsFinal", "C_GetAttributeValue", "C_SignInit",       "C_Sign",
    "C_GenerateKeyPair",  "C_CreateObject",     "C_DestroyObject"};

constexpr CK_RV kCodes[] = {CKR_DEVICE_ERROR,     CKR_GENERAL_ERROR,         CKR_FUNCTION_FAILED,
                            CKR_HOST_MEMORY,      CKR_DEVICE_REMOVED,        CKR_SESSION_HANDLE_INVALID,
                            CKR_SESSION_CLOSED,   CKR_OBJECT_HANDLE_INVALID, CKR_USER_NOT_LOGGED_IN,
                            CKR_BUFFER_TOO_SMALL, CKR_OPERATION_ACTIVE,      CKR_FUNCTION_CANCELED,
                            CKR_CANCEL,           CKR_FUNCTION_REJECTED};

// Which call of a function is made to fail: the first for every code, the later ones for the codes that are easily
// taken for a fact about an object or a login.
unsigned most_calls(CK_RV code) {
  switch (code) {
    case CKR_DEVICE_ERROR:
    case CKR_OBJECT_HANDLE_INVALID:
    case CKR_USER_NOT_LOGGED_IN:
    case CKR_BUFFER_TOO_SMALL:
      return 8;
    default:
      return 1;
  }
}

using Work = std::function<void(const std::shared_ptr<Token>&)>;

// `work` must be repeatable, as an effect of the workflow is. `check` looks at the token afterwards.
void walk(PrivateToken& mine, Faults& faults, const Work& prepare, const Work& work, const Work& check) {
  for (const char* const function : kFunctions) {
    for (const CK_RV code : kCodes) {
      for (const bool answer_lost : {false, true}) {
        // A fault after the fact matters where something was made.
        const bool makes = std::string_view(function) == "C_GenerateKeyPair" ||
                           std::string_view(function) == "C_CreateObject" ||
                           std::string_view(function) == "C_DestroyObject";
        if (answer_lost && !makes) continue;
        for (unsigned at = 0; at < (answer_lost ? 1 : most_calls(code)); ++at) {
          mine.refusals = std::make_shared<MemoryPinRefusals>();
          prepare(mine.open());
          const unsigned before = faults.calls(function);
          if (answer_lost) {
            faults.fail_after(function, code);
          } else {
            faults.fail(function, code, 1, at);
          }
          INFO(function << " " << return_code_name(code) << " at call " << at << (answer_lost ? ", answer lost" : ""));
          std::optional<Error> failed;
          std::string what = "done";
          try {
            work(mine.open());
          } catch (const Error& error) {
            what = error.message();
            failed = error;
          }
          const bool hit = faults.calls(function) > before + at;
          faults.fail(function, code, 0);
          INFO(what);
          if (failed) {
            CHECK(failed->kind() == ErrorKind::unavailable);
            CHECK(failed->detail("lane") == "down");
            CHECK_NOTHROW(work(mine.open()));
          }
          check(mine.open());
          if (!hit) break;
        }
      }
    }
  }
}

}  // namespace

TEST_CASE("no passing fault loses or orphans a key that is being made") {
  PrivateToken mine(Through::faulty_module);
  Faults faults;
  KeyPlan plan;
  walk(
      mine, faults, [&](const auto& token) { plan = plan_key(*token, "web", kP256); },
      [&](const auto& token) { make_key(*token, plan); },
      [&](const auto& token) {
        const auto keys = list_keys(*token);
        REQUIRE(keys.size() == 1);
        CHECK(keys.front().id == plan.id);
        CHECK(keys.front().has_private);
        CHECK(keys.front().has_public);
        CHECK_FALSE(check_contract(*token, keys.front()).violated());
        destroy_key(*token, keys.front());
      });
}

TEST_CASE("no passing fault makes a key that is there unknown or unable to sign") {
  PrivateToken mine(Through::faulty_module);
  Faults faults;
  const auto made = make_key(*mine.open(), plan_key(*mine.open(), "web", kP256)).key;
  const auto& algorithm = x509::signature_algorithm("ecdsa-sha256");
  const Bytes message = to_bytes("message");
  walk(
      mine, faults, [](const auto&) {},
      [&](const auto& token) {
        // A CHECK around a call would take its exception for itself.
        const KeyInfo found = find_key(*token, KeySelector::parse(made.uri));
        CHECK(found.spki == made.spki);
        const auto all = list_keys(*token);
        CHECK(all.size() == 1);
        const auto key = open_pinned_key(token, KeySelector::by_id(made.id), made.spki_hash);
        const Bytes signature = key->sign(message, algorithm);
        CHECK(x509::verify(made.spki, algorithm, message, signature));
      },
      [](const auto&) {});
}

TEST_CASE("no passing fault loses a certificate or leaves its predecessor") {
  PrivateToken mine(Through::faulty_module);
  Faults faults;
  const OpensslCa ca;
  const auto made = make_key(*mine.open(), plan_key(*mine.open(), "web", kP256)).key;
  const Bytes old = ca.issue(made.spki, "old");
  const Bytes renewed = ca.issue(made.spki, "renewed");
  walk(
      mine, faults, [&](const auto& token) { put_certificate(*token, made, old, {renewed}); },
      [&](const auto& token) {
        const auto key = find_pinned(*token, KeySelector::by_id(made.id), made.spki_hash);
        put_certificate(*token, key, renewed, {old});
      },
      [&](const auto& token) {
        const auto certificates = certificates_of(*token, made);
        REQUIRE(certificates.size() == 1);
        CHECK(certificates.front().der == renewed);
      });
}

TEST_CASE("what may have been signed as a CA is not signed again by itself") {
  PrivateToken mine(Through::faulty_module);
  Faults faults;
  const auto made = make_key(*mine.open(), plan_key(*mine.open(), "ca", kP256)).key;
  const auto& algorithm = x509::signature_algorithm("ecdsa-sha256");
  const Bytes message = to_bytes("message");
  struct Row {
    workflow::Purpose purpose;
    CK_RV code;
    unsigned calls;  // of C_Sign
  };
  using workflow::Purpose;
  for (const Row& row :
       {Row{Purpose::csr, CKR_DEVICE_REMOVED, 2}, Row{Purpose::csr, CKR_SESSION_CLOSED, 2},
        Row{Purpose::certificate, CKR_DEVICE_REMOVED, 1}, Row{Purpose::certificate, CKR_SESSION_CLOSED, 1},
        Row{Purpose::certificate, CKR_FUNCTION_CANCELED, 1}, Row{Purpose::crl, CKR_SESSION_CLOSED, 1},
        // Found when the call began: nothing was signed.
        Row{Purpose::certificate, CKR_USER_NOT_LOGGED_IN, 2}, Row{Purpose::crl, CKR_SESSION_HANDLE_INVALID, 2}}) {
    INFO(workflow::row_of(row.purpose).word << " " << return_code_name(row.code));
    UsesSeen seen;
    const auto key = TokenKey::open_pinned(mine.open(), KeySelector::by_id(made.id), made.spki_hash,
                                           {row.purpose, "test", Json::object(), {}}, seen.log());
    const unsigned before = faults.calls("C_Sign");
    faults.fail("C_Sign", row.code, 1, 0);
    std::optional<Error> failed;
    try {
      const Bytes signature = key->sign(message, algorithm);  // a CHECK would take its exception for itself
      CHECK(x509::verify(made.spki, algorithm, message, signature));
    } catch (const Error& error) {
      failed = error;
    }
    CHECK(faults.calls("C_Sign") - before == row.calls);
    CHECK(failed.has_value() == (row.calls == 1));
    if (failed) {
      CHECK(failed->kind() == ErrorKind::unavailable);
      // Its own intent, in the log before it.
      CHECK(x509::verify(made.spki, algorithm, message, key->sign(message, algorithm)));
    }
    const auto kinds = seen.kinds();
    CHECK(std::count(kinds.begin(), kinds.end(), std::string(workflow::row_of(row.purpose).intent)) ==
          (failed ? 2 : 1));
  }
}
