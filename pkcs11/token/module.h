#pragma once

#include "base/error.h"
#include "base/secret.h"
#include "pkcs11/login/pin.h"

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace hsmbridge::pkcs11 {

// What C_GetInfo says.
struct ModuleInfo {
  std::filesystem::path path;
  std::string description;
  std::string manufacturer;
  std::string library_version;   // "2.6"
  std::string cryptoki_version;  // "2.40"
};

// What the token says of one PIN (PKCS#11 v2.40 §3.2, CK_TOKEN_INFO flags).
enum class PinState {
  fine,
  not_set,    // CKF_USER_PIN_INITIALIZED is not set
  count_low,  // a wrong PIN was entered since the last good one
  final_try,  // one more wrong PIN locks the token: this program does not spend it
  locked,
};
std::string_view to_string(PinState state);

struct MechanismInfo {
  unsigned long type = 0;
  std::string name;  // "CKM_ECDSA", or "0x80001234" for one without a name here
  unsigned long least_bits = 0;
  unsigned long most_bits = 0;
  std::vector<std::string> flags;  // "hw", "sign", "generate_key_pair"
};

struct TokenInfo {
  unsigned long slot = 0;
  std::string slot_description;
  std::string label;
  std::string manufacturer;
  std::string model;
  std::string serial;
  std::string hardware_version;
  std::string firmware_version;
  std::vector<std::string> flags;  // "login_required", "protected_authentication_path", "write_protected", …
  bool initialized = false;
  bool write_protected = false;
  bool protected_authentication_path = false;
  bool login_required = false;
  PinState user_pin = PinState::fine;
  PinState so_pin = PinState::fine;
  unsigned long most_sessions = 0;  // 0: no limit or not told
  // RFC 7512, all four token attributes. With the slot too where the module has another token of which the four are
  // true, so that it always selects this token and no other. It is therefore the token's identity: locks and the memory
  // of refused PINs are kept under it.
  std::string uri;
};

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

enum class Reinitialize { refuse, destroy_everything };

struct NewToken {
  std::string label;  // at most 32 bytes of UTF-8
  Secret so_pin;
  Secret user_pin;
  // Which slot: a number, or the first slot with an uninitialised token. For an initialised token it must be given.
  std::optional<unsigned long> slot;
  // What a person saw in that slot and agreed to lose: another token there is refused (conflict).
  std::optional<TokenInfo> confirmed = std::nullopt;
  std::string so_pin_source = "so-pin";  // its name, for messages
  // A person allowed one more attempt with the SO PIN though one was refused.
  LoginAttempt so_pin_again = LoginAttempt::unless_refused;
};

// C_InitToken, then the user PIN set by the security officer. Refused (conflict) on an initialised token, or when a
// token of that label is there, unless Reinitialize::destroy_everything: that destroys every key on it. A wrong SO PIN
// is recorded and never retried. Gives the token as it is now.
TokenInfo initialize_token(const Module& module, const NewToken& wanted, Reinitialize existing, PinRefusals& refusals);

}  // namespace hsmbridge::pkcs11
