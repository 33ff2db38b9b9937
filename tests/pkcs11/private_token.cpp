#include "private_token.h"

#include "base/bytes.h"
#include "config/key_flaw.h"

namespace hsmbridge::test {

PrivateToken::PrivateToken(Through through) : label("t-" + hex(random_bytes(6))) {
  SoftHsm::of_this_process();
  // SoftHSM shows its one uninitialised token only when it is initialised afresh or the slot list is asked for.
  module = pkcs11::Module::load(through == Through::softhsm ? SoftHsm::module() : Faults::module());
  pkcs11::MemoryPinRefusals nothing_refused;
  serial = pkcs11::initialize_token(
               *module, {.label = label, .so_pin = Secret(kOfficerPin), .user_pin = Secret(kPin), .slot = {}},
               pkcs11::Reinitialize::refuse, nothing_refused)
               .serial;
}

pkcs11::TokenAccess PrivateToken::access(const std::string& pin) const {
  pkcs11::TokenAccess access;
  access.name = "web";
  access.module = module->info().path;
  access.uri = "pkcs11:token=" + label;
  access.pin = pkcs11::PinSource::from("file:/etc/hsmbridge/web.pin", [pin] { return Secret(pin); });
  return access;
}

std::shared_ptr<pkcs11::Token> PrivateToken::open(const std::string& pin) {
  return pkcs11::Token::open(access(pin), refusals);
}

ProgramResult PrivateToken::tool(const std::vector<std::string>& arguments) const {
  return SoftHsm::of_this_process().pkcs11_tool(label, kPin, arguments);
}

std::vector<std::string> details(const Error& error, std::string_view name) {
  std::vector<std::string> values;
  for (const auto& [what, value] : error.details()) {
    if (what == name) values.push_back(value);
  }
  return values;
}

std::vector<std::string> any_flaw() {
  std::vector<std::string> names;
  for (const config::KeyFlaw& flaw : config::key_flaws()) names.emplace_back(flaw.name);
  return names;
}

}  // namespace hsmbridge::test
