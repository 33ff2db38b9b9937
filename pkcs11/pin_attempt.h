#pragma once

#include "base/clock.h"
#include "pkcs11/pin.h"
#include "pkcs11/return_code.h"

#include <optional>
#include <string>
#include <vector>

namespace hsmbridge::pkcs11 {

// One attempt with one PIN, and what the memory of refusals says about it before, during and after. Modules do not
// agree on how a wrong PIN is reported, and a process can be killed before it wrote the answer down. So the attempt is
// on disk before the PIN is sent, and counts as refused when its answer says so, or when it is the second in a row
// without a clear answer: one disturbance of the device, or one crash, does not keep a daemon out; a second one does.
// Thread rule: one thread; begin() to the end under the LockedWork::login lock of the token.
class PinAttempt {
 public:
  struct Words {
    std::string pin;   // "the PIN of token web from file:web.pin"
    std::string uri;   // of the token
    std::string next;  // what allows another attempt: "correct it, then: hsmbridge token login web --retry"
  };

  // `same_pin`: every subject under which this PIN may be recorded; the attempt itself is recorded under the first.
  PinAttempt(PinRefusals& refusals, const Clock& clock, std::vector<PinSubject> same_pin, Words words);

  // Throws denied when it was refused before. Says nothing about attempts that are being made.
  void refuse_if_refused_before() const;
  void forget() const;

  // Writes down that an attempt is made. Throws denied when none is allowed any more, and what writing throws: a PIN
  // whose refusal could not be remembered is not sent.
  void begin();
  // The same for an attempt that a person asked for: no refusal before it stands in its way. It is written over the
  // first subject's in one step, with what it follows, and the others go when the answer is written down. So a process
  // that is killed at any moment leaves a refusal.
  void begin_again();
  // The PIN was right. Does not throw.
  void succeeded() noexcept;
  // It was not looked at: the memory is as before begin(). Does not throw.
  void not_judged() noexcept;
  // Writes down what the failure says about the PIN and throws: the failure itself, or denied when it counts as a
  // refusal though its code does not say so.
  [[noreturn]] void failed(TokenFailure failure);

 private:
  std::optional<PinRefusal> worst() const;
  // What was remembered under the other subjects is not true any more.
  void forget_others() const;
  void write_down(std::string attempt) const;
  [[noreturn]] void refuse(const PinRefusal& before) const;
  void record(const std::string& reason, Error& failure) const;

  PinRefusals& refusals_;
  const Clock& clock_;
  const std::vector<PinSubject> same_pin_;
  const Words words_;
  std::optional<PinRefusal> recorded_before_;  // under the first subject
  bool again_ = false;                         // begun by begin_again
  std::string unclear_before_;                 // the code of an attempt before this one without a clear answer
};

}  // namespace hsmbridge::pkcs11
