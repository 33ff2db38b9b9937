#pragma once

#include "tools/hsmbridge/wiring/invocation.h"

#include <vector>

// The rows of the command table. Each function stands in the file of its noun.
namespace hsmbridge::cli {

std::vector<Command> token_commands();
std::vector<Command> key_commands();
std::vector<Command> csr_commands();
std::vector<Command> ca_commands();
std::vector<Command> cert_commands();
std::vector<Command> doctor_commands();
std::vector<Command> enroll_commands();
std::vector<Command> request_commands();
std::vector<Command> approval_commands();
std::vector<Command> provider_commands();
std::vector<Command> run_commands();
std::vector<Command> store_commands();

// Nouns in the order in which the help shows them. A new noun is a line in each list of commands.cpp.
commandline::Program whole_program();

}  // namespace hsmbridge::cli
