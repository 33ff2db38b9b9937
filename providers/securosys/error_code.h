#pragma once

#include "base/error.h"

#include <span>
#include <string>
#include <string_view>

// What a Securosys TSB says when it refuses: {"errorCode":650,"reason":"res.error.key.not.existent","message":"…"}.
// The codes are those of its `BusinessReason`; an errorCode is not an HTTP status (404 is "timestamp off", sent as
// 400).
namespace hsmbridge::securosys {

// Whether sending the same again, unchanged, may succeed: by itself; never; or once somebody renewed the credentials,
// which are read anew for every attempt (a key that was born for the request is not thrown away for an expired token).
enum class Repeating { may_help, cannot_help, when_renewed };

struct ErrorCode {
  int code;
  std::string_view reason;  // after "res.error."
  ErrorKind kind;
  Repeating repeating;
  std::string_view advice;  // a plain sentence: what to do
};

// All rows, by ascending code.
std::span<const ErrorCode> error_codes();
// Null for a code without a row.
const ErrorCode* find_error_code(int code);

// The Error for a refusal in the TSB's own form: its message, with the details "errorCode", "reason" and "http", and
// the row's advice as hint. `what` says what we were doing ("GET /v1/request/…").
Error business_error(std::string_view what, long http_status, int code, std::string_view reason,
                     std::string_view message);

}  // namespace hsmbridge::securosys
