#include "pkcs11/token/module.h"

#include "base/bytes.h"
#include "pkcs11/cryptoki/return_code.h"
#include "pkcs11/login/host_pins.h"
#include "pkcs11/login/token_lock.h"
#include "private_token.h"
#include "support/faulty_module/control.h"

#include <dlfcn.h>
#include <p11-kit/pkcs11.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <future>
#include <optional>
#include <thread>

using namespace hsmbridge;
using namespace hsmbridge::pkcs11;
using namespace hsmbridge::test;

namespace {

// The control of another copy of the faulty module, which is another module to this process.
const FaultControl& control_of(const std::filesystem::path& copy) {
  void* const library = ::dlopen(copy.c_str(), RTLD_NOW | RTLD_LOCAL);
  REQUIRE(library != nullptr);
  void* const symbol = ::dlsym(library, "hsmbridge_fault_control");
  REQUIRE(symbol != nullptr);
  GetFaultControl get = nullptr;
  std::memcpy(&get, &symbol, sizeof symbol);
  return *get();
}

}  // namespace

TEST_CASE("a module that hangs while it is initialised holds up no other module") {
  PrivateToken mine;
  const TempFolder folder;
  const auto copy = folder.path() / "hanging.so";
  std::filesystem::copy_file(Faults::module(), copy);
  const FaultControl& hanging = control_of(copy);
  hanging.reset();
  hanging.hang("C_Initialize");
  std::thread first([&] { Module::load(copy); });
  for (int i = 0; i < 1000 && hanging.calls("C_Initialize") == 0; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds{5});
  }
  auto other = std::async(std::launch::async, [&] { return Module::load(SoftHsm::module()); });
  const bool done = other.wait_for(std::chrono::seconds{10}) == std::future_status::ready;
  hanging.release();
  first.join();
  CHECK(done);
  CHECK(other.get() == mine.module);
}

TEST_CASE("a module that is not there is told apart from one that is no module") {
  const Error missing = error_of([] { Module::load("/nonexistent/module.so"); });
  CHECK(missing.kind() == ErrorKind::not_found);
  CHECK(missing.message() == "PKCS#11 module /nonexistent/module.so does not exist");
  const Error foreign = error_of([] { Module::load("libm.so.6"); });
  CHECK(foreign.kind() == ErrorKind::invalid_input);
  CHECK(foreign.message() == "libm.so.6 is not a PKCS#11 module: it does not export C_GetFunctionList");
}

TEST_CASE("one path is one module") {
  SoftHsm::of_this_process();
  const auto first = Module::load(SoftHsm::module());
  CHECK(first == Module::load(SoftHsm::module()));
  CHECK(first->info().manufacturer == "SoftHSM");
  CHECK(first->info().cryptoki_version == "2.40");
}

TEST_CASE("a token is listed with its state and its mechanisms") {
  PrivateToken mine;
  const auto tokens = mine.module->tokens();
  const auto found =
      std::find_if(tokens.begin(), tokens.end(), [&](const TokenInfo& token) { return token.label == mine.label; });
  REQUIRE(found != tokens.end());
  CHECK(found->initialized);
  CHECK(found->user_pin == PinState::fine);
  CHECK(found->so_pin == PinState::fine);
  CHECK(found->serial == mine.serial);
  CHECK(found->uri ==
        "pkcs11:token=" + mine.label + ";manufacturer=SoftHSM%20project;serial=" + mine.serial + ";model=SoftHSM%20v2");
  const auto ecdsa = mine.module->mechanism(found->slot, CKM_ECDSA);
  REQUIRE(ecdsa);
  CHECK(ecdsa->name == "CKM_ECDSA");
  CHECK(std::find(ecdsa->flags.begin(), ecdsa->flags.end(), "sign") != ecdsa->flags.end());
}

TEST_CASE("an initialised token is not initialised again unless that is said") {
  PrivateToken mine;
  const auto token = mine.open();
  const unsigned long slot = token->info().slot;
  const auto wanted = [&](const std::string& label) {
    return NewToken{
        .label = label, .so_pin = Secret(PrivateToken::kOfficerPin), .user_pin = Secret("99887766"), .slot = slot};
  };
  const std::string other = mine.label + "x";
  const Error refused =
      error_of([&] { initialize_token(*mine.module, wanted(other), Reinitialize::refuse, *mine.refusals); });
  CHECK(refused.kind() == ErrorKind::conflict);
  CHECK(token->info().label == mine.label);

  const TokenInfo again =
      initialize_token(*mine.module, wanted(other), Reinitialize::destroy_everything, *mine.refusals);
  CHECK(again.label == other);
}

TEST_CASE("a token that is not the one a person agreed to lose is not initialised") {
  PrivateToken mine(Through::faulty_module);
  Faults faults;
  const TokenInfo seen = mine.open()->info();
  auto wanted = NewToken{.label = mine.label + "x",
                         .so_pin = Secret(PrivateToken::kOfficerPin),
                         .user_pin = Secret("99887766"),
                         .slot = seen.slot,
                         .confirmed = seen};
  const auto attempt = [&] {
    return initialize_token(*mine.module, wanted, Reinitialize::destroy_everything, *mine.refusals);
  };
  for (const auto& [label, serial] :
       {std::pair<std::string, std::string>{seen.label, "another-serial"}, {"another-label", seen.serial}}) {
    faults.token_texts(label, serial);
    const Error error = error_of(attempt);
    CHECK(error.kind() == ErrorKind::conflict);
    CHECK(error.message() ==
          "the token in slot " + std::to_string(seen.slot) + " was changed by somebody else meanwhile");
  }
  CHECK(faults.calls("C_InitToken") == 0);
  faults.token_texts("", "");
  CHECK(attempt().label == wanted.label);
}

TEST_CASE("a second token of one label is refused") {
  PrivateToken mine;
  const Error refused = error_of([&] {
    initialize_token(*mine.module,
                     {.label = mine.label, .so_pin = Secret("12345678"), .user_pin = Secret("12345678"), .slot = {}},
                     Reinitialize::refuse, *mine.refusals);
  });
  CHECK(refused.kind() == ErrorKind::conflict);
  CHECK(refused.message() == "there is a token labelled " + mine.label + " already");
}

TEST_CASE("a wrong security officer's PIN is tried once") {
  PrivateToken mine(Through::faulty_module);
  Faults faults;
  const auto wanted = NewToken{.label = mine.label,
                               .so_pin = Secret("wrong-pin"),
                               .user_pin = Secret("12345678"),
                               .slot = mine.open()->info().slot};
  const auto attempt = [&] {
    initialize_token(*mine.module, wanted, Reinitialize::destroy_everything, *mine.refusals);
  };
  CHECK(error_of(attempt).kind() == ErrorKind::denied);
  CHECK(error_of(attempt).kind() == ErrorKind::denied);
  CHECK(faults.calls("C_InitToken") == 1);
}

TEST_CASE("every word for a refused security officer's PIN is remembered") {
  const CK_RV code = GENERATE(CKR_PIN_INCORRECT, CKR_PIN_LEN_RANGE, CKR_PIN_INVALID, CKR_PIN_EXPIRED, CKR_PIN_LOCKED,
                              CKR_ARGUMENTS_BAD, 0x80000123UL);
  PrivateToken mine(Through::faulty_module);
  Faults faults;
  const auto wanted = NewToken{.label = mine.label,
                               .so_pin = Secret(PrivateToken::kOfficerPin),
                               .user_pin = Secret("12345678"),
                               .slot = mine.open()->info().slot};
  const auto attempt = [&] {
    initialize_token(*mine.module, wanted, Reinitialize::destroy_everything, *mine.refusals);
  };
  faults.fail("C_InitToken", code);
  const Error first = error_of(attempt);
  CHECK(first.kind() == ErrorKind::denied);
  CHECK(first.detail("ckr") == return_code_name(code));
  const Error second = error_of(attempt);
  CHECK(second.detail("reason") == return_code_name(code));
  CHECK(second.hint() == "correct the PIN, then give --retry to have it tried once more");
  CHECK(faults.calls("C_InitToken") == 1);
}

TEST_CASE(
    "a word that the security officer's PIN was not looked at is not believed when the token counts a wrong PIN") {
  PrivateToken mine(Through::faulty_module);
  Faults faults;
  auto wanted = NewToken{.label = mine.label,
                         .so_pin = Secret("wrong-pin"),
                         .user_pin = Secret("12345678"),
                         .slot = mine.open()->info().slot};
  const auto attempt = [&] {
    initialize_token(*mine.module, wanted, Reinitialize::destroy_everything, *mine.refusals);
  };
  // SoftHSM counts the PIN.
  faults.fail_after("C_InitToken", CKR_TOKEN_NOT_RECOGNIZED, 3);
  CHECK(error_of(attempt).kind() == ErrorKind::denied);
  for (int i = 0; i < 2; ++i) {
    CHECK(error_of(attempt).detail("reason") == "CKR_TOKEN_NOT_RECOGNIZED; the token counts a wrong PIN");
  }
  CHECK(faults.calls("C_InitToken") == 1);
}

TEST_CASE("a token that is initialised again forgets its own refusals and no other token's of its serial number") {
  PrivateToken mine(Through::faulty_module);
  Faults faults;
  const auto slot = mine.open()->info().slot;
  for (const TokenInfo& other : mine.module->tokens()) {
    if (other.slot != slot) faults.hide_slot(other.slot);
  }
  faults.token_texts("web", "0000");
  const auto refused = [&](UserType user, const std::string& label) {
    return HostPins(mine.refusals).refused({"0000", user, "label " + label}).has_value();
  };
  for (const UserType user : {kUser, kSecurityOfficer}) {
    for (const char* const label : {"web", "other"}) {
      if (user == kSecurityOfficer && label == std::string("web")) continue;
      HostPins(mine.refusals)
          .record({.subject = {"0000", user, std::string("label ") + label},
                   .at = {},
                   .state = AttemptState::from_words("CKR_PIN_INCORRECT")});
    }
  }
  initialize_token(
      *mine.module,
      {.label = "web", .so_pin = Secret(PrivateToken::kOfficerPin), .user_pin = Secret("12345678"), .slot = slot},
      Reinitialize::destroy_everything, *mine.refusals);
  CHECK_FALSE(refused(kUser, "web"));
  CHECK(refused(kUser, "other"));
  CHECK_FALSE(refused(kSecurityOfficer, "web"));
  CHECK(refused(kSecurityOfficer, "other"));
}

TEST_CASE("the security officer's last attempt is judged by the flags that hold under the lock") {
  PrivateToken mine(Through::faulty_module);
  Faults faults;
  const auto slot = mine.open()->info().slot;
  const auto wanted = NewToken{
      .label = mine.label, .so_pin = Secret(PrivateToken::kOfficerPin), .user_pin = Secret("12345678"), .slot = slot};
  const unsigned before = faults.calls("C_GetTokenInfo");
  mine.module->tokens();
  const unsigned looked = faults.calls("C_GetTokenInfo");
  const unsigned looks = looked - before;
  std::optional<Error> refused;
  std::thread later;
  {
    const TokenLock held(LockedWork::login, mine.serial, Duration{0});
    later = std::thread([&] {
      refused =
          error_of([&] { initialize_token(*mine.module, wanted, Reinitialize::destroy_everything, *mine.refusals); });
    });
    // Until it has looked at every slot, and waits for the lock.
    for (int i = 0; i < 1000 && faults.calls("C_GetTokenInfo") < looked + looks; ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds{5});
    }
    faults.token_flags(CKF_SO_PIN_FINAL_TRY);
  }
  later.join();
  CHECK(refused->message() == "the security officer's PIN of token " + mine.label + ": one attempt left");
  CHECK(faults.calls("C_InitToken") == 0);
}
