#pragma once

#include "base/error.h"
#include "base/secret.h"
#include "workflow/ports/pin_memory.h"
#include "x509/objects/algorithm.h"

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

// Tokens and the modules that show them, as people look at them, log in to them and initialise them. The keys of a token
// are behind key_ring.h.
namespace hsmbridge::workflow {

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

enum class LoginAttempt {
  unless_refused,  // throws denied without an attempt when a PIN of the token was refused before
  // A person said so (`token login --retry`): one attempt is made, whose answer replaces the refusal. On a token that
  // wants no login the refusal of the PIN for one signature is forgotten.
  retry,
};

// One token. Thread rule: every function may be called from any thread; calls block while the token works.
class TokenDevice {
 public:
  virtual ~TokenDevice() = default;
  virtual const std::string& name() const = 0;  // as the configuration or the command line gives it
  virtual std::filesystem::path module() const = 0;
  // Asked again each time: PIN flags change.
  virtual TokenInfo info() const = 0;
  // Every mechanism that it lists; one that it did not describe has the flag "not_described".
  virtual std::vector<MechanismInfo> mechanisms() const = 0;
  virtual bool can_sign(const x509::SignatureAlgorithm& algorithm) const = 0;
  // What stands against another login: a refusal that is remembered, or an attempt without a clear answer.
  virtual std::optional<PinRefusal> remembered_pin() const = 0;
  // The folder in which the processes of this host exclude each other, once its files could be opened, which may make
  // them. Throws unavailable when they cannot be.
  virtual std::filesystem::path lock_folder() const = 0;
  // Throws denied for a refused PIN.
  virtual void login(LoginAttempt attempt) = 0;
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

// The PKCS#11 module in a file. Thread rule: every function may be called from any thread.
class TokenModule {
 public:
  virtual ~TokenModule() = default;
  virtual ModuleInfo info() const = 0;
  // Every slot that holds a token, also one that is not initialised yet. `unread` gets why a token could not be read.
  virtual std::vector<TokenInfo> tokens(std::vector<Error>& unread) const = 0;
  // C_InitToken, then the user PIN set by the security officer. Refused (conflict) on an initialised token, or when a
  // token of that label is there, unless Reinitialize::destroy_everything: that destroys every key on it. A wrong SO PIN
  // is recorded and never retried. Gives the token as it is now.
  virtual TokenInfo initialize(const NewToken& wanted, Reinitialize existing) = 0;
};

}  // namespace hsmbridge::workflow
