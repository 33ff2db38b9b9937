#include "base/bytes.h"
#include "base/secret.h"
#include "pkcs11/cryptoki/return_code.h"
#include "pkcs11/keys/keys.h"
#include "pkcs11/login/token_lock.h"
#include "pkcs11/private_token.h"
#include "pkcs11/token/token_state.h"
#include "pkcs11/workflow_token.h"

#include <p11-kit/pkcs11.h>

#include <catch2/catch.hpp>
#include <chrono>
#include <optional>

using namespace hsmbridge;
using namespace hsmbridge::pkcs11;
using namespace hsmbridge::test;

TEST_CASE("a wrong PIN is tried once whoever asks again") {
  PrivateToken mine(Through::faulty_module);
  Faults faults;
  const auto token = mine.open("000000");
  const Error first = error_of([&] { list_keys(*token); });
  CHECK(first.kind() == ErrorKind::denied);
  CHECK(first.message() == "cannot log in to token web as user: the PIN is wrong (CKR_PIN_INCORRECT from C_Login)");
  CHECK(first.hint().find("hsmbridge token login web --retry") != std::string::npos);
  CHECK(faults.calls("C_Login") == 1);

  CHECK(error_of([&] { token->login(); }).kind() == ErrorKind::denied);
  // Another Token object with the same memory, as another process has it.
  const auto other = mine.open("000000");
  const Error again = error_of([&] { list_keys(*other); });
  CHECK(again.kind() == ErrorKind::denied);
  CHECK(again.detail("reason") == "CKR_PIN_INCORRECT");
  CHECK(faults.calls("C_Login") == 1);
}

TEST_CASE("a refusal is recorded before the error is reported") {
  struct Watching final : PinRefusals {
    std::optional<PinRefusal> refused(const PinSubject&) override { return std::nullopt; }
    void record(const PinRefusal& refusal) override { recorded.push_back(refusal); }
    void clear(const PinSubject&) override {}
    std::vector<PinRefusal> recorded;
  };
  PrivateToken mine;
  const auto memory = std::make_shared<Watching>();
  const auto token = Token::open(mine.access("000000"), memory);
  CHECK(error_of([&] { token->login(); }).kind() == ErrorKind::denied);
  REQUIRE(memory->recorded.size() == 2);
  CHECK(memory->recorded[0].state.words() == "open");
  CHECK(memory->recorded[1].state.words() == "CKR_PIN_INCORRECT");
  for (const PinRefusal& recorded : memory->recorded) {
    CHECK(recorded.subject.token_serial == mine.serial);
    CHECK(recorded.subject.user_type == kUser);
  }
}

TEST_CASE("a refusal that cannot be recorded stops this process all the same") {
  struct Broken final : PinRefusals {
    std::optional<PinRefusal> refused(const PinSubject&) override { return std::nullopt; }
    void record(const PinRefusal& refusal) override {
      if (refusal.state.standing == PinStanding::refused) throw Error{ErrorKind::unavailable, "the disk is full"};
    }
    void clear(const PinSubject&) override {}
  };
  PrivateToken mine(Through::faulty_module);
  Faults faults;
  const auto token = Token::open(mine.access("000000"), std::make_shared<Broken>());
  CHECK(error_of([&] { token->login(); }).detail("not_recorded") == "the disk is full");
  CHECK(error_of([&] { token->login(); }).detail("reason") == "CKR_PIN_INCORRECT");
  CHECK(faults.calls("C_Login") == 1);
  const auto another = Token::open(mine.access("000000"), std::make_shared<Broken>());
  CHECK(error_of([&] { another->login(); }).kind() == ErrorKind::denied);
  CHECK(faults.calls("C_Login") == 1);
  CHECK(error_of([&] { token->login(LoginAttempt::retry); }).detail("not_recorded") == "the disk is full");
  CHECK(faults.calls("C_Login") == 2);
}

TEST_CASE("a PIN whose refusal could not be remembered is not sent") {
  struct Full final : PinRefusals {
    std::optional<PinRefusal> refused(const PinSubject&) override { return std::nullopt; }
    void record(const PinRefusal&) override { throw Error{ErrorKind::unavailable, "the disk is full"}; }
    void clear(const PinSubject&) override {}
  };
  PrivateToken mine(Through::faulty_module);
  Faults faults;
  const auto token = Token::open(mine.access(), std::make_shared<Full>());
  const Error error = error_of([&] { token->login(); });
  CHECK(error.kind() == ErrorKind::unavailable);
  CHECK(error.message() ==
        "the PIN of token web from file:/etc/hsmbridge/web.pin is not tried, since a refusal could not be remembered: "
        "the disk is full");
  CHECK(error_of([&] { token->login(); }).kind() == ErrorKind::unavailable);  // which is no attempt either
  CHECK(faults.calls("C_Login") == 0);
}

TEST_CASE("a code that modules give for a wrong PIN counts as a refusal at once") {
  const CK_RV code = GENERATE(0x80000123UL, CKR_ARGUMENTS_BAD, 0x7fffUL);
  PrivateToken mine(Through::faulty_module);
  Faults faults;
  faults.fail("C_Login", code, 9);
  const Error first = error_of([&] { mine.open()->login(); });
  CHECK(first.kind() == ErrorKind::denied);
  CHECK(first.detail("ckr") == return_code_name(code));
  CHECK(first.message().find("modules report a wrong PIN so") != std::string::npos);
  CHECK(first.hint().find("hsmbridge token login web --retry") != std::string::npos);
  CHECK(error_of([&] { mine.open()->login(); }).detail("reason") == return_code_name(code));
  CHECK(faults.calls("C_Login") == 1);
}

TEST_CASE("a login that certainly did not judge the PIN spends no attempt") {
  const CK_RV code = GENERATE(CKR_TOKEN_NOT_PRESENT, CKR_NEED_TO_CREATE_THREADS, CKR_SESSION_COUNT);
  PrivateToken mine(Through::faulty_module);
  Faults faults;
  faults.fail("C_Login", code, 50);
  for (int i = 0; i < 4; ++i) CHECK(error_of([&] { mine.open()->login(); }).kind() == ErrorKind::unavailable);
  faults.fail("C_Login", code, 0);
  mine.open()->login();
  // Nor does it forget an unclear one before it.
  faults.log_out();
  faults.fail("C_Login", CKR_DEVICE_ERROR);
  CHECK(error_of([&] { mine.open()->login(); }).kind() == ErrorKind::unavailable);
  faults.fail("C_Login", CKR_SESSION_COUNT);
  CHECK(error_of([&] { mine.open()->login(); }).kind() == ErrorKind::unavailable);
  faults.fail("C_Login", CKR_DEVICE_ERROR);
  CHECK(error_of([&] { mine.open()->login(); }).kind() == ErrorKind::denied);
}

TEST_CASE("a login that failed is not made again by the call that wanted it") {
  const CK_RV code = GENERATE(CKR_SESSION_CLOSED, CKR_DEVICE_REMOVED, CKR_FUNCTION_CANCELED, CKR_SESSION_HANDLE_INVALID,
                              CKR_OPERATION_ACTIVE, CKR_USER_NOT_LOGGED_IN, CKR_TOKEN_NOT_PRESENT);
  PrivateToken mine(Through::faulty_module);
  Faults faults;
  const auto token = mine.open();
  faults.fail("C_Login", code);
  CHECK(error_of([&] { list_keys(*token); }).detail("ckr") == return_code_name(code));
  CHECK(faults.calls("C_Login") == 1);
  // What the failure left broken is put in order all the same.
  CHECK(list_keys(*token).empty());
  CHECK(faults.calls("C_Login") == 2);
}

TEST_CASE("a retry that fails before its attempt forgets nothing") {
  PrivateToken mine(Through::faulty_module);
  Faults faults;
  auto access = mine.access("000000");
  access.key_pin = PinSource::from("env:KEY_PIN", [] { return Secret("000000"); });
  const PinSubject key_subject{.token_serial = mine.serial, .user_type = kContextSpecific};
  mine.refusals->record({.subject = key_subject, .at = {}, .state = AttemptState::from_words("CKR_PIN_INCORRECT")});
  const auto wrong = Token::open(access, mine.refusals);
  CHECK(error_of([&] { wrong->login(); }).kind() == ErrorKind::denied);
  REQUIRE(faults.calls("C_Login") == 1);
  const auto still_refused = [&] {
    CHECK(error_of([&] { wrong->login(); }).detail("reason") == "CKR_PIN_INCORRECT");
    CHECK(mine.refusals->refused(key_subject).has_value());
  };
  SECTION("no PIN can be read") {
    auto unreadable = access;
    unreadable.pin = PinSource::from(access.pin.name, []() -> Secret { throw Error{ErrorKind::denied, "no file"}; });
    const auto token = Token::open(unreadable, mine.refusals);
    CHECK(error_of([&] { token->login(LoginAttempt::retry); }).message() == "no file");
    still_refused();
    CHECK(faults.calls("C_Login") == 1);
  }
  SECTION("it would be the last attempt") {
    faults.token_flags(CKF_USER_PIN_FINAL_TRY);
    CHECK(error_of([&] { wrong->login(LoginAttempt::retry); }).kind() == ErrorKind::denied);
    faults.token_flags(0);
    still_refused();
    CHECK(faults.calls("C_Login") == 1);
  }
  SECTION("another process is logging in") {
    auto impatient = access;
    impatient.login_wait = Duration{0};
    const auto token = Token::open(impatient, mine.refusals);
    const TokenLock held(LockedWork::login, mine.serial, Duration{0});
    CHECK(error_of([&] { token->login(LoginAttempt::retry); }).kind() == ErrorKind::unavailable);
    still_refused();
    CHECK(faults.calls("C_Login") == 1);
  }
  SECTION("the token did not look at the PIN") {
    faults.fail("C_Login", CKR_SESSION_COUNT);
    CHECK(error_of([&] { wrong->login(LoginAttempt::retry); }).detail("ckr") == "CKR_SESSION_COUNT");
    still_refused();
    CHECK(faults.calls("C_Login") == 2);
  }
  SECTION("the attempt cannot be written down") {
    struct Full final : PinRefusals {
      explicit Full(PinRefusals& to) : memory(to) {}
      std::optional<PinRefusal> refused(const PinSubject& subject) override { return memory.refused(subject); }
      void record(const PinRefusal& refusal) override {
        if (refusal.state.words().starts_with("open")) throw Error{ErrorKind::unavailable, "the disk is full"};
        memory.record(refusal);
      }
      void clear(const PinSubject& subject) override { memory.clear(subject); }
      PinRefusals& memory;
    };
    const auto token = Token::open(access, std::make_shared<Full>(*mine.refusals));
    CHECK(error_of([&] { token->login(LoginAttempt::retry); }).kind() == ErrorKind::unavailable);
    still_refused();
    CHECK(faults.calls("C_Login") == 1);
  }
  SECTION("a retry that logs in allows the PIN of the keys too") {
    access.pin = mine.access().pin;
    Token::open(access, mine.refusals)->login(LoginAttempt::retry);
    CHECK_FALSE(mine.refusals->refused(key_subject).has_value());
  }
}

TEST_CASE("a token that wants no login gets no PIN") {
  PrivateToken mine(Through::faulty_module);
  Faults faults;
  faults.without_token_flags(CKF_LOGIN_REQUIRED);
  const auto token = mine.open("000000");
  token->login();
  token->login(LoginAttempt::retry);
  CHECK(list_keys(*token).empty());
  CHECK(faults.calls("C_Login") == 0);
}

TEST_CASE("a retry on a token that wants no login allows the PIN for one signature again") {
  PrivateToken mine(Through::faulty_module);
  Faults faults;
  faults.without_token_flags(CKF_LOGIN_REQUIRED);
  const PinSubject subject{.token_serial = mine.serial, .user_type = kContextSpecific};
  mine.refusals->record({.subject = subject, .at = {}, .state = AttemptState::from_words("CKR_PIN_INCORRECT")});
  const auto token = mine.open();
  token->login();
  CHECK(mine.refusals->refused(subject).has_value());
  {
    auto impatient = mine.access();
    impatient.login_wait = Duration{0};
    const TokenLock held(LockedWork::login, mine.serial, Duration{0});
    CHECK(error_of([&] { Token::open(impatient, mine.refusals)->login(LoginAttempt::retry); }).kind() ==
          ErrorKind::unavailable);
    CHECK(mine.refusals->refused(subject).has_value());
  }
  token->login(LoginAttempt::retry);
  CHECK_FALSE(mine.refusals->refused(subject).has_value());
  CHECK(faults.calls("C_Login") == 0);
}

TEST_CASE("a PIN that is refused from one source is tried from no other") {
  PrivateToken mine(Through::faulty_module);
  Faults faults;
  // What another user of this host, or a process with another store, shares with this one is the folder of the locks.
  const auto with = [&](const std::string& source, const std::string& pin) {
    auto access = mine.access(pin);
    access.pin = PinSource::from(source, [pin] { return Secret(std::string(pin)); });
    return Token::open(access, std::make_shared<MemoryPinRefusals>());
  };
  CHECK(error_of([&] { with("file:/a", "000000")->login(); }).detail("ckr") == "CKR_PIN_INCORRECT");
  for (const char* const source : {"file:/a", "file:/b", "env:PIN", "prompt"}) {
    for (const std::string& pin : {std::string("000000"), PrivateToken::kPin}) {
      const Error error = error_of([&] { with(source, pin)->login(); });
      CHECK(error.kind() == ErrorKind::denied);
      CHECK(error.detail("reason") == "CKR_PIN_INCORRECT");
      CHECK(error.detail("pin_source") == source);
    }
  }
  CHECK(faults.calls("C_Login") == 1);
  with("env:PIN", PrivateToken::kPin)->login(LoginAttempt::retry);
  faults.log_out();
  with("file:/a", PrivateToken::kPin)->login();
  CHECK(faults.calls("C_Login") == 3);
}

TEST_CASE("a retry makes one attempt and a success forgets the refusal") {
  PrivateToken mine(Through::faulty_module);
  Faults faults;
  const auto wrong = mine.open("000000");
  CHECK(error_of([&] { wrong->login(); }).kind() == ErrorKind::denied);
  CHECK(error_of([&] { wrong->login(LoginAttempt::retry); }).kind() == ErrorKind::denied);
  CHECK(faults.calls("C_Login") == 2);
  CHECK(error_of([&] { wrong->login(); }).kind() == ErrorKind::denied);
  CHECK(faults.calls("C_Login") == 2);

  const auto right = mine.open();
  CHECK(error_of([&] { right->login(); }).kind() == ErrorKind::denied);
  CHECK(faults.calls("C_Login") == 2);
  right->login(LoginAttempt::retry);
  CHECK(faults.calls("C_Login") == 3);
  CHECK(right->logged_in());
  CHECK(list_keys(*right).empty());
}

TEST_CASE("the last attempt is never spent") {
  PrivateToken mine(Through::faulty_module);
  Faults faults;
  const auto token = mine.open();
  faults.token_flags(CKF_USER_PIN_FINAL_TRY);
  CHECK(token->info().user_pin == PinState::final_try);
  const Error error = error_of([&] { token->login(); });
  CHECK(error.kind() == ErrorKind::denied);
  CHECK(error.message() == "one wrong PIN more would lock token web: the last attempt is not spent");
  CHECK(error_of([&] { token->login(LoginAttempt::retry); }).kind() == ErrorKind::denied);
  faults.token_flags(CKF_USER_PIN_LOCKED);
  CHECK(error_of([&] { token->login(); }).detail("ckr") == "CKR_PIN_LOCKED");
  CHECK(faults.calls("C_Login") == 0);
}

TEST_CASE("nobody at the PIN pad of the token spends no attempt") {
  const CK_RV code = GENERATE(CKR_CANCEL, CKR_FUNCTION_CANCELED, CKR_FUNCTION_REJECTED);
  PrivateToken mine(Through::faulty_module);
  Faults faults;
  faults.token_flags(CKF_PROTECTED_AUTHENTICATION_PATH);
  faults.fail("C_Login", code, 9);
  auto access = mine.access();
  access.pin = PinSource::protected_path();
  const auto token = Token::open(access, mine.refusals);
  for (int i = 0; i < 3; ++i) {
    CHECK(error_of([&] { token->login(); }).detail("ckr") == return_code_name(code));
    CHECK_FALSE(token->remembered_pin().has_value());
  }
}

TEST_CASE("a refused PIN with a blank at its end is said to have one") {
  PrivateToken mine;
  const Error error = error_of([&] { mine.open(PrivateToken::kPin + " ")->login(); });
  CHECK(error.detail("ckr") == "CKR_PIN_INCORRECT");
  CHECK(error.hint().starts_with("look at it: the value of file:/etc/hsmbridge/web.pin ends with a blank; "));
  CHECK(error.hint().find(PrivateToken::kPin) == std::string::npos);
}

TEST_CASE("a locked PIN is remembered as a refusal") {
  PrivateToken mine(Through::faulty_module);
  Faults faults;
  const auto token = mine.open();
  faults.fail("C_Login", CKR_PIN_LOCKED);
  CHECK(error_of([&] { token->login(); }).detail("ckr") == "CKR_PIN_LOCKED");
  CHECK(error_of([&] { token->login(); }).detail("reason") == "CKR_PIN_LOCKED");
  CHECK(faults.calls("C_Login") == 1);
}

TEST_CASE("many calls log in once") {
  PrivateToken mine(Through::faulty_module);
  Faults faults;
  const auto token = mine.open();
  for (int i = 0; i < 5; ++i) list_keys(*token);
  // Another Token of this process finds the login there.
  const auto second = mine.open();
  list_keys(*second);
  CHECK(faults.calls("C_Login") == 1);
}

TEST_CASE("a token without a PIN source says so") {
  PrivateToken mine;
  auto access = mine.access();
  access.pin = {};
  const auto token = Token::open(access, mine.refusals);
  const Error error = error_of([&] { list_keys(*token); });
  CHECK(error.kind() == ErrorKind::denied);
  CHECK(error.message() == "token web wants a login, and no PIN is configured");
}

TEST_CASE("a PIN that cannot be had makes a request wait, and a command say exactly why") {
  PrivateToken mine(Through::faulty_module);
  Faults faults;
  std::string pin;
  std::optional<Error> trouble;
  auto access = mine.access();
  access.pin = PinSource::from("file:/run/web.pin", [&] {
    if (trouble) throw Error(*trouble);
    return Secret(std::string(pin));
  });
  WorkflowToken token(
      "web", [&] { return Token::open(access, mine.refusals); }, forget_use, std::chrono::seconds{30}, 1);
  const workflow::KeyWish wish{workflow::KeyWish::Source::make, "new", "ec:P-256", "0a0b"};
  for (const ErrorKind kind : {ErrorKind::not_found, ErrorKind::invalid_input, ErrorKind::denied}) {
    trouble = Error{kind, "no PIN today"}.hint("write it");
    INFO(to_string(kind));
    const Error later = error_of([&] { token.ensure_key(wish); });
    CHECK(later.kind() == ErrorKind::unavailable);
    CHECK(later.message() == "no PIN today");
    CHECK(later.hint() == "write it");
    CHECK(error_of([&] { list_keys(*Token::open(access, mine.refusals)); }).kind() == kind);
  }
  trouble.reset();
  CHECK(error_of([&] { token.ensure_key(wish); }).kind() == ErrorKind::unavailable);  // empty
  CHECK(faults.calls("C_Login") == 0);
  // A PIN that is there and wrong is waited for too: it is sent once, and whoever comes next hears why he waits.
  pin = "wrong";
  for (const char* const expected :
       {"cannot log in to token web as user: the PIN is wrong (CKR_PIN_INCORRECT from C_Login)",
        "the PIN of token web was refused at "}) {
    const Error refused = error_of([&] { token.ensure_key(wish); });
    CHECK(refused.kind() == ErrorKind::unavailable);
    CHECK(refused.detail("lane") == "down");
    CHECK(refused.message().starts_with(expected));
    CHECK(refused.hint().find("hsmbridge token login web --retry") != std::string::npos);
  }
  CHECK(faults.calls("C_Login") == 1);
  pin = PrivateToken::kPin;
  Token::open(access, mine.refusals)->login(LoginAttempt::retry);
  CHECK(token.ensure_key(wish).label == "new");
}

TEST_CASE("no answer to a login ends what waits for the token") {
  const CK_RV code = GENERATE(CKR_DEVICE_ERROR, CKR_GENERAL_ERROR, CKR_FUNCTION_FAILED, CKR_PIN_EXPIRED, CKR_PIN_LOCKED,
                              CKR_CANCEL, CKR_FUNCTION_REJECTED, CKR_USER_PIN_NOT_INITIALIZED, 0x80000123UL);
  INFO(return_code_name(code));
  PrivateToken mine(Through::faulty_module);
  Faults faults;
  WorkflowToken token(
      "web", [&] { return mine.open(); }, forget_use, std::chrono::seconds{30}, 1);
  const workflow::KeyWish wish{workflow::KeyWish::Source::make, "new", "ec:P-256", "0a0b"};
  faults.fail("C_Login", code, 9);
  for (int i = 0; i < 4; ++i) {
    const Error error = error_of([&] { token.ensure_key(wish); });
    CHECK(error.kind() == ErrorKind::unavailable);
    CHECK(error.detail("lane") == "down");
  }
  faults.fail("C_Login", code, 0);
  mine.open()->login(LoginAttempt::retry);
  CHECK(token.ensure_key(wish).label == "new");
}

TEST_CASE("the request goes on as soon as the PIN can be read") {
  PrivateToken mine;
  auto pin = std::string();
  auto access = mine.access();
  access.pin = PinSource::from("file:/run/web.pin", [&] { return Secret(std::string(pin)); });
  WorkflowToken token(
      "web", [&] { return Token::open(access, mine.refusals); }, forget_use, std::chrono::seconds{30}, 1);
  const workflow::KeyWish wish{workflow::KeyWish::Source::make, "new", "ec:P-256", "0a0b"};
  CHECK(error_of([&] { token.ensure_key(wish); }).kind() == ErrorKind::unavailable);
  pin = PrivateToken::kPin;
  CHECK(token.ensure_key(wish).label == "new");
}

TEST_CASE("a protected PIN is refused on a token without a pad and passed as nothing on one that has it") {
  PrivateToken mine(Through::faulty_module);
  Faults faults;
  auto access = mine.access();
  access.pin = PinSource::protected_path();
  const auto token = Token::open(access, mine.refusals);
  CHECK(error_of([&] { token->login(); }).kind() == ErrorKind::invalid_input);
  CHECK(faults.calls("C_Login") == 0);
  faults.token_flags(CKF_PROTECTED_AUTHENTICATION_PATH);
  // SoftHSM has no pad and refuses the missing PIN, which shows that none was sent.
  const Error error = error_of([&] { token->login(); });
  CHECK(error.detail("ckr") == "CKR_ARGUMENTS_BAD");
  CHECK(faults.calls("C_Login") == 1);
}

TEST_CASE("a URI that matches no token or several names the candidates") {
  PrivateToken one;
  PrivateToken two;
  auto access = one.access();
  access.uri = "pkcs11:token=no-such-token";
  const Error none = error_of([&] { Token::open(access, one.refusals); });
  CHECK(none.kind() == ErrorKind::not_found);
  CHECK(details(none, "candidate").size() >= 2);

  access.uri = "pkcs11:manufacturer=SoftHSM%20project";
  const Error several = error_of([&] { Token::open(access, one.refusals); });
  CHECK(several.kind() == ErrorKind::ambiguous);
  const auto candidates = details(several, "candidate");
  for (const auto* token : {&one, &two}) {
    unsigned named = 0;
    for (const std::string& candidate : candidates) {
      named += candidate.find("token=" + token->label + ";") != std::string::npos ? 1 : 0;
    }
    CHECK(named == 1);
  }
  access.uri = "pkcs11:serial=" + two.serial;
  CHECK(Token::open(access, one.refusals)->info().label == two.label);
}
