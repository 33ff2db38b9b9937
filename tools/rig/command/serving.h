#pragma once

#include "base/error.h"
#include "tools/commandline/command.h"
#include "tools/rig/server/record.h"
#include "tools/rig/server/simulator_server.h"

#include <algorithm>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

// What the commands that serve have in common.
namespace hsmbridge::rig {

// "--shape is both, real or tutorial, not 'x'"
Error not_one_of(std::string_view option, std::string_view value, std::vector<std::string_view> choices);
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
// Sets `value` to the word of the option, or to its time; an option that was left out changes nothing. Throws
// invalid_input.
template <class Value>
void choose(const commandline::Arguments& arguments, std::string_view option, Value& value) {
  const auto word = arguments.text(option);
  if (!word) return;
  const auto& words = words_of(value);
  if (std::find(words.begin(), words.end(), *word) == words.end())
    throw not_one_of(option, *word, {words.begin(), words.end()});
  restore(Json(*word), value);
}
void set_time(const commandline::Arguments& arguments, std::string_view option, std::chrono::seconds& value);

}  // namespace hsmbridge::rig
