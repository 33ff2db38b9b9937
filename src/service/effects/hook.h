#pragma once

#include "base/clock.h"

#include <map>
#include <string>
#include <vector>

namespace hsmbridge::service {

// A program of the user's that is told about a certificate: argv without a shell, so nothing in a name or a path is
// ever interpreted.
struct Hook {
  std::vector<std::string> argv;                   // argv[0] is looked up in PATH
  std::map<std::string, std::string> environment;  // added to PATH, HOME, LANG and TZ; nothing else is handed down,
                                                   // since this process may hold secrets in its environment
  std::string input;                               // standard input
  Duration time_limit{};  // afterwards the hook and its process group are killed, as far as this process may do that
};

// The argv of a "hook:" target: a JSON array of strings, not empty, or one word. Throws invalid_input.
std::vector<std::string> hook_argv(const std::string& text);

// Runs it until it exits; what it started in the background lives on, whatever it exited with, and may keep its output
// open. Throws refused when it exits with another status than 0 (the last line of its output is in the message),
// unavailable when it could not be started or did not end in time, outcome_unknown when its status was lost. Output
// beyond 64 KiB is read and dropped.
// Thread rule: may be called from several threads.
void run_hook(const Hook& hook);

}  // namespace hsmbridge::service
