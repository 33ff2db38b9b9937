#pragma once

#include "pkcs11/cryptoki.h"
#include "pkcs11/module.h"

#include <sys/types.h>

#include <atomic>
#include <filesystem>
#include <mutex>
#include <string>

namespace hsmbridge::pkcs11 {

// The loaded library and its one function list. Lives until the process ends.
struct ModuleState {
  std::filesystem::path path;
  std::string arguments;
  CK_FUNCTION_LIST* functions = nullptr;
  pid_t process = 0;
  std::mutex mutex;

  // C_Initialize with OS locking; a module that somebody initialised before is fine. Also after somebody finalised it.
  void initialize();
  // PKCS#11 v2.40 §5.4 (C_Initialize): a forked child must not use its parent's Cryptoki. Nothing here forks without
  // exec, so this is our own mistake.
  void refuse_in_child() const;
};

// A padded field of CK_INFO, CK_SLOT_INFO or CK_TOKEN_INFO: blanks cut, also the zero octets that some modules use.
std::string padded_text(const unsigned char* field, std::size_t size);
TokenInfo token_info_of(const ModuleState& module, CK_SLOT_ID slot);
std::vector<CK_SLOT_ID> slots_with_token(const ModuleState& module);
PinState pin_state(CK_FLAGS flags, UserType user);

}  // namespace hsmbridge::pkcs11
