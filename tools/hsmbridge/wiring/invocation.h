#pragma once

#include "tools/commandline/command.h"

// What this program says of the command line without its namespace.
namespace hsmbridge::cli {

using commandline::Arguments;
using commandline::Command;
using commandline::ExitCode;
using commandline::Invocation;
using commandline::Output;

}  // namespace hsmbridge::cli
