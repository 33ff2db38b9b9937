#pragma once

#include "base/error.h"
#include "pkcs11/login/pin.h"
#include "workflow/ports/token_device.h"

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace hsmbridge::pkcs11 {

using workflow::LoginAttempt;
using workflow::MechanismInfo;
using workflow::ModuleInfo;
using workflow::NewToken;
using workflow::PinState;
using workflow::Reinitialize;
using workflow::TokenInfo;

struct ModuleState;

// A PKCS#11 module loaded into this process. There is one Module a path in a process; it is initialised with OS locking
// (CKF_OS_LOCKING_OK) and is never finalised or unloaded while the process lives: libp11 and threads that a hung module
// holds may still be inside. Thread rule: every function may be called from any thread.
class Module {
 public:
  // Loads it, or gives the one loaded before. Throws not_found (no such file), invalid_input (no PKCS#11 module),
  // unavailable (C_Initialize failed).
  // `arguments` go to the module as CK_C_INITIALIZE_ARGS.pReserved: NSS softoken needs some, others none.
  static std::shared_ptr<Module> load(const std::filesystem::path& path, const std::string& arguments = {});

  ModuleInfo info() const;
  // Every slot that holds a token, also one that is not initialised yet. `unread` gets why a token could not be read;
  // the others are given. Without it the first such failure is thrown.
  std::vector<TokenInfo> tokens() const;
  std::vector<TokenInfo> tokens(std::vector<Error>& unread) const;
  std::vector<unsigned long> mechanism_types(unsigned long slot) const;
  // Nothing when the token does not have it. Throws when the token does not answer: whether it has it is then unknown.
  std::optional<MechanismInfo> mechanism(unsigned long slot, unsigned long type) const;

  ModuleState& state() const { return *state_; }

 private:
  explicit Module(std::unique_ptr<ModuleState> state);
  std::unique_ptr<ModuleState> state_;
};

// See workflow::TokenModule.
TokenInfo initialize_token(const Module& module, const NewToken& wanted, Reinitialize existing, PinRefusals& refusals);

}  // namespace hsmbridge::pkcs11
