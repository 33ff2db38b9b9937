#pragma once

#include "base/error.h"
#include "tools/commandline/command.h"

#include <optional>
#include <string_view>

// What the commands that serve have in common.
namespace hsmbridge::rig {

// SIGTERM or SIGINT, which must be blocked in every thread of the process before.
void wait_for_signal();
// --port; nothing for 0 or none. Throws invalid_input.
std::optional<int> port_of(const commandline::Arguments& arguments);
Error not_one_of(std::string_view flag, std::string_view value, std::string_view choices);

}  // namespace hsmbridge::rig
