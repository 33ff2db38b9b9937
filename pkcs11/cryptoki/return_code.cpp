#include "pkcs11/cryptoki/return_code.h"

#include "pkcs11/cryptoki/cryptoki.h"

#include <fmt/core.h>

namespace hsmbridge::pkcs11 {
namespace {

using K = ErrorKind;
using R = Recovery;
using P = AboutPin;

#define CODE(name) name, #name

// code and name | meaning | kind | recovery, hint and what it says about a PIN, where they are not the usual ones
// Not judged are only codes that PKCS#11 v2.40 §5.1 defines as found when the call began. CKR_DEVICE_REMOVED,
// CKR_FUNCTION_CANCELED and CKR_SESSION_CLOSED happen "during the execution" of it, and CKR_CANCEL,
// CKR_FUNCTION_REJECTED and CKR_HOST_MEMORY may: the token may have counted the PIN.
constexpr ReturnCode kReturnCodes[] = {
    {CODE(CKR_CANCEL), "the operation was cancelled", K::unavailable, "somebody must confirm it at the token in time"},
    {CODE(CKR_HOST_MEMORY), "the module ran out of memory", K::unavailable},
    {CODE(CKR_SLOT_ID_INVALID), "the slot is gone", K::unavailable, R::reinitialize,
     "see which tokens the module has: hsmbridge token list", P::not_judged},
    {CODE(CKR_GENERAL_ERROR), "the module reports a general error", K::unavailable, "look at the module's own log"},
    {CODE(CKR_FUNCTION_FAILED), "the module could not do it and does not say why", K::unavailable,
     "look at the module's own log"},
    {CODE(CKR_ARGUMENTS_BAD), "the module refuses the arguments", K::internal, P::likely_wrong},
    {CODE(CKR_NO_EVENT), "no slot event", K::internal},
    {CODE(CKR_NEED_TO_CREATE_THREADS), "the module needs threads of its own", K::unavailable, P::not_judged},
    {CODE(CKR_CANT_LOCK), "the module cannot lock for several threads", K::unavailable,
     "this program needs a module that supports CKF_OS_LOCKING_OK", P::not_judged},
    {CODE(CKR_ATTRIBUTE_READ_ONLY), "an attribute of the template cannot be set", K::invalid_input,
     R::smaller_template},
    {CODE(CKR_ATTRIBUTE_SENSITIVE), "the attribute is not shown", K::denied},
    {CODE(CKR_ATTRIBUTE_TYPE_INVALID), "the token does not know an attribute", K::invalid_input, R::smaller_template},
    {CODE(CKR_ATTRIBUTE_VALUE_INVALID), "the token refuses the value of an attribute", K::invalid_input,
     R::smaller_template},
    {CODE(CKR_ACTION_PROHIBITED), "the object does not allow it", K::denied, "see its attributes: hsmbridge key show"},
    {CODE(CKR_DATA_INVALID), "the token refuses the data", K::invalid_input},
    {CODE(CKR_DATA_LEN_RANGE), "the data is too long for the key or mechanism", K::invalid_input},
    {CODE(CKR_DEVICE_ERROR), "the token has a problem", K::unavailable,
     "look at the HSM and its connection, then try again"},
    {CODE(CKR_DEVICE_MEMORY), "the token has no memory left", K::unavailable, "remove objects that are not needed"},
    {CODE(CKR_DEVICE_REMOVED), "the token was removed", K::unavailable, R::reinitialize,
     "put the token back or reconnect the HSM"},
    {CODE(CKR_ENCRYPTED_DATA_INVALID), "the encrypted data is invalid", K::invalid_input},
    {CODE(CKR_ENCRYPTED_DATA_LEN_RANGE), "the encrypted data has the wrong length", K::invalid_input},
    {CODE(CKR_FUNCTION_CANCELED), "the call was cancelled", K::unavailable, R::same_session},
    {CODE(CKR_FUNCTION_NOT_PARALLEL), "no function is running", K::internal},
    {CODE(CKR_FUNCTION_NOT_SUPPORTED), "the module does not have this function", K::invalid_input, P::not_judged},
    {CODE(CKR_KEY_HANDLE_INVALID), "the key's handle is gone", K::unavailable, R::same_session},
    {CODE(CKR_KEY_SIZE_RANGE), "the token does not do this key size", K::invalid_input,
     "see the sizes it does: hsmbridge token show"},
    {CODE(CKR_KEY_TYPE_INCONSISTENT), "the key is of another type than the mechanism", K::invalid_input},
    {CODE(CKR_KEY_NOT_NEEDED), "the key is not needed", K::internal},
    {CODE(CKR_KEY_CHANGED), "the key changed", K::corrupt},
    {CODE(CKR_KEY_NEEDED), "a key is needed", K::internal},
    {CODE(CKR_KEY_INDIGESTIBLE), "the key cannot be digested", K::invalid_input},
    {CODE(CKR_KEY_FUNCTION_NOT_PERMITTED), "the key's attributes do not permit this", K::denied,
     "see its attributes: hsmbridge key show"},
    {CODE(CKR_KEY_NOT_WRAPPABLE), "the key cannot be wrapped", K::denied},
    {CODE(CKR_KEY_UNEXTRACTABLE), "the key cannot be extracted", K::denied},
    {CODE(CKR_MECHANISM_INVALID), "the token does not have this mechanism, or the key may not use it", K::invalid_input,
     "see its mechanisms: hsmbridge token show"},
    {CODE(CKR_MECHANISM_PARAM_INVALID), "the token refuses the mechanism's parameters", K::invalid_input},
    {CODE(CKR_OBJECT_HANDLE_INVALID), "the object's handle is gone", K::unavailable, R::same_session},
    // Another call left its operation open in this session; only a new session is sure to be free of it.
    {CODE(CKR_OPERATION_ACTIVE), "the session is busy with another operation", K::unavailable, R::new_session,
     P::not_judged},
    {CODE(CKR_OPERATION_NOT_INITIALIZED), "the session has lost its operation", K::unavailable, R::new_session,
     P::not_judged},
    {CODE(CKR_PIN_INCORRECT), "the PIN is wrong", K::denied,
     "correct the PIN, then allow one more attempt: hsmbridge token login --retry", P::wrong},
    {CODE(CKR_PIN_INVALID), "the PIN has characters that the token does not take", K::denied,
     "correct the PIN, then allow one more attempt: hsmbridge token login --retry", P::wrong},
    {CODE(CKR_PIN_LEN_RANGE), "the PIN is too short or too long for the token", K::denied,
     "correct the PIN, then allow one more attempt: hsmbridge token login --retry", P::wrong},
    {CODE(CKR_PIN_EXPIRED), "the PIN has expired", K::denied, "set a new PIN with the vendor's tool", P::wrong},
    {CODE(CKR_PIN_LOCKED), "the PIN is locked", K::denied, "the security officer unlocks it with the vendor's tool",
     P::wrong},
    {CODE(CKR_SESSION_CLOSED), "the session was closed", K::unavailable, R::new_session},
    {CODE(CKR_SESSION_COUNT), "the token has no session left", K::unavailable,
     "other programs may hold them: lower sessions in the token's configuration or end those programs", P::not_judged},
    {CODE(CKR_SESSION_HANDLE_INVALID), "the session is gone", K::unavailable, R::new_session, P::not_judged},
    {CODE(CKR_SESSION_PARALLEL_NOT_SUPPORTED), "parallel sessions are not supported", K::internal, P::not_judged},
    {CODE(CKR_SESSION_READ_ONLY), "the session may only read", K::internal, P::not_judged},
    {CODE(CKR_SESSION_EXISTS), "a session is open, so the token cannot be initialised", K::conflict,
     "end the other programs that use the token", P::not_judged},
    {CODE(CKR_SESSION_READ_ONLY_EXISTS), "a read-only session is open", K::conflict, P::not_judged},
    {CODE(CKR_SESSION_READ_WRITE_SO_EXISTS), "the security officer is logged in", K::conflict,
     "log the security officer out first", P::not_judged},
    {CODE(CKR_SIGNATURE_INVALID), "the signature is invalid", K::corrupt},
    {CODE(CKR_SIGNATURE_LEN_RANGE), "the signature has the wrong length", K::corrupt},
    {CODE(CKR_TEMPLATE_INCOMPLETE), "the template lacks an attribute that the token wants", K::invalid_input,
     R::smaller_template},
    {CODE(CKR_TEMPLATE_INCONSISTENT), "the token does not take this combination of attributes", K::invalid_input,
     R::smaller_template},
    {CODE(CKR_TOKEN_NOT_PRESENT), "the token is not in its slot", K::unavailable, R::reinitialize,
     "put the token back or reconnect the HSM", P::not_judged},
    {CODE(CKR_TOKEN_NOT_RECOGNIZED), "the module does not recognise the token", K::unavailable, R::reinitialize,
     P::not_judged},
    {CODE(CKR_TOKEN_WRITE_PROTECTED), "the token is write-protected", K::refused, P::not_judged},
    {CODE(CKR_UNWRAPPING_KEY_HANDLE_INVALID), "the unwrapping key's handle is gone", K::unavailable},
    {CODE(CKR_UNWRAPPING_KEY_SIZE_RANGE), "the unwrapping key has a wrong size", K::invalid_input},
    {CODE(CKR_UNWRAPPING_KEY_TYPE_INCONSISTENT), "the unwrapping key has a wrong type", K::invalid_input},
    // Asked for, so a success for whoever only wants to be logged in; an error to everybody else.
    {CODE(CKR_USER_ALREADY_LOGGED_IN), "the user is logged in already", K::conflict, P::not_judged},
    {CODE(CKR_USER_NOT_LOGGED_IN), "nobody is logged in", K::unavailable, R::login_again, P::not_judged},
    {CODE(CKR_USER_PIN_NOT_INITIALIZED), "the token has no user PIN yet", K::denied,
     "the security officer sets one with the vendor's tool", P::not_judged},
    {CODE(CKR_USER_TYPE_INVALID), "the token does not know this user type", K::invalid_input,
     "correct user_type in the token's configuration", P::not_judged},
    {CODE(CKR_USER_ANOTHER_ALREADY_LOGGED_IN), "another user is logged in, in this process", K::conflict,
     P::not_judged},
    {CODE(CKR_USER_TOO_MANY_TYPES), "too many users are logged in", K::unavailable, P::not_judged},
    {CODE(CKR_WRAPPED_KEY_INVALID), "the wrapped key is invalid", K::invalid_input},
    {CODE(CKR_WRAPPED_KEY_LEN_RANGE), "the wrapped key has the wrong length", K::invalid_input},
    {CODE(CKR_WRAPPING_KEY_HANDLE_INVALID), "the wrapping key's handle is gone", K::unavailable},
    {CODE(CKR_WRAPPING_KEY_SIZE_RANGE), "the wrapping key has a wrong size", K::invalid_input},
    {CODE(CKR_WRAPPING_KEY_TYPE_INCONSISTENT), "the wrapping key has a wrong type", K::invalid_input},
    {CODE(CKR_RANDOM_SEED_NOT_SUPPORTED), "the token does not accept a random seed", K::invalid_input},
    {CODE(CKR_RANDOM_NO_RNG), "the token has no random number generator", K::unavailable},
    {CODE(CKR_DOMAIN_PARAMS_INVALID), "the token does not take these curve parameters", K::invalid_input,
     "see its mechanisms: hsmbridge token show"},
    {CODE(CKR_CURVE_NOT_SUPPORTED), "the token does not do this curve", K::invalid_input},
    {CODE(CKR_BUFFER_TOO_SMALL), "the answer is longer than it can be", K::unavailable, R::new_session},
    {CODE(CKR_SAVED_STATE_INVALID), "the saved state is invalid", K::internal},
    {CODE(CKR_INFORMATION_SENSITIVE), "the information is sensitive", K::denied},
    {CODE(CKR_STATE_UNSAVEABLE), "the state cannot be saved", K::internal},
    // Somebody in this process called C_Finalize.
    {CODE(CKR_CRYPTOKI_NOT_INITIALIZED), "the module is not initialised", K::unavailable, R::reinitialize,
     P::not_judged},
    {CODE(CKR_CRYPTOKI_ALREADY_INITIALIZED), "the module is initialised already", K::internal, P::not_judged},
    {CODE(CKR_MUTEX_BAD), "the module's lock is broken", K::unavailable},
    {CODE(CKR_MUTEX_NOT_LOCKED), "the module's lock is not held", K::unavailable},
    {CODE(CKR_NEW_PIN_MODE), "the token wants a new PIN", K::denied},
    {CODE(CKR_NEXT_OTP), "the token wants the next one-time password", K::denied},
    {CODE(CKR_EXCEEDED_MAX_ITERATIONS), "the token found no suitable parameters", K::unavailable},
    {CODE(CKR_FIPS_SELF_TEST_FAILED), "the token's self-test failed", K::unavailable},
    {CODE(CKR_LIBRARY_LOAD_FAILED), "the module could not load a library it needs", K::unavailable, P::not_judged},
    {CODE(CKR_PIN_TOO_WEAK), "the token finds the PIN too weak", K::invalid_input, "choose a longer PIN"},
    {CODE(CKR_PUBLIC_KEY_INVALID), "the public key is invalid", K::corrupt},
    // "The signature request is rejected by the user", which is also what is said when nobody touched the token in
    // time.
    {CODE(CKR_FUNCTION_REJECTED), "it was not confirmed at the token", K::unavailable,
     "somebody must confirm it at the token in time"},
};

#undef CODE

constexpr ReturnCode kVendor{CKR_VENDOR_DEFINED,
                             "CKR_VENDOR_DEFINED",
                             "the module answers with a code of its vendor",
                             K::unavailable,
                             "look the code up in the vendor's manual",
                             P::likely_wrong};
constexpr ReturnCode kUnknown{~0UL, "CKR_UNKNOWN", "the module answers with an unknown code", K::unavailable,
                              P::likely_wrong};

}  // namespace

std::span<const ReturnCode> return_codes() {
  return kReturnCodes;
}

const ReturnCode& return_code(unsigned long code) {
  for (const ReturnCode& row : kReturnCodes) {
    if (row.code == code) return row;
  }
  return (code & CKR_VENDOR_DEFINED) != 0 ? kVendor : kUnknown;
}

std::string return_code_name(unsigned long code) {
  const ReturnCode& row = return_code(code);
  return row.code == code ? std::string(row.name) : fmt::format("0x{:08x}", code);
}

TokenFailure::TokenFailure(unsigned long code, std::string_view function, std::string_view doing)
    : Error(return_code(code).kind, fmt::format("cannot {}: {} ({} from {})", doing, return_code(code).meaning,
                                                return_code_name(code), function)),
      code_(code),
      recovery_(return_code(code).recovery) {
  with("function", std::string(function));
  with("ckr", return_code_name(code));
  // It says something of the token and nothing of what was asked of it: other work on the token would meet it too. A
  // full token still signs.
  if (kind() == ErrorKind::unavailable && code != CKR_DEVICE_MEMORY) with("lane", "down");
  if (!return_code(code).hint.empty()) hint(std::string(return_code(code).hint));
}

}  // namespace hsmbridge::pkcs11
