#pragma once

#include "base/error.h"

#include <string_view>

namespace hsmbridge::commandline {

// What the program answers to its caller. Scripts rely on these numbers: they never change.
enum class ExitCode {
  done = 0,         // `show` and `list` whatever the state
  failed = 1,       // or a check, verify or doctor that found fault, or a batch in which a row failed
  usage = 2,        // usage or configuration error, nothing was done
  pending = 3,      // not finished, come back (also Ctrl-C while waiting: the request goes on)
  refused = 4,      // denied, rejected, expired, cancelled, or against policy
  unavailable = 5,  // token or provider cannot be reached, try later
  unresolved = 6,   // a person must decide
};

// One sentence for the help and the man page.
std::string_view explanation(ExitCode code);

// The one table from what went wrong to what the program answers.
ExitCode exit_code_of(ErrorKind kind);

}  // namespace hsmbridge::commandline
