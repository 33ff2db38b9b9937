#pragma once

#include "base/bytes.h"
#include "base/error.h"

#include <string>
#include <string_view>

namespace hsmbridge::rig {

// A refusal as the TSB's clients see it: {"errorCode", "reason", "message"}, with the HTTP status that the TSB gives to
// the code.
Error business_error(int code, std::string message);
// Spring's default body, for what never reaches the TSB's own code: unknown path (404), wrong verb (405), wrong
// media type (415).
Error spring_error(int status, std::string_view path, std::string_view timestamp);
// Throws 407 for a key that cannot be read, 403 for a signature that is not its own. `digest` as in verify_signature.
void require_signature(const Bytes& public_key, const std::string& digest, ByteView message, ByteView signature);

}  // namespace hsmbridge::rig
