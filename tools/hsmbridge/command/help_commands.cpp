#include "tools/commandline/help.h"
#include "tools/hsmbridge/command/commands.h"
#include "tools/hsmbridge/text/pages.h"

#include <fmt/core.h>

#include <algorithm>

namespace hsmbridge::cli {

namespace {

// One line a topic.
const std::string& topics() {
  static const std::string all = [] {
    std::string text = "topics, printed by hsmbridge help TOPIC:\n";
    for (const Page& page : pages()) text += fmt::format("  {:13}  {}\n", page.topic, page.summary);
    return text;
  }();
  return all;
}

ExitCode help(Invocation& invocation) {
  const commandline::Program program = whole_program();
  if (invocation.arguments.has("--man")) {
    invocation.output.raw(commandline::man_page(program));
    return ExitCode::done;
  }
  const auto noun = invocation.arguments.text("NOUN");
  const auto verb = invocation.arguments.text("VERB");
  if (!noun) {
    invocation.output.raw(commandline::help_of_program(program) + "\n" + topics());
    return ExitCode::done;
  }
  const auto page = std::find_if(pages().begin(), pages().end(), [&](const Page& one) { return one.topic == *noun; });
  if (page != pages().end() && !verb) {
    invocation.output.raw(std::string(page->text));
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
    throw Error{ErrorKind::invalid_input,
                fmt::format("\"{}{}\" is neither a command nor a help topic", *noun, verb ? " " + *verb : "")}
        .hint("hsmbridge help lists both");
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
  static const std::string details = "  hsmbridge help configuration\n  hsmbridge help --man | man -l -\n\n" + topics();
  return {
      {"help",
       "",
       "Print help on a command or a topic, or the manual page",
       {{"--man", "", "the whole manual page hsmbridge(1), as roff"}},
       {{"NOUN", "a noun, or a topic", commandline::Times::once}, {"VERB", "a verb of it", commandline::Times::once}},
       help,
       {},
       details},
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
