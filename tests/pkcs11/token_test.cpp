#include "pkcs11/token/token.h"

#include "pkcs11/cryptoki/return_code.h"
#include "pkcs11/keys/generate.h"
#include "pkcs11/keys/keys.h"
#include "pkcs11/keys/signer.h"
#include "pkcs11/token/token_state.h"
#include "private_token.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <map>

using namespace hsmbridge;
using namespace hsmbridge::pkcs11;
using namespace hsmbridge::test;

namespace {

const x509::KeySpec kP256{x509::KeyType::ec, 256};

// Two tokens that show the same label and serial number, as the slots of some modules do.
struct Twins {
  Twins() {
    first.open()->info();
    first_slot = first.open()->info().slot;
    second_slot = second.open()->info().slot;
    // Other tests of this process have tokens too.
    for (const TokenInfo& info : first.module->tokens()) {
      if (info.slot != first_slot && info.slot != second_slot) faults.hide_slot(info.slot);
    }
    faults.token_texts("web", "0000000000000000");
  }
  TokenAccess access(const std::string& uri) const {
    TokenAccess wanted = first.access();
    wanted.uri = uri;
    return wanted;
  }
  std::shared_ptr<Token> open(unsigned long slot) const {
    return Token::open(access("pkcs11:token=web;slot-id=" + std::to_string(slot)), first.refusals);
  }

  Faults faults;
  PrivateToken first{Through::faulty_module};
  PrivateToken second{Through::faulty_module};
  unsigned long first_slot = 0;
  unsigned long second_slot = 0;
};

void sign_with(Token& token, std::shared_ptr<Token> owner) {
  make_key(token, plan_key(token, "web", kP256));
  open_key(std::move(owner), KeySelector::by_label("web"))
      ->sign(as_bytes("message"), x509::signature_algorithm("ecdsa-sha256"));
}

}  // namespace

TEST_CASE("two tokens that look alike are listed by what differs") {
  Twins twins;
  const Error error = error_of([&] { Token::open(twins.access("pkcs11:token=web"), twins.first.refusals); });
  CHECK(error.kind() == ErrorKind::ambiguous);
  const auto candidates = details(error, "candidate");
  REQUIRE(candidates.size() == 2);
  for (const unsigned long slot : {twins.first_slot, twins.second_slot}) {
    CHECK(std::count_if(candidates.begin(), candidates.end(), [&](const std::string& uri) {
            return uri.ends_with(";slot-id=" + std::to_string(slot));
          }) == 1);
  }
  CHECK(error.hint() == "add slot-id=… to the token's uri, as the candidates show it");
  for (const std::string& uri : candidates) {
    const auto token = Token::open(twins.access(uri), twins.first.refusals);
    CHECK(token->info().uri == uri);
    CHECK(token->state().uri == uri);
  }
}

TEST_CASE("tokens with serial numbers of their own are told apart by those") {
  Faults faults;
  PrivateToken one(Through::faulty_module);
  PrivateToken other(Through::faulty_module);
  auto access = one.access();
  access.uri = "pkcs11:";
  const Error error = error_of([&] { Token::open(access, one.refusals); });
  CHECK(error.hint() == "add serial=… to the token's uri, as the candidates show it");
}

TEST_CASE("after a lost token the other one that looks like it is never used") {
  Twins twins;
  const auto token = twins.open(twins.first_slot);
  sign_with(*token, token);
  const unsigned logins = twins.faults.calls("C_Login");
  twins.faults.hide_slot(twins.first_slot);
  twins.faults.close_all_sessions();
  twins.faults.fail("C_OpenSession", CKR_DEVICE_REMOVED);
  const Error error = error_of([&] { list_keys(*token); });
  CHECK(error.kind() == ErrorKind::unavailable);
  CHECK(error.detail("lane") == "down");
  CHECK(twins.faults.calls("C_Login") == logins);
}

TEST_CASE("a lost token that looks like another one is found again in its slot") {
  Twins twins;
  const auto token = twins.open(twins.first_slot);
  sign_with(*token, token);
  const auto other = twins.open(twins.second_slot);
  twins.faults.close_all_sessions();
  twins.faults.fail("C_OpenSession", CKR_DEVICE_REMOVED);
  CHECK(list_keys(*token).size() == 1);
  CHECK(list_keys(*other).empty());
}

TEST_CASE("the PIN is not sent when another token is in the slot") {
  Faults faults;
  PrivateToken mine(Through::faulty_module);
  const auto token = mine.open();
  token->login();
  const unsigned logins = faults.calls("C_Login");
  faults.close_all_sessions();
  faults.token_texts("web", "another");
  const Error error = error_of([&] { list_keys(*token); });
  CHECK(error.kind() == ErrorKind::unavailable);
  CHECK(faults.calls("C_Login") == logins);
}

TEST_CASE("a token whose texts are padded with zero octets is selected by what is printed") {
  const auto padding = GENERATE(Faults::Padding::zeros, Faults::Padding::zero_then_garbage);
  Faults faults;
  PrivateToken mine(Through::faulty_module);
  faults.pad(padding);
  auto access = mine.access();
  const std::string printed = mine.open()->info().uri;
  CHECK(printed.find('\0') == std::string::npos);
  CHECK(printed.find("%00") == std::string::npos);
  for (const std::string& uri :
       {printed, "pkcs11:token=" + mine.label, "pkcs11:token=" + mine.label + "%00",
        "pkcs11:token=" + mine.label + "%00%00%00;serial=" + mine.serial + ";model=SoftHSM%20v2%00"}) {
    INFO(uri);
    access.uri = uri;
    const auto token = Token::open(access, mine.refusals);
    CHECK(token->info().label == mine.label);
    sign_with(*token, token);
    const KeyInfo key = find_key(*token, KeySelector::by_label("web"));
    CHECK(find_key(*token, KeySelector::parse(key.uri)).spki == key.spki);
    destroy_key(*token, key);
  }
}

TEST_CASE("what a token could not be asked is not taken for an answer") {
  const std::string function = GENERATE("C_GetInfo", "C_GetSlotInfo", "C_GetTokenInfo", "C_GetSlotList",
                                        "C_GetMechanismInfo", "C_GetMechanismList");
  const CK_RV code = GENERATE(CKR_DEVICE_ERROR, CKR_GENERAL_ERROR, CKR_FUNCTION_FAILED, CKR_DEVICE_REMOVED,
                              CKR_TOKEN_NOT_PRESENT, CKR_BUFFER_TOO_SMALL);
  INFO(function << " " << return_code_name(code));
  Faults faults;
  PrivateToken mine(Through::faulty_module);
  const auto work = [&] {
    const auto token = mine.open();
    if (!token->can_sign_with(CKM_ECDSA)) throw Error{ErrorKind::internal, "it is said to have no CKM_ECDSA"};
  };
  // For as long as it lasts it is unavailable and says nothing of the request or of what to initialise; then all is
  // well.
  faults.fail(function, code, 1000);
  const Error error = error_of(work);
  CHECK(error.kind() == ErrorKind::unavailable);
  CHECK(error.detail("lane") == "down");
  CHECK(error.hint().find("init") == std::string::npos);
  faults.fail(function, code, 1);
  CHECK_NOTHROW(work());
}

TEST_CASE("a mechanism that could not be described is asked for again") {
  Faults faults;
  PrivateToken mine(Through::faulty_module);
  const auto token = mine.open();
  faults.fail("C_GetMechanismInfo", CKR_DEVICE_ERROR, 2);
  CHECK(error_of([&] { token->can_sign_with(CKM_ECDSA); }).kind() == ErrorKind::unavailable);
  CHECK(token->can_sign_with(CKM_ECDSA));
  const unsigned asked = faults.calls("C_GetMechanismInfo");
  CHECK(token->can_sign_with(CKM_ECDSA));
  CHECK(faults.calls("C_GetMechanismInfo") == asked);
}

TEST_CASE("a slot that does not answer hides no token in another one") {
  Faults faults;
  PrivateToken mine(Through::faulty_module);
  PrivateToken other(Through::faulty_module);
  const auto slot = mine.open()->info().slot;
  const auto all = mine.module->tokens();
  // The calls go slot by slot, each asked twice.
  const auto at = std::find_if(all.begin(), all.end(), [&](const TokenInfo& info) { return info.slot == slot; });
  faults.fail("C_GetTokenInfo", CKR_DEVICE_ERROR, 2, static_cast<unsigned>(at - all.begin()));
  std::vector<Error> unread;
  const auto seen = mine.module->tokens(unread);
  CHECK(seen.size() == all.size() - 1);
  REQUIRE(unread.size() == 1);
  CHECK(unread.front().kind() == ErrorKind::unavailable);
  faults.fail("C_GetTokenInfo", CKR_DEVICE_ERROR, 2, static_cast<unsigned>(at - all.begin()));
  CHECK(other.open()->info().label == other.label);
}
