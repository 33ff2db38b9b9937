#pragma once

#include <string>
#include <string_view>

namespace hsmbridge::rig {

// The text of the member `name` of the object `json`, without white space between tokens, everything else as it was
// sent: what an application signs as `requestSignature`. `json` must be well-formed. "" when there is no such member.
std::string compact_member(std::string_view json, std::string_view name);

}  // namespace hsmbridge::rig
