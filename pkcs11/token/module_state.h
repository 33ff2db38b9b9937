#pragma once

#include "pkcs11/cryptoki/cryptoki.h"
#include "pkcs11/cryptoki/return_code.h"
#include "pkcs11/token/module.h"

#include <sys/types.h>

#include <atomic>
#include <filesystem>
#include <mutex>
#include <string>
#include <vector>

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
// What a module says of itself, of a slot and of the token in it.
CK_INFO module_info_of(const ModuleState& module);
struct SlotContents {
  CK_SLOT_INFO slot{};
  CK_TOKEN_INFO token{};
  TokenInfo info;
};
SlotContents slot_contents(const ModuleState& module, CK_SLOT_ID slot);
// Without slot_description: one call less.
TokenInfo token_info_of(const ModuleState& module, CK_SLOT_ID slot);

// Every slot that holds a token. One that does not answer hides no other: what could not be read is said beside.
struct Slots {
  std::vector<SlotContents> read;
  std::vector<TokenFailure> unread;
};
Slots slots_with_token(const ModuleState& module);
PinState pin_state(CK_FLAGS flags, UserType user);

}  // namespace hsmbridge::pkcs11
