#pragma once

#include "base/clock.h"
#include "pkcs11/cryptoki/return_code.h"
#include "pkcs11/login/pin.h"

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace hsmbridge::pkcs11 {

// The detail of every Error of a login, "down": no call of this token can succeed before that is mended, whoever makes
// it, and no request is to blame. What waits for the token goes on waiting.
inline constexpr std::string_view kLane = "lane";
inline constexpr std::string_view kLaneDown = "down";

// What is known about an attempt besides its answer.
struct PinEvidence {
  // The token says that a wrong PIN was entered since the last right one (CKF_USER_PIN_COUNT_LOW).
  bool wrong_pin_counted = false;
  // The flag above is not set, and this token is known to set it.
  bool none_counted = false;
  // This very PIN has logged this process in to the token.
  bool was_right = false;
  // The token's own pad asks for the PIN (CKF_PROTECTED_AUTHENTICATION_PATH).
  bool typed_at_token = false;

  bool excuses() const { return !wrong_pin_counted && (none_counted || was_right); }
};

// One attempt with one PIN, and what the memory of refusals says about it before, during and after. Modules do not
// agree on how a wrong PIN is reported, and a process can be killed before it wrote the answer down. So the attempt is
// on disk before the PIN is sent, and counts as refused
//  - when its answer says so;
//  - when it has no clear answer (one that is unclear or seems to say that the PIN was not looked at, or none since the
//    process was killed) and the token counts a wrong PIN;
//  - when it is the second in a row without a clear answer, or the third where something speaks for the PIN
//    (PinEvidence::excuses), which is not made at once. No more: a PIN that was right may be changed at the token.
// That a token counts none would alone be no excuse: PKCS#11 v2.40 §3.2 lets it leave the flag at zero.
// Thread rule: one thread; begin() to the end under the LockedWork::login lock of the token.
class PinAttempt {
 public:
  struct Words {
    std::string token;   // "token web"
    std::string source;  // "file:web.pin"
    std::string uri;     // of the token
    std::string next;    // what allows another attempt: "correct it, then: hsmbridge token login web --retry"
    // Said when the PIN is refused, about what it looks like, never what it is: "it ends with a blank". Or "".
    std::string oddity = {};
  };

  // `same_pin`: every subject under which this PIN may be recorded; the attempt itself is recorded under the first.
  PinAttempt(PinRefusals& refusals, const Clock& clock, std::vector<PinSubject> same_pin, Words words);

  void oddity(std::string what) { words_.oddity = std::move(what); }

  // Throws denied when it was refused before. Says nothing about attempts that are being made.
  void refuse_if_refused_before() const;
  void forget() const;

  // Writes down that an attempt is made. Throws denied when none is allowed any more, unavailable when the last one
  // without a clear answer was a moment ago, and what writing throws: a PIN whose refusal could not be remembered is
  // not sent.
  void begin(const PinEvidence& evidence = {});
  // The same for an attempt that a person asked for: no refusal before it stands in its way. It is written over the
  // first subject's in one step, with what it follows, and the others go when the answer is written down. So a process
  // that is killed at any moment leaves a refusal.
  void begin_again();
  // The PIN was right. Does not throw.
  void succeeded() noexcept;
  // It was not looked at: the memory is as before begin(). Does not throw.
  void not_judged() noexcept;
  // Writes down what the failure says about the PIN and throws: the failure itself, or denied when it counts as a
  // refusal though its code does not say so. `evidence`: as the token is after it.
  [[noreturn]] void failed(TokenFailure failure, const PinEvidence& evidence = {});

 private:
  std::string pin() const;
  std::optional<PinRefusal> worst() const;
  // What was remembered under the other subjects is not true any more.
  void forget_others() const;
  // Writes down that an attempt is made after those.
  void write_down(const AttemptState& after);
  [[noreturn]] void refuse(const PinRefusal& before) const;
  void record(const AttemptState& state, Error& failure) const;

  PinRefusals& refusals_;
  const Clock& clock_;
  const std::vector<PinSubject> same_pin_;
  Words words_;
  std::optional<PinRefusal> recorded_before_;  // by this user, under the first subject
  bool again_ = false;                         // begun by begin_again
  AttemptState unclear_before_;  // the attempts before this one without a clear answer; `unclear`: how many
};

}  // namespace hsmbridge::pkcs11
