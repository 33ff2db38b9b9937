#include "tools/commandline/help.h"

#include <fmt/core.h>

namespace hsmbridge::commandline {

namespace {

bool names_a_file(std::string_view placeholder) {
  return placeholder == "FILE" || placeholder == "DIRECTORY" || placeholder == "PATH";
}

}  // namespace

// The words of each command stand in a table of the script; completing is looking up. Nothing runs the program.
std::string bash_completion(const Program& program) {
  std::string nouns;
  for (const Noun& noun : program.nouns) nouns += fmt::format("{} ", noun.name);
  std::string globals;
  std::string files = "--config";
  std::string values;  // options that take a value that is no file: nothing is offered
  for (const Option& option : program.options) globals += fmt::format("{} ", option.name);

  std::string rows;
  std::string with_verbs;
  for (const Noun& noun : program.nouns) {
    std::string verbs;
    for (const Command& command : program.commands) {
      if (command.noun == noun.name && !command.verb.empty()) verbs += fmt::format("{} ", command.verb);
    }
    if (!verbs.empty()) with_verbs += fmt::format("{} ", noun.name);
    if (!verbs.empty()) rows += fmt::format("    '{}') words='{}' ;;\n", noun.name, verbs);
  }
  for (const Command& command : program.commands) {
    std::string words;
    for (const Option& option : command.options) {
      words += fmt::format("{} ", option.name);
      const std::string entry = fmt::format("|{}", option.name);
      std::string& list = names_a_file(option.value) ? files : values;
      if (!option.value.empty() && (list + "|").find(entry + "|") == std::string::npos) list += entry;
    }
    bool file_argument = false;
    for (const Positional& positional : command.positionals) file_argument |= names_a_file(positional.name);
    rows += fmt::format("    '{}') words='{}'{} ;;\n", name_of(command), words, file_argument ? " files=1" : "");
  }
  if (!values.empty()) values.erase(0, 1);

  return fmt::format(
      R"(# bash completion for hsmbridge: source it, or put it into /usr/share/bash-completion/completions/hsmbridge
_hsmbridge() {{
  local current=${{COMP_WORDS[COMP_CWORD]}} previous=${{COMP_WORDS[COMP_CWORD-1]}} command='' words='' files='' i word skip=''
  COMPREPLY=()
  case $previous in
    {files}) COMPREPLY=($(compgen -f -- "$current")); return ;;
    {values}) return ;;
  esac
  for ((i = 1; i < COMP_CWORD; i++)); do
    word=${{COMP_WORDS[i]}}
    if [[ $skip ]]; then skip=''; continue; fi
    case $word in
      --config) skip=1 ;;
      -*) ;;
      *) if [[ -z $command ]]; then command=$word
         elif [[ ' {with_verbs}' == *" $command "* ]]; then command="$command $word"
         fi ;;
    esac
  done
  case $command in
    '') words='{nouns}' ;;
{rows}  esac
  [[ $current == -* ]] && words="$words {globals}"
  COMPREPLY=($(compgen -W "$words" -- "$current"))
  [[ $files && $current != -* ]] && COMPREPLY+=($(compgen -f -- "$current"))
}}
complete -o filenames -F _hsmbridge hsmbridge
)",
      fmt::arg("files", files), fmt::arg("values", values.empty() ? "--" : values), fmt::arg("nouns", nouns),
      fmt::arg("rows", rows), fmt::arg("with_verbs", with_verbs), fmt::arg("globals", globals));
}

}  // namespace hsmbridge::commandline
