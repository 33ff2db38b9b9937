#pragma once

#include "base/error.h"
#include "tools/rig/server/fields.h"

#include <string>
#include <string_view>

// How the simulated DigiCert says no.
namespace hsmbridge::rig {

// A refusal: {"errors":[{"code","message","field"}]}. `field` may be "".
Error digicert_error(int status, std::string_view code, std::string_view message, std::string_view field = "");
// What most bad bodies get.
Error wrong_input(std::string_view field);

// What DigiCert says of a body: everything wrong is 400 invalid_input_field with the dotted path of the member.
Complaints& input_errors();

}  // namespace hsmbridge::rig
