#pragma once

#include "base/error.h"
#include "providers/verdict.h"

#include <span>
#include <string_view>

// What a Securosys TSB says when it refuses: {"errorCode":650,"reason":"res.error.key.not.existent","message":"…"}.
// The codes are those of its `BusinessReason`; an errorCode is not an HTTP status (404 is "timestamp off", sent as
// 400).
namespace hsmbridge::securosys {

// Whether sending the same again, unchanged, may succeed: as it is; never; or with another API key or bearer token,
// which are read again when they are refused (a key that was born for the request is not thrown away for an expired
// token).
enum class Repeating { may_help, cannot_help, with_another_key, with_another_token };

inline constexpr std::string_view kKeyHeader = "X-API-KEY";
inline constexpr std::string_view kTokenHeader = "Authorization";

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

// - A refusal in the TSB's own form: not accepted or refused for good, by the code's row. An error of business_error;
//   from 500 on, where nothing is known, its message says the HTTP status too.
// - A 404, 405, 406 or 415 in the form of the server's framework means that no handler saw the request: refused for
//   good; `not_found` with the detail "no-handler" and without "errorCode".
const providers::Dialect& dialect();

}  // namespace hsmbridge::securosys
