#include "tools/hsmbridge/wiring/command_context.h"

#include "pkcs11/key_ring.h"
#include "pkcs11/token_device.h"
#include "tools/hsmbridge/wiring/process.h"
#include "tools/hsmbridge/wiring/token_access.h"

#include <fmt/core.h>

#include <filesystem>
#include <utility>

namespace hsmbridge::cli {

CommandContext::CommandContext(Invocation& invocation)
    : invocation_(invocation),
      log_(
          [this]() -> std::unique_ptr<workflow::Store> {
            return wiring() != nullptr && wiring_->settings().store.path ? wiring_->store() : nullptr;
          },
          actor_of_process(), clock_,
          [this] { invocation_.output.note("hsmbridge: no store is configured, so this is in no audit log"); }) {}

CommandContext::~CommandContext() = default;

Wiring* CommandContext::wiring() {
  if (!looked_ && config::find_file(invocation_.config)) wiring_ = Wiring::open(invocation_.config);
  looked_ = true;
  return wiring_.get();
}

Wiring& CommandContext::configured() {
  if (wiring() == nullptr) wiring_ = Wiring::open(invocation_.config);  // says what is missing
  return *wiring_;
}

const config::ProfileSettings& CommandContext::profile(const std::string& name) {
  return configured().settings().profile(name);
}

std::shared_ptr<pkcs11::Token> CommandContext::token(const std::optional<std::string>& name) {
  const Arguments& arguments = invocation_.arguments;
  if (names_module(arguments)) return pkcs11::Token::open(token_access(arguments), refusals());
  for (const char* option : {"--uri", "--pin"}) {
    if (arguments.has(option)) {
      throw Error{ErrorKind::invalid_input, fmt::format("{} belongs to a token named with --module", option)}.hint(
          "add --module PATH, or leave it out: the configuration says it");
    }
  }
  const auto typed = arguments.text("--token");
  if (wiring() == nullptr) {
    throw Error{ErrorKind::invalid_input, "no token is named and there is no configuration"}.hint(
        "--module /usr/lib/softhsm/libsofthsm2.so --token LABEL --pin file:PATH, or --config FILE");
  }
  const std::string wanted = typed ? *typed : name.value_or("");
  return wiring_->pkcs11_token(wiring_->settings().token(wanted).name);
}

std::shared_ptr<pkcs11::PinRefusals> CommandContext::refusals() {
  if (wiring() != nullptr) return wiring_->refusals();
  if (refusals_ == nullptr) {
    refusals_ = std::make_shared<pkcs11::FilePinRefusals>(pkcs11::FilePinRefusals::default_folder());
  }
  return refusals_;
}

std::unique_ptr<workflow::TokenDevice> CommandContext::token_device(const std::optional<std::string>& name) {
  return pkcs11::token_device(token(name));
}

std::unique_ptr<workflow::TokenModule> CommandContext::token_module(const std::string& file) {
  return pkcs11::token_module(std::filesystem::absolute(file), [this] { return refusals(); });
}

std::unique_ptr<workflow::KeyRing> CommandContext::key_ring(const std::optional<std::string>& name) {
  return pkcs11::key_ring(token(name));
}

bool CommandContext::may_be_token(const std::string& name, workflow::KeyRing& ring) {
  if (name == ring.token()) return true;
  try {
    return configured().pkcs11_token(name)->info().uri == ring.token_uri();
  } catch (const Error&) {
    return true;
  }
}

std::unique_ptr<workflow::Store> CommandContext::store_that_is_there() {
  std::error_code unknown;
  if (wiring() == nullptr) return nullptr;
  const auto& file = wiring_->settings().store.path;
  if (!file || !std::filesystem::exists(*file, unknown)) return nullptr;
  return wiring_->stores().open_to_look();
}

}  // namespace hsmbridge::cli
