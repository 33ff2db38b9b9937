#include "tools/hsmbridge/commands.h"

#include <iterator>

namespace hsmbridge::cli {

std::vector<commandline::Noun> all_nouns() {
  return {
      {"help", "help, manual page"},
      {"completion", "completion for a shell"},
  };
}

std::vector<Command> all_commands() {
  std::vector<Command> commands;
  for (const auto rows : {help_commands}) {
    std::vector<Command> more = rows();
    commands.insert(commands.end(), std::make_move_iterator(more.begin()), std::make_move_iterator(more.end()));
  }
  return commands;
}

}  // namespace hsmbridge::cli
