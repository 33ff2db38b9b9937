// Logins whose answer nobody knows: unclear ones, and those that were cut short.
#include "pkcs11/cryptoki/return_code.h"
#include "pkcs11/private_token.h"
#include "pkcs11/token/token_state.h"
#include "support/temp_folder.h"

#include <p11-kit/pkcs11.h>

#include <catch2/catch.hpp>
#include <memory>
#include <optional>
#include <string>

using namespace hsmbridge;
using namespace hsmbridge::pkcs11;
using namespace hsmbridge::test;

TEST_CASE("an unclear answer to a login is tried once more and then never") {
  const CK_RV code = GENERATE(CKR_FUNCTION_FAILED, CKR_GENERAL_ERROR, CKR_DEVICE_ERROR, CKR_DEVICE_REMOVED,
                              CKR_FUNCTION_CANCELED, CKR_SESSION_CLOSED);
  PrivateToken mine(Through::faulty_module);
  Faults faults;
  faults.fail("C_Login", code, 9);
  const Error first = error_of([&] { mine.open()->login(); });
  CHECK(first.kind() == ErrorKind::unavailable);
  CHECK(first.hint().find("hsmbridge token login web --retry") != std::string::npos);
  const Error second = error_of([&] { mine.open()->login(); });
  CHECK(second.kind() == ErrorKind::denied);
  CHECK(second.detail("ckr") == return_code_name(code));
  CHECK(second.message().find("it is the second attempt in a row without a clear answer, the first was " +
                              return_code_name(code)) != std::string::npos);
  CHECK(second.hint().find("hsmbridge token login web --retry") != std::string::npos);
  const Error third = error_of([&] { mine.open()->login(); });
  CHECK(third.kind() == ErrorKind::denied);
  CHECK(third.detail("reason") == return_code_name(code) + " after " + return_code_name(code));
  CHECK(third.hint().find("hsmbridge token login web --retry") != std::string::npos);
  CHECK(faults.calls("C_Login") == 2);
  CHECK(error_of([&] { mine.open()->login(LoginAttempt::retry); }).kind() == ErrorKind::unavailable);
  CHECK(faults.calls("C_Login") == 3);
}

TEST_CASE("unclear answers count only in a row") {
  PrivateToken mine(Through::faulty_module);
  Faults faults;
  for (int i = 0; i < 3; ++i) {
    faults.fail("C_Login", CKR_DEVICE_ERROR);
    const auto token = mine.open();
    CHECK(error_of([&] { token->login(); }).kind() == ErrorKind::unavailable);
    token->login();
    faults.log_out();
  }
}

TEST_CASE("one login that a kill cut short allows another and two do not") {
  PrivateToken mine(Through::faulty_module);
  Faults faults;
  faults.without_token_flags(CKF_USER_PIN_COUNT_LOW);  // as a token that does not tell
  const TempFolder folder;
  const auto files = std::make_shared<FilePinRefusals>(folder.path() / "refusals");
  const auto open = [&](const std::string& pin) { return Token::open(mine.access(pin), files); };
  // Ends where the answer of C_Login would be written, and writes nothing any more. (tests/cli kills a process there.)
  struct Kill {};
  struct Killed final : PinRefusals {
    explicit Killed(FilePinRefusals& to) : files(to) {}
    std::optional<PinRefusal> refused(const PinSubject& subject) override { return files.refused(subject); }
    void record(const PinRefusal& refusal) override {
      if (refusal.state.standing == PinStanding::refused) throw Kill{};
      files.record(refusal);
    }
    void clear(const PinSubject& subject) override { files.clear(subject); }
    FilePinRefusals& files;
  };
  const auto killed = [&] {
    CHECK_THROWS_AS(Token::open(mine.access("000000"), std::make_shared<Killed>(*files))->login(), Kill);
  };
  killed();
  open(PrivateToken::kPin)->login();  // and a success forgets it
  faults.log_out();
  killed();
  killed();
  const Error refused = error_of([&] { open(PrivateToken::kPin)->login(); });
  CHECK(refused.kind() == ErrorKind::denied);
  CHECK(refused.detail("reason") == "an attempt cut short after an attempt cut short");
  CHECK(refused.hint().find("hsmbridge token login web --retry") != std::string::npos);
  CHECK(faults.calls("C_Login") == 4);
  open(PrivateToken::kPin)->login(LoginAttempt::retry);
  CHECK(faults.calls("C_Login") == 5);
}

TEST_CASE("a retry that a kill cut short leaves the refusal before it") {
  PrivateToken mine(Through::faulty_module);
  Faults faults;
  struct Kill {};
  // Writes down that the attempt is made, and nothing any more.
  struct Killed final : PinRefusals {
    explicit Killed(PinRefusals& to) : memory(to) {}
    std::optional<PinRefusal> refused(const PinSubject& subject) override { return memory.refused(subject); }
    void record(const PinRefusal& refusal) override {
      memory.record(refusal);
      throw Kill{};
    }
    void clear(const PinSubject&) override { throw Kill{}; }
    PinRefusals& memory;
  };
  CHECK(error_of([&] { mine.open("000000")->login(); }).kind() == ErrorKind::denied);
  const auto killed = Token::open(mine.access("000000"), std::make_shared<Killed>(*mine.refusals));
  CHECK_THROWS(killed->login(LoginAttempt::retry));
  CHECK(faults.calls("C_Login") == 1);
  const Error error = error_of([&] { mine.open()->login(); });
  CHECK(error.kind() == ErrorKind::denied);
  CHECK(error.detail("reason") == "CKR_PIN_INCORRECT");
  CHECK(faults.calls("C_Login") == 1);
  mine.open()->login(LoginAttempt::retry);
  CHECK(faults.calls("C_Login") == 2);
}

TEST_CASE("two logins without a clear answer block no PIN that this process has logged in with") {
  PrivateToken mine(Through::faulty_module);
  Faults faults;
  const auto token = mine.open();
  token->login();
  faults.log_out();
  faults.fail("C_Login", CKR_DEVICE_ERROR, 2);
  CHECK(error_of([&] { token->login(); }).kind() == ErrorKind::unavailable);
  const Error second = error_of([&] { token->login(); });
  CHECK(second.kind() == ErrorKind::unavailable);
  CHECK(second.detail("ckr") == "CKR_DEVICE_ERROR");
  CHECK(faults.calls("C_Login") == 3);
  // Not at once: a device in trouble is not hammered.
  const Error early = error_of([&] { token->login(); });
  CHECK(early.kind() == ErrorKind::unavailable);
  CHECK(
      early.message().starts_with("the last login to token web had no clear answer (CKR_DEVICE_ERROR); another one is "
                                  "made from "));
  CHECK(faults.calls("C_Login") == 3);
  // Another PIN has nothing that speaks for it.
  CHECK(error_of([&] { mine.open("000000")->login(); }).detail("ckr") == "CKR_PIN_INCORRECT");
}

TEST_CASE("what speaks for a PIN buys one attempt more and no other") {
  PrivateToken mine(Through::faulty_module);
  Faults faults;
  const auto token = mine.open();
  token->login();
  faults.log_out();
  const auto a_minute_ago = [&](const std::string& reason) {
    token->state().refusals->record({.subject = {.token_serial = mine.serial, .user_type = kUser},
                                     .at = SystemClock().now() - Duration{60'000},
                                     .state = AttemptState::from_words(reason)});
  };
  SECTION("of answers that are not clear") {
    faults.fail("C_Login", CKR_GENERAL_ERROR, 50);
    a_minute_ago("unclear: CKR_GENERAL_ERROR again");
    const Error third = error_of([&] { token->login(); });
    CHECK(third.kind() == ErrorKind::denied);
    CHECK(third.message().find("it is the third attempt in a row without a clear answer") != std::string::npos);
    for (int i = 0; i < 3; ++i) {
      const Error refused = error_of([&] { token->login(); });
      CHECK(refused.kind() == ErrorKind::denied);
      CHECK(refused.message().find("was tried three times in a row") != std::string::npos);
    }
    CHECK(faults.calls("C_Login") == 2);
  }
  SECTION("of attempts that are cut short") {
    a_minute_ago("open after an attempt cut short again");
    const Error refused = error_of([&] { token->login(); });
    CHECK(refused.kind() == ErrorKind::denied);
    CHECK(faults.calls("C_Login") == 1);
  }
}

TEST_CASE("an unclear answer after which the token counts a wrong PIN is a refusal") {
  PrivateToken mine(Through::faulty_module);
  Faults faults;
  SECTION("when it came") {
    // SoftHSM counts the PIN, and the answer that says so is lost.
    faults.fail_after("C_Login", CKR_DEVICE_ERROR);
    const Error error = error_of([&] { mine.open("000000")->login(); });
    CHECK(error.kind() == ErrorKind::denied);
    CHECK(error.message().find("the token counts a wrong PIN since") != std::string::npos);
    CHECK(error_of([&] { mine.open()->login(); }).detail("reason") == "CKR_DEVICE_ERROR; the token counts a wrong PIN");
  }
  SECTION("when it seems to say that the PIN was not looked at") {
    faults.fail_after("C_Login", CKR_TOKEN_NOT_RECOGNIZED, 5);
    CHECK(error_of([&] { mine.open("000000")->login(); }).kind() == ErrorKind::denied);
    for (int i = 0; i < 4; ++i) {
      CHECK(error_of([&] { mine.open("000000")->login(); }).detail("reason") ==
            "CKR_TOKEN_NOT_RECOGNIZED; the token counts a wrong PIN");
    }
    CHECK(faults.calls("C_Login") == 1);
  }
  SECTION("when nobody saw it come") {
    mine.refusals->record({.subject = {.token_serial = mine.serial, .user_type = kUser},
                           .at = {},
                           .state = AttemptState::from_words("open")});
    faults.token_flags(CKF_USER_PIN_COUNT_LOW);
    CHECK(error_of([&] { mine.open()->login(); }).detail("reason") ==
          "an attempt cut short; the token counts a wrong PIN");
    CHECK(faults.calls("C_Login") == 0);
  }
}

TEST_CASE("a token that counts wrong PINs and has counted none excuses logins that were cut short") {
  PrivateToken mine(Through::faulty_module);
  Faults faults;
  const auto cut_short_twice = [&] {
    mine.refusals->record({.subject = {.token_serial = mine.serial, .user_type = kUser},
                           .at = {},
                           .state = AttemptState::from_words("open after an attempt cut short")});
  };
  // Of a token that never showed the flag its absence says nothing.
  cut_short_twice();
  CHECK(error_of([&] { mine.open()->login(); }).detail("reason") == "an attempt cut short after an attempt cut short");
  CHECK(faults.calls("C_Login") == 0);
  // It shows it now: SoftHSM does, after a wrong PIN.
  CHECK(error_of([&] { mine.open("000000")->login(LoginAttempt::retry); }).detail("ckr") == "CKR_PIN_INCORRECT");
  mine.open()->login(LoginAttempt::retry);
  faults.log_out();
  cut_short_twice();
  mine.refusals->record({.subject = {.token_serial = mine.serial, .user_type = kUser},
                         .at = SystemClock().now() - Duration{60'000},
                         .state = AttemptState::from_words("open after an attempt cut short")});
  auto other = mine.access();  // in a process that has not logged in yet
  const auto token = Token::open(other, mine.refusals);
  CHECK_NOTHROW(token->login());
}

TEST_CASE("a login cut short and an unclear one together are two in a row") {
  PrivateToken mine(Through::faulty_module);
  Faults faults;
  const auto token = mine.open();
  mine.refusals->record({.subject = {.token_serial = mine.serial, .user_type = kContextSpecific},
                         .at = {},
                         .state = AttemptState::from_words("open")});
  faults.fail("C_Login", CKR_GENERAL_ERROR);
  CHECK(error_of([&] { token->login(); }).kind() == ErrorKind::denied);
  CHECK(error_of([&] { token->login(); }).detail("reason") == "CKR_GENERAL_ERROR after an attempt cut short");
  CHECK(faults.calls("C_Login") == 1);
}
