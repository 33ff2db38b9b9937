#pragma once

#include "base/bytes.h"

#include <string>
#include <vector>

// Second opinions: other people's programs look at what we made.
namespace hsmbridge::test {

struct ProgramResult {
  int exit_code = -1;
  std::string output;  // standard output and standard error together
};

// Runs `words` with `input` as the file that "{}" in a word stands for (a temporary one).
ProgramResult run_program(const std::vector<std::string>& words, ByteView input);

bool contains(const std::string& text, const std::string& part);

}  // namespace hsmbridge::test
