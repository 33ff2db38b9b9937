#pragma once

#include "tools/commandline/command.h"

#include <string>
#include <string_view>
#include <vector>

// Text made from the rows. Plain, at most 80 columns wide.
namespace hsmbridge::commandline {

// "token list", "run".
std::string name_of(const Command& command);
// "hsmbridge key show [options] KEY".
std::string usage_of(const Program& program, const Command& command);

std::string help_of_program(const Program& program);
std::string help_of_noun(const Program& program, std::string_view noun);
std::string help_of(const Program& program, const Command& command);

// A command's `details` broken at 80 columns.
std::string flowing(std::string_view details);

// The manual page, section 1, roff with the man macros.
std::string man_page(const Program& program);
// A bash completion script, to be sourced.
std::string bash_completion(const Program& program);

// The word of `known` that `typed` most likely meant, or "".
std::string closest(std::string_view typed, const std::vector<std::string>& known);

}  // namespace hsmbridge::commandline
