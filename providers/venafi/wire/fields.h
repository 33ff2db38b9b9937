#pragma once

#include "base/json.h"

#include <cstdint>
#include <string>
#include <string_view>

// What the readers of the service's JSON share.
namespace hsmbridge::venafi {

// A member that is there and not null.
const Json* member(const Json& json, std::string_view name);
// A number, or a text that is one. Throws corrupt naming the member.
std::int64_t number_of(const Json& json, std::string_view name);
// What may be said in a message: never more than a screen.
std::string shown(std::string_view words);

}  // namespace hsmbridge::venafi
