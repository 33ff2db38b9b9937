#pragma once

#include "base/clock.h"
#include "base/secret.h"

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
  // The source as configured: "file:/etc/hsmbridge/web.pin", "env:PIN", "prompt". Shown in messages; only its hash is
  // kept with a refusal.
  std::string name;
  std::function<Secret()> read;

  static PinSource protected_path();
  static PinSource from(std::string name, std::function<Secret()> read);
};

// The detail of an Error which says that no PIN could be had for a login (its source is missing or empty, or would ask
// where nobody is): none was tried. Its value is the source's name.
inline constexpr std::string_view kNoPinFrom = "no_pin_from";

// Whose PIN, from which source: what a refusal is remembered for.
struct PinSubject {
  std::string token_serial;  // serialNumber of CK_TOKEN_INFO, padding cut
  UserType user_type = kUser;
  std::string source_hash;  // lower-case hex SHA-256 of PinSource::name

  bool operator==(const PinSubject&) const = default;
};

struct PinRefusal {
  PinSubject subject;
  Instant at{};
  // "CKR_PIN_INCORRECT", or how an attempt stands that is no refusal yet: see PinStanding.
  std::string reason;
};

// What a record of the memory means, read from its reason.
enum class PinStanding {
  attempt_open,  // "open": a PIN is being tried; found by somebody else under the login lock, its process was killed
  unclear,       // "unclear: CKR_DEVICE_ERROR": one attempt ended so, and another one is allowed
  second_open,   // "open after CKR_DEVICE_ERROR": that other one is being made
  refused,       // anything else: not tried again
};
PinStanding standing_of(const PinRefusal& refusal);

// The memory of refused logins, shared by every process of this host that may log in: a wrong PIN is tried once. It is
// asked and written before each attempt, and written again before a refusal is reported: one record a subject.
// Implemented by the store; by files when no store is configured. Thread rule: every function may be called from any
// thread.
class PinRefusals {
 public:
  virtual ~PinRefusals() = default;
  // What is recorded, also when it is no refusal yet.
  virtual std::optional<PinRefusal> refused(const PinSubject& subject) = 0;
  // Durable when it returns. Throws when it cannot be.
  virtual void record(const PinRefusal& refusal) = 0;
  // A person allowed another attempt (`token login --retry`), or a login succeeded.
  virtual void clear(const PinSubject& subject) = 0;
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
// that cannot be read counts as a refusal: when in doubt no attempt is spent.
class FilePinRefusals final : public PinRefusals {
 public:
  explicit FilePinRefusals(std::filesystem::path folder);
  // $XDG_STATE_HOME/hsmbridge/pin-refusals, else ~/.local/state/hsmbridge/pin-refusals.
  static std::filesystem::path default_folder();

  std::optional<PinRefusal> refused(const PinSubject& subject) override;
  void record(const PinRefusal& refusal) override;
  void clear(const PinSubject& subject) override;

 private:
  std::filesystem::path file_of(const PinSubject& subject) const;
  std::filesystem::path folder_;
};

}  // namespace hsmbridge::pkcs11
