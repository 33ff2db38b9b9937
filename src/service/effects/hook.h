#pragma once

#include "base/clock.h"

#include <map>
#include <string>
#include <vector>

namespace hsmbridge::service {

// A program of the user's that is told about a certificate.
struct Hook {
  std::vector<std::string> argv;
  std::map<std::string, std::string> environment;
  std::string input;  // standard input
  Duration time_limit{};
};

// The argv of a "hook:" target: a JSON array of strings, not empty, or one word. Throws invalid_input.
std::vector<std::string> hook_argv(const std::string& text);

// As base/program.h runs programs, and throws what that throws.
// Thread rule: may be called from several threads.
void run_hook(const Hook& hook);

}  // namespace hsmbridge::service
