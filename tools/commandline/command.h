#pragma once

#include "tools/commandline/exit_code.h"
#include "tools/commandline/output.h"

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

// A command is one row {noun, verb, help, options, arguments, function, exit codes}. The parser, --help at every level,
// the man page and the shell completion are all made from the rows.
namespace hsmbridge::commandline {

enum class Times {
  once,      // may be left out, at most once
  required,  // exactly once
  many,      // any number of times, one value each
};

// "--label LABEL". An option without a `value` is a flag: present or not.
struct Option {
  std::string_view name;  // with its dashes: "--label"
  std::string_view
      value;  // the placeholder in the help: "LABEL"; "" for a flag. FILE and DIRECTORY complete file names,
              // "pem|der" one of the words between the bars
  std::string_view help;  // one line, lower case, no full stop
  Times times = Times::once;
};

// An argument without dashes, in order. `required` or `once` (may be left out), or, for the last one only, `many`.
struct Positional {
  std::string_view name;  // "FILE": what stands in the usage line and what Arguments are asked for
  std::string_view help;
  Times times = Times::required;
};

// What was typed, after parsing. Asking for a name that is not in the command's row is an internal error.
class Arguments {
 public:
  using Values = std::map<std::string, std::vector<std::string>, std::less<>>;
  using InOrder = std::vector<std::pair<std::string, std::string>>;
  Arguments(std::vector<std::string> known, Values given, InOrder in_order);

  // By the name in the row: "--label", "FILE".
  bool has(std::string_view name) const;
  std::optional<std::string> text(std::string_view name) const;  // nothing when it was left out
  std::string text_or(std::string_view name, std::string_view fallback) const;
  std::string required(std::string_view name) const;  // for Times::required
  std::vector<std::string> all(std::string_view name) const;
  // A whole number between the bounds. Throws invalid_input naming the option and what was given.
  std::optional<long> number(std::string_view name, long least, long most) const;
  // Options that take a value as they were typed, for those whose order counts.
  const InOrder& in_order() const { return in_order_; }

 private:
  std::vector<std::string> known_;
  Values given_;
  InOrder in_order_;
  const std::vector<std::string>* find(std::string_view name) const;
};

struct Program;

// Everything a command gets.
struct Invocation {
  const Program& program;  // that it belongs to
  const Arguments& arguments;
  Output& output;
  // --config as given; else nothing, and config::find_configuration knows where to look.
  std::optional<std::filesystem::path> config;
};

struct Command {
  std::string_view noun;
  std::string_view verb;  // "" when the noun alone is the command: `run`, `doctor`, `enroll`
  std::string_view help;  // one line, begins with a verb in the imperative, no full stop
  std::vector<Option> options;
  std::vector<Positional> positionals;
  // Throws Error; `main` reports it and exits by exit_code_of.
  ExitCode (*run)(Invocation&);
  // Beside `done` and `usage`, which every command can give.
  std::vector<ExitCode> exits;
  // Paragraphs and examples for --help and the man page; may be empty. Lines flow into paragraphs, except those that
  // begin with a blank: they are printed as they stand.
  std::string_view details;
};

// Row of the list of nouns in the top-level help.
struct Noun {
  std::string_view name;
  std::string_view help;
};

// A page of reference, printed by `PROGRAM help TOPIC`.
struct Topic {
  std::string_view name;
  std::string_view summary;  // one line
  std::string_view text;
};

// What is known of the world while words are completed.
struct Typed {
  const Command& command;
  std::optional<std::filesystem::path> config;  // --config as typed
};

// A whole program.
struct Program {
  std::string_view name;         // "hsmbridge": what is typed, and what messages begin with
  std::string_view what;         // after the name in the help: one line
  std::string_view description;  // of the manual page, roff
  std::vector<Option> options;   // what every command takes
  std::vector<Noun> nouns;
  std::vector<Command> commands;
  std::vector<Topic> topics = {};
  // What may stand for an option's value or an argument, by its name in the row ("--token", "TOKEN"), for the
  // completion. Asks nobody, opens no token and no connection; gives nothing where it knows nothing. May throw Error.
  std::vector<std::string> (*values)(const Typed& typed, std::string_view name) = nullptr;
};

// Finds the command, parses its arguments (only this command's parser is built), runs it, reports an Error on standard
// error. The program's own options (--config FILE, --json, -q, -v, --help, --version: those that it has) may stand
// anywhere. Returns the exit code. Never throws.
int run_program(const Program& program, int argc, const char* const* argv);

}  // namespace hsmbridge::commandline
