#pragma once

#include "base/error.h"

#include <span>
#include <string>
#include <string_view>

namespace hsmbridge::pkcs11 {

// What may be done after a PKCS#11 function failed.
enum class Recovery {
  same_session,      // look the object up again, then once more on the same session
  new_session,       // the session is gone or stuck: once more on another one
  login_again,       // the login is gone
  reinitialize,      // the module or the slot is gone: C_Initialize where needed, find the slot, new session, login
  smaller_template,  // the token does not take this template: the next rung of the ladder
  give_up,
};

// What a failed C_Login (or C_InitToken) says about the PIN that it was given.
enum class AboutPin {
  not_judged,    // certainly not looked at: no attempt was spent
  unclear,       // a wrong PIN may be reported so, and so may a device that has a problem
  likely_wrong,  // modules are known to report a wrong PIN so
  wrong,
};

// One row of the one table that translates CK_RV (PKCS#11 v2.40 §5.1, v3.0 §5.1).
struct ReturnCode {
  unsigned long code;
  std::string_view name;     // "CKR_PIN_INCORRECT"
  std::string_view meaning;  // "the PIN is wrong"
  ErrorKind kind;
  Recovery recovery = Recovery::give_up;
  std::string_view hint;  // what to do next, or ""
  AboutPin about_pin = AboutPin::unclear;

  // The call was refused when it began: nothing was done.
  constexpr bool before_the_call() const { return about_pin == AboutPin::not_judged; }

  template <class... Unusual>
  constexpr ReturnCode(unsigned long number, std::string_view ckr, std::string_view means, ErrorKind of,
                       Unusual... unusual)
      : code(number), name(ckr), meaning(means), kind(of) {
    (set(unusual), ...);
  }

 private:
  constexpr void set(Recovery value) { recovery = value; }
  constexpr void set(std::string_view value) { hint = value; }
  constexpr void set(AboutPin value) { about_pin = value; }
};

std::span<const ReturnCode> return_codes();
// The row; for a number without one a give_up row named CKR_VENDOR_DEFINED or CKR_UNKNOWN.
const ReturnCode& return_code(unsigned long code);
// "CKR_PIN_INCORRECT", "0x80000123" for a number without a row.
std::string return_code_name(unsigned long code);

// A failed PKCS#11 call inside this folder; outside it is an Error like any other, with details "function" and "ckr".
class TokenFailure : public Error {
 public:
  // `doing`: "sign with web-2026 on token web".
  TokenFailure(unsigned long code, std::string_view function, std::string_view doing);
  unsigned long code() const noexcept { return code_; }
  Recovery recovery() const noexcept { return recovery_; }
  // The work that met it is not run again by itself, whatever its class: set for a failed C_Login, since running the
  // work again would send the PIN again, and for a C_Sign that must not happen twice.
  TokenFailure& once_only() noexcept {
    once_only_ = true;
    return *this;
  }
  bool is_once_only() const noexcept { return once_only_; }

 private:
  unsigned long code_;
  Recovery recovery_;
  bool once_only_ = false;
};

}  // namespace hsmbridge::pkcs11
