#pragma once

#include "tools/commandline/command.h"

#include <string>
#include <string_view>
#include <vector>

// Text made from the rows. Plain, at most 80 columns wide.
namespace hsmbridge::commandline {

// "token list", "run".
std::string name_of(const Command& command);
// "hsmbridge key show [options] KEY".
std::string usage_of(const Program& program, const Command& command);

// Every code that a command can exit with, and that any command can; by number.
std::vector<ExitCode> exits_of(const Command& command);
const std::vector<ExitCode>& every_exit_code();

std::string help_of_program(const Program& program);
std::string help_of_noun(const Program& program, std::string_view noun);
std::string help_of(const Program& program, const Command& command);

// A command's `details` broken at 80 columns.
std::string flowing(std::string_view details);

// Manual pages, section 1, roff with the man macros: of the program, and of one of its nouns (PROGRAM-NOUN).
std::string man_page(const Program& program);
std::string man_page(const Program& program, const Noun& noun);

// What may stand for the last of `typed`, the words after the program's name; it may be "" or a beginning.
struct Candidates {
  struct Word {
    std::string text;
    std::string help;  // one line, or ""
  };
  bool files = false;  // the name of a file too
  std::vector<Word> words;
};
Candidates complete(const Program& program, const std::vector<std::string>& typed);

// The commands that every program has: `help`, also for its topics, and `completion` with the scripts of the shells,
// which call `completion words`. Once a process: the texts are made of the first call's topics.
std::vector<Command> help_commands(std::string_view program, const std::vector<Topic>& topics);
inline constexpr Noun kHelpNoun{"help", "help on commands and topics, manual pages"};
inline constexpr Noun kCompletionNoun{"completion", "completion for a shell"};

// The word of `known` that `typed` most likely meant, or "".
std::string closest(std::string_view typed, const std::vector<std::string>& known);

}  // namespace hsmbridge::commandline
