#pragma once

#include "base/json.h"

#include <string>

namespace hsmbridge {

// Sets a member to a text that somebody else's program wrote: escaped where it is not UTF-8, and then its octets as hex
// in NAME_hex too.
void set_text(Json& object, const std::string& name, const std::string& text);

// The members of every object in it sorted by name. Dumped, that is the canonical JSON of RFC 8785 where names are ASCII,
// numbers whole and below 2^53, and texts UTF-8.
Json sorted(const Json& json);

}  // namespace hsmbridge
