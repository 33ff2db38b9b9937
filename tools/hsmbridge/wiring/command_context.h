#pragma once

#include "base/clock.h"
#include "pkcs11/token/token.h"
#include "service/logbook.h"
#include "tools/hsmbridge/wiring/invocation.h"
#include "tools/hsmbridge/wiring/wiring.h"
#include "workflow/ports/key_ring.h"
#include "workflow/ports/token_device.h"

#include <memory>
#include <optional>
#include <string>

namespace hsmbridge::cli {

// Where a command about tokens and keys runs: with a configuration or without one, with a store or without one.
// Everything is opened when it is first needed.
class CommandContext {
 public:
  explicit CommandContext(Invocation& invocation);
  ~CommandContext();

  // Read at the first call: what needs no configuration works without one that can be read. Null when there is no
  // configuration file and none was named.
  Wiring* wiring();
  // The same, for whatever needs one. Throws not_found when there is no configuration.
  Wiring& configured();
  // The profile of that name. Throws not_found, also when there is no configuration.
  const config::ProfileSettings& profile(const std::string& name);

  // The token that the options name: --module, else the configuration's token `name`, else --token, else the only one
  // there is. Not logged in. Throws what Token::open throws, invalid_input when nothing names a token.
  std::unique_ptr<workflow::TokenDevice> token_device(const std::optional<std::string>& name = std::nullopt);
  // Its keys.
  std::unique_ptr<workflow::KeyRing> key_ring(const std::optional<std::string>& name = std::nullopt);
  // The module in that file. Throws what loading it throws.
  std::unique_ptr<workflow::TokenModule> token_module(const std::string& file);
  // Whether the configuration's token `name` may be the one of the ring, which can have another name here (--module).
  // Also when it cannot be asked: a key is not destroyed by mistake.
  bool may_be_token(const std::string& name, workflow::KeyRing& ring);

  // What is done here outside any request. Without a store it says so, once, on standard error.
  service::Logbook& log() { return log_; }
  // Null when none is configured, or none was made yet: a look makes no store.
  std::unique_ptr<workflow::Store> store_that_is_there();

  const Clock& clock() const { return clock_; }

 private:
  std::shared_ptr<pkcs11::Token> token(const std::optional<std::string>& name);
  // The store's memory of refused PINs, or the files' when there is no store.
  std::shared_ptr<pkcs11::PinRefusals> refusals();

  Invocation& invocation_;
  bool looked_ = false;
  std::unique_ptr<Wiring> wiring_;
  SystemClock clock_;
  std::shared_ptr<pkcs11::PinRefusals> refusals_;
  service::Logbook log_;
};

}  // namespace hsmbridge::cli
