#pragma once

#include <string>
#include <string_view>

namespace hsmbridge::rig {

// A random one (RFC 9562 §5.4), lower case.
std::string new_uuid();
// In any letter case.
bool is_uuid(std::string_view text);

}  // namespace hsmbridge::rig
