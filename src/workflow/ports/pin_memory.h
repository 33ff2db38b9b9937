#pragma once

#include "base/clock.h"

#include <optional>
#include <string>
#include <string_view>

namespace hsmbridge::workflow {

// Which PIN of which token: what a refusal is remembered for. Not where the PIN came from: a token counts wrong PINs
// and does not ask which file they were in.
struct PinSubject {
  std::string token_serial;     // serialNumber of CK_TOKEN_INFO, padding cut
  unsigned long user_type = 1;  // CK_USER_TYPE (PKCS#11 v2.40 §3.6): CKU_USER
  // What tells the token from others of the same serial number, "label web" or "slot 5"; empty while it is the only
  // one.
  std::string distinction = {};

  bool operator==(const PinSubject&) const = default;
};
// Whether both may mean the same PIN. When one of them does not say what tells it from others, they may.
bool may_be_same(const PinSubject& one, const PinSubject& other);

// In the order of how bad it is.
enum class PinStanding {
  attempt_open,  // a PIN is being tried; found by somebody else under the login lock, its process was killed
  unclear,       // one attempt ended without a clear answer, and another one is allowed
  second_open,   // that other one is being made
  refused,       // not tried again
};

// How an attempt with a PIN stands.
struct AttemptState {
  PinStanding standing = PinStanding::refused;
  // What the attempt ended with, "CKR_PIN_INCORRECT"; of a second one that is open, what the one before it did.
  std::string reason = {};
  // How many attempts in a row had no clear answer, the one that ended with `reason` among them.
  unsigned unclear = 0;

  bool operator==(const AttemptState&) const = default;
  // The reason, with how often.
  std::string answers() const;
  // In words: "open", "unclear: CKR_DEVICE_ERROR", "open after CKR_DEVICE_ERROR again", "CKR_PIN_INCORRECT". For people,
  // and for the files that processes of other versions read too. from_words reads what words() and every program before
  // wrote; what it does not know is a refusal.
  std::string words() const;
  static AttemptState from_words(std::string_view words);
};

struct PinRefusal {
  PinSubject subject;
  Instant at{};
  AttemptState state;
  // The user of this host who wrote it down, when that is neither this process's user nor unknown.
  std::optional<unsigned> recorded_by = {};
};
// The worse of two records. Of two that are equally bad one's own, so that no other user's record hides what one knows
// about one's own attempts; else the newer one.
std::optional<PinRefusal> worse(std::optional<PinRefusal> one, std::optional<PinRefusal> other);

// The memory of logins that were refused or have no clear answer. Rules of all ports: store.h.
class PinMemory {
 public:
  virtual ~PinMemory() = default;

  // The worst of what is recorded for a PIN that may be this one, also when it is no refusal yet.
  virtual std::optional<PinRefusal> pin_refused(const PinSubject& subject) = 0;
  // Replaces what was recorded for that subject. A leaf of the audit log too, unless the attempt is still open.
  virtual void record_pin(const PinRefusal& refusal) = 0;
  // Forgets all that pin_refused() sees; `actor` allows another attempt. False, and nothing is written, when there is
  // none.
  virtual bool clear_pin(const PinSubject& subject, const std::string& actor, Instant at) = 0;
};

}  // namespace hsmbridge::workflow
