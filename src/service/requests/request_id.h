#pragma once

#include "base/bytes.h"
#include "base/clock.h"
#include "base/strong.h"

#include <string_view>

namespace hsmbridge::service {

// A request id: 16 characters of Crockford base32 (0-9 A-Z without I L O U), the first six the seconds since 2025-01-01
// (30 bits, so ids sort by time until 2059), the other ten from `randomness` (its first 50 bits).
// Throws invalid_input for fewer than 7 octets or a time out of range.
RequestId request_id(Instant now, ByteView randomness);

// What a person typed as an id or the beginning of one, as it is stored: upper case, hyphens dropped, I and L read as
// 1, O as 0 (Crockford). Throws invalid_input for anything else than 1 to 16 such characters.
std::string request_prefix(std::string_view typed);

}  // namespace hsmbridge::service
