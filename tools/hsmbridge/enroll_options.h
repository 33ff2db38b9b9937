#pragma once

#include "service/ask.h"
#include "tools/hsmbridge/commands.h"

#include <vector>

// The options that say what a certificate shall be.
namespace hsmbridge::cli {

std::vector<commandline::Option> ask_options();
// What they say. Throws invalid_input.
service::AskWishes ask_wishes(const Arguments& arguments);

}  // namespace hsmbridge::cli
