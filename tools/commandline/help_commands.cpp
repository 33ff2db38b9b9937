#include "base/file.h"
#include "tools/commandline/help.h"

#include <fmt/core.h>

#include <algorithm>
#include <filesystem>

namespace hsmbridge::commandline {

namespace {

// ---- help -----------------------------------------------------------------------------------------------------------

// One line a topic.
std::string list_of(std::string_view program, const std::vector<Topic>& topics) {
  if (topics.empty()) return "";
  std::string text = fmt::format("topics, printed by {} help TOPIC:\n", program);
  for (const Topic& topic : topics) text += fmt::format("  {:13}  {}\n", topic.name, topic.summary);
  return text;
}

const Noun& noun_of(const Program& program, const std::string& name) {
  const auto found =
      std::find_if(program.nouns.begin(), program.nouns.end(), [&](const Noun& one) { return one.name == name; });
  if (found == program.nouns.end()) {
    throw Error{ErrorKind::invalid_input, fmt::format("\"{}\" has no manual page", safe(name))}.hint(
        fmt::format("{} --help lists the commands, which have one each", program.name));
  }
  return *found;
}

void write_pages(const Program& program, const std::filesystem::path& folder) {
  const auto write = [&](const std::string& name, const std::string& page) {
    write_file(folder / (name + ".1"), as_bytes(page), FileMode::public_0644, Existing::replace);
  };
  std::filesystem::create_directories(folder);
  write(std::string(program.name), man_page(program));
  for (const Noun& noun : program.nouns) {
    write(fmt::format("{}-{}", program.name, noun.name), man_page(program, noun));
  }
}

ExitCode help(Invocation& invocation) {
  const Program& program = invocation.program;
  const auto noun = invocation.arguments.text("NOUN");
  const auto verb = invocation.arguments.text("VERB");
  if (const auto folder = invocation.arguments.text("--man-pages")) {
    write_pages(program, *folder);
    return ExitCode::done;
  }
  if (invocation.arguments.has("--man")) {
    invocation.output.raw(noun ? man_page(program, noun_of(program, *noun)) : man_page(program));
    return ExitCode::done;
  }
  if (!noun) {
    const std::string topics = list_of(program.name, program.topics);
    invocation.output.raw(help_of_program(program) + (topics.empty() ? "" : "\n" + topics));
    return ExitCode::done;
  }
  const auto topic =
      std::find_if(program.topics.begin(), program.topics.end(), [&](const Topic& one) { return one.name == *noun; });
  if (topic != program.topics.end() && !verb) {
    invocation.output.raw(topic->text);
    return ExitCode::done;
  }
  bool found = false;
  for (const Command& command : program.commands) {
    if (command.noun != *noun) continue;
    found = true;
    if (command.verb == verb.value_or("")) {
      invocation.output.raw(help_of(program, command));
      return ExitCode::done;
    }
  }
  if (!found || verb) {
    throw Error{ErrorKind::invalid_input,
                fmt::format("\"{}{}\" is neither a command nor a help topic", *noun, verb ? " " + *verb : "")}
        .hint(fmt::format("{} help lists both", program.name));
  }
  invocation.output.raw(help_of_noun(program, *noun));
  return ExitCode::done;
}

// ---- completion -----------------------------------------------------------------------------------------------------

// Each script gives the words that were typed to `completion words`, so that what it offers is always what the program
// has. The program is the one of the PATH, whatever is being typed: a Tab runs no program of the folder one stands in.
// bash takes words apart at ":" and "=": they are put together, and what stands before the last is taken off again.
constexpr std::string_view kBash =
    R"(# bash completion for PROGRAM: source it, or put it into /usr/share/bash-completion/completions/PROGRAM
_FUNCTION() {
  local typed=() glued='' word lines before
  for word in "${COMP_WORDS[@]:1:COMP_CWORD}"; do
    if [[ ${#typed[@]} -gt 0 && ( -n $glued || $word == [:=]* ) ]]; then typed[-1]+=$word; else typed+=("$word"); fi
    if [[ $word == *[:=] ]]; then glued=yes; else glued=''; fi
  done
  mapfile -t lines < <(PROGRAM completion words -- "${typed[@]}" 2>/dev/null)
  before=${typed[-1]%"${typed[-1]##*[:=]}"}
  COMPREPLY=()
  for word in "${lines[@]:1}"; do
    word=${word%%$'\t'*}
    COMPREPLY+=("${word#"$before"}")
  done
  if [[ ${lines[0]} == files ]]; then
    compopt -o filenames 2>/dev/null
    mapfile -t -O ${#COMPREPLY[@]} COMPREPLY < <(compgen -f -- "${typed[-1]#"$before"}")
  fi
}
complete -F _FUNCTION PROGRAM
)";

constexpr std::string_view kZsh = R"(#compdef PROGRAM
# zsh completion for PROGRAM: as _PROGRAM in a folder of $fpath
local -a lines
lines=("${(@f)$(PROGRAM completion words -- "${(@Q)words[2,CURRENT-1]}" "$PREFIX" 2>/dev/null)}")
local files=$lines[1]
shift lines
lines=("${(@)lines//:/\\:}")
lines=("${(@)lines/$'\t'/:}")
local found=1
(( $#lines )) && _describe -V PROGRAM lines && found=0
[[ $files == files ]] && _files && found=0
return found
)";

constexpr std::string_view kFish = R"(# fish completion for PROGRAM: as PROGRAM.fish in ~/.config/fish/completions
function __FUNCTION_complete
    set -l typed (commandline -opc)
    set -l current (commandline -ct)
    set -l lines (command PROGRAM completion words -- $typed[2..-1] "$current" 2>/dev/null)
    printf '%s\n' $lines[2..-1]
    test "$lines[1]" = files; and __fish_complete_path "$current"
end
complete -c PROGRAM -f -a '(__FUNCTION_complete)'
)";

ExitCode print(Invocation& invocation, std::string_view script) {
  std::string function(invocation.program.name);
  std::replace(function.begin(), function.end(), '-', '_');
  std::string text(script);
  const auto replace = [&text](std::string_view what, std::string_view by) {
    for (std::size_t at = 0; (at = text.find(what, at)) != std::string::npos; at += by.size()) {
      text.replace(at, what.size(), by);
    }
  };
  replace("PROGRAM", invocation.program.name);
  replace("FUNCTION", function);
  invocation.output.raw(text);
  return ExitCode::done;
}

// First what kind of names may be there too, "files" or "words", then a line each: the word, a tab, its help.
ExitCode words(Invocation& invocation) {
  const Candidates candidates = complete(invocation.program, invocation.arguments.all("WORD"));
  std::string text = candidates.files ? "files\n" : "words\n";
  for (const auto& [word, help] : candidates.words) {
    text += safe(word) + (help.empty() ? "" : "\t" + safe(help)) + "\n";
  }
  invocation.output.raw(text);
  return ExitCode::done;
}

}  // namespace

std::vector<Command> help_commands(std::string_view program, const std::vector<Topic>& topics) {
  static const std::string details = list_of(program, topics);
  return {
      {"help",
       "",
       "Print help on a command or a topic, or a manual page",
       {{"--man", "", "the manual page, of the program or of NOUN, as roff (man -l - shows it)"},
        {"--man-pages", "DIRECTORY", "write the manual pages of the program and of every noun there"}},
       {{"NOUN", topics.empty() ? "a noun" : "a noun, or a topic", Times::once}, {"VERB", "a verb of it", Times::once}},
       help,
       {},
       details},
      {"completion",
       "bash",
       "Print a completion script for bash",
       {},
       {},
       [](Invocation& invocation) { return print(invocation, kBash); },
       {},
       ""},
      {"completion",
       "zsh",
       "Print a completion script for zsh",
       {},
       {},
       [](Invocation& invocation) { return print(invocation, kZsh); },
       {},
       ""},
      {"completion",
       "fish",
       "Print a completion script for fish",
       {},
       {},
       [](Invocation& invocation) { return print(invocation, kFish); },
       {},
       ""},
      {"completion",
       "words",
       "Print what may stand for the last word: the scripts ask this",
       {},
       {{"WORD", "what was typed after the program's name; before it all, two dashes", Times::many}},
       words,
       {},
       ""},
  };
}

}  // namespace hsmbridge::commandline
