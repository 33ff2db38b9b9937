#pragma once

#include "base/clock.h"
#include "base/secret.h"
#include "workflow/ports/pin_memory.h"
#include "workflow/ports/token_device.h"

#include <cstdint>
#include <filesystem>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace hsmbridge::pkcs11 {

// CK_USER_TYPE (PKCS#11 v2.40 §3.6). A vendor's own user (CKU_VENDOR_DEFINED and above) is its number.
using UserType = unsigned long;
inline constexpr UserType kSecurityOfficer = 0;
inline constexpr UserType kUser = 1;
inline constexpr UserType kContextSpecific = 2;

// Where a PIN comes from. It is read when a login is about to happen, never before: `token list` prompts for nothing.
struct PinSource {
  enum class Kind {
    none,       // no PIN is configured: a login that needs one is an error that says so
    secret,     // read() gives it
    protected_  // the token has a PIN pad (CKF_PROTECTED_AUTHENTICATION_PATH): NULL is passed
  };
  Kind kind = Kind::none;
  // The source as configured: "file:/etc/hsmbridge/web.pin", "env:PIN", "prompt". Shown in messages and kept nowhere: a
  // refusal belongs to the token, whatever its PIN's source is called.
  std::string name;
  std::function<Secret()> read;

  static PinSource protected_path();
  static PinSource from(std::string name, std::function<Secret()> read);
};

// The detail of an Error which says that no PIN could be had for a login (its source is missing or empty, or would ask
// where nobody is): none was tried. Its value is the source's name.
inline constexpr std::string_view kNoPinFrom = "no_pin_from";

using workflow::AttemptState;
using workflow::LoginAttempt;
using workflow::may_be_same;
using workflow::PinRefusal;
using workflow::PinStanding;
using workflow::PinSubject;
using workflow::worse;

// A memory of refused logins: a wrong PIN is tried once. It is asked and written before each attempt, and written again
// before a refusal is reported. Implemented by the store and by files in the user's own folder, which outlive a restart
// of the machine; HostPins asks one of them and adds what the other users and stores of this host know.
// Thread rule: every function may be called from any thread.
class PinRefusals {
 public:
  virtual ~PinRefusals() = default;
  // The worst of what is recorded for a PIN that may be this one, also when it is no refusal yet.
  virtual std::optional<PinRefusal> refused(const PinSubject& subject) = 0;
  // Durable when it returns. Replaces what was recorded for that subject. Throws when it cannot be.
  virtual void record(const PinRefusal& refusal) = 0;
  // A person allowed another attempt (`token login --retry`), or a login succeeded: forgets all that refused() sees.
  virtual void clear(const PinSubject& subject) = 0;

  // What refused() sees, without what other users of this host wrote down.
  virtual std::optional<PinRefusal> own(const PinSubject& subject) { return refused(subject); }
  // Forgets what own() sees, and nothing that another user wrote down.
  virtual void take_back(const PinSubject& subject) { clear(subject); }
};

// For tests, and for a process that keeps nothing.
class MemoryPinRefusals final : public PinRefusals {
 public:
  std::optional<PinRefusal> refused(const PinSubject& subject) override;
  void record(const PinRefusal& refusal) override;
  void clear(const PinSubject& subject) override;

 private:
  std::mutex mutex_;
  std::vector<PinRefusal> refusals_;
};

// One small JSON file a subject in `folder` (made with mode 0700), so that two processes without a store agree. A file
// that cannot be read counts as a refusal of every PIN: when in doubt no attempt is spent.
class FilePinRefusals final : public PinRefusals {
 public:
  explicit FilePinRefusals(std::filesystem::path folder);
  // $XDG_STATE_HOME/hsmbridge/pin-refusals, else ~/.local/state/hsmbridge/pin-refusals.
  static std::filesystem::path default_folder();

  std::optional<PinRefusal> refused(const PinSubject& subject) override;
  void record(const PinRefusal& refusal) override;
  void clear(const PinSubject& subject) override;

 private:
  struct Entry {
    std::filesystem::path file;
    PinRefusal refusal;
  };
  std::vector<Entry> entries_for(const PinSubject& subject) const;
  std::filesystem::path file_of(const PinSubject& subject) const;
  std::filesystem::path folder_;
};

}  // namespace hsmbridge::pkcs11
