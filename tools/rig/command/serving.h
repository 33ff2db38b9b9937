#pragma once

#include "base/error.h"
#include "tools/commandline/command.h"
#include "tools/rig/server/simulator_server.h"

#include <memory>
#include <optional>
#include <string>
#include <string_view>

// What the commands that serve have in common.
namespace hsmbridge::rig {

// SIGTERM or SIGINT, which must be blocked in every thread of the process before.
void wait_for_signal();
// --port; nothing for 0 or none. Throws invalid_input.
std::optional<int> port_of(const commandline::Arguments& arguments);
// Where it serves: NAME, --dir (made, with the test CA), --port, --client-ca.
SimulatorServerOptions server_options(std::string name, const commandline::Arguments& arguments);
// Serves and says where, with what else `more` has to say, until a signal comes.
commandline::ExitCode serve(commandline::Invocation& invocation, const SimulatorServerOptions& options,
                            const std::shared_ptr<Simulator>& simulator, const std::string& what,
                            const std::string& more);
Error not_one_of(std::string_view flag, std::string_view value, std::string_view choices);

}  // namespace hsmbridge::rig
