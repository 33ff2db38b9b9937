#include "tools/commandline/help.h"
#include "tools/hsmbridge/command/commands.h"

namespace hsmbridge::cli {

namespace {

ExitCode help(Invocation& invocation) {
  const commandline::Program program = whole_program();
  if (invocation.arguments.has("--man")) {
    invocation.output.raw(commandline::man_page(program));
    return ExitCode::done;
  }
  const auto noun = invocation.arguments.text("NOUN");
  const auto verb = invocation.arguments.text("VERB");
  if (!noun) {
    invocation.output.raw(commandline::help_of_program(program));
    return ExitCode::done;
  }
  bool found = false;
  for (const Command& command : program.commands) {
    if (command.noun != *noun) continue;
    found = true;
    if (command.verb == verb.value_or("")) {
      invocation.output.raw(commandline::help_of(program, command));
      return ExitCode::done;
    }
  }
  if (!found || verb) {
    throw Error{ErrorKind::invalid_input, "there is no command \"" + *noun + (verb ? " " + *verb : "") + "\""}.hint(
        "hsmbridge --help lists them");
  }
  invocation.output.raw(commandline::help_of_noun(program, *noun));
  return ExitCode::done;
}

ExitCode completion(Invocation& invocation) {
  invocation.output.raw(commandline::bash_completion(whole_program()));
  return ExitCode::done;
}

}  // namespace

std::vector<Command> help_commands() {
  return {
      {"help",
       "",
       "Print help, or the manual page",
       {{"--man", "", "the whole manual page hsmbridge(1), as roff"}},
       {{"NOUN", "a noun", commandline::Times::once}, {"VERB", "a verb of it", commandline::Times::once}},
       help,
       {},
       "hsmbridge help --man | man -l -\n"},
      {"completion",
       "bash",
       "Print a completion script for bash",
       {},
       {},
       completion,
       {},
       "source <(hsmbridge completion bash)\n"},
  };
}

}  // namespace hsmbridge::cli
