#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace hsmbridge::rig {

struct Flag {
  std::string_view name;   // "--dir"
  std::string_view value;  // what its value is called, "DIR"; "" for a flag without one
  std::string_view help;
};

class Arguments;

// A row of the table of commands.
struct Command {
  std::string_view words;  // "serve tsb"
  std::string_view help;   // one sentence
  std::vector<Flag> flags;
  int (*run)(const Arguments&);
};

// The flags of one command line. Each is given as "--name value" or "--name=value"; only flags of the command are
// known.
class Arguments {
 public:
  // Throws invalid_input for an unknown flag, a missing value, or a word that is no flag.
  Arguments(const Command& command, const std::vector<std::string>& words);

  bool has(std::string_view flag) const;
  std::optional<std::string> value(std::string_view flag) const;  // the last one given
  std::string value_or(std::string_view flag, std::string_view fallback) const;
  std::string required(std::string_view flag) const;  // throws invalid_input
  std::vector<std::string> values(std::string_view flag) const;
  std::optional<std::int64_t> number(std::string_view flag) const;  // throws invalid_input
  // Flags and values as they were given, for flags whose order counts.
  const std::vector<std::pair<std::string, std::string>>& in_order() const { return given_; }

 private:
  std::vector<std::pair<std::string, std::string>> given_;
};

// Finds the command in the table, answers --help and --version, runs it, and prints an error to stderr.
// Exit codes: 0 done, 1 failed, 2 usage, 4 refused, 5 unavailable.
int run_command(const std::vector<Command>& commands, const std::vector<std::string>& words);

}  // namespace hsmbridge::rig
