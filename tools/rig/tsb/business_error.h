#pragma once

#include "base/error.h"

#include <string>
#include <string_view>

namespace hsmbridge::rig {

// An error of the TSB as its clients see it: {"errorCode", "reason", "message"}. It travels as an Error of kind
// `refused` whose detail "errorCode" is the number; the server turns it into the body and the HTTP status.
Error business_error(int code, std::string message);
// The number in such an Error, 0 when it is none.
int business_code(const Error& error);

// "res.error.key.not.existent" for 650 and so on: every code that it says. "res.error.general" for another.
std::string_view reason_of(int code);
// The HTTP status the TSB gives to a code: by its first digits, except 631 and 416 (the API key), which are 401.
int http_status_of(int code);

// The body, compact JSON.
std::string business_body(int code, std::string_view message);
// Spring's default body for what never reaches the TSB's own code: unknown path, wrong verb, wrong media type.
std::string spring_body(int status, std::string_view path, std::string_view timestamp);

}  // namespace hsmbridge::rig
