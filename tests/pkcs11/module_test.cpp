#include "pkcs11/module.h"

#include "base/bytes.h"
#include "private_token.h"

#include <algorithm>
#include <catch2/catch.hpp>

using namespace hsmbridge;
using namespace hsmbridge::pkcs11;
using namespace hsmbridge::test;

TEST_CASE("a module that is not there is told apart from one that is no module") {
  const Error missing = error_of([] { Module::load("/nonexistent/module.so"); });
  CHECK(missing.kind() == ErrorKind::not_found);
  CHECK(missing.message() == "there is no PKCS#11 module /nonexistent/module.so");
  const Error foreign = error_of([] { Module::load("libm.so.6"); });
  CHECK(foreign.kind() == ErrorKind::invalid_input);
  CHECK(foreign.message() == "libm.so.6 is no PKCS#11 module: it exports no C_GetFunctionList");
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
  const auto mechanisms = mine.module->mechanisms(found->slot);
  const auto ecdsa = std::find_if(mechanisms.begin(), mechanisms.end(),
                                  [](const MechanismInfo& row) { return row.name == "CKM_ECDSA"; });
  REQUIRE(ecdsa != mechanisms.end());
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
