#include "base/log.h"
#include "tools/commandline/command.h"
#include "tools/commandline/help.h"

#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <utility>

namespace hsmbridge::commandline {

namespace {

// The words before parsing: which command, and what is left for its parser.
struct Words {
  const Command* command = nullptr;
  std::string noun;  // set also when the verb is missing
  std::vector<std::string> rest;
  bool help = false;
  bool version = false;
};

std::vector<std::string> names_of(const std::vector<Noun>& nouns) {
  std::vector<std::string> names;
  for (const Noun& noun : nouns) names.emplace_back(noun.name);
  return names;
}

Error with_suggestion(Error error, const std::string& word, std::string_view otherwise) {
  error.hint(word.empty() ? std::string(otherwise) : fmt::format("did you mean {}?", word));
  return error;
}

// Noun and verb are the first two words that are neither an option nor the value of --config; the options of a command
// stand after its verb. Only this command's parser is built: all of them cost 5 ms.
Words find_command(const Program& program, int argc, const char* const* argv) {
  Words words;
  bool only_arguments = false;  // after "--"
  bool nothing_more = false;    // noun and verb are known
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    if (!only_arguments) {
      if (word == "--") only_arguments = true;
      if (word == "--help" || word == "-h") words.help = true;
      if (word == "--version") words.version = true;
      if (word == "--config" && i + 1 < argc) {
        words.rest.push_back(word);
        words.rest.emplace_back(argv[++i]);
        continue;
      }
    }
    const bool is_option = word.size() > 1 && word[0] == '-';
    if (only_arguments || is_option || nothing_more) {
      words.rest.push_back(word);
      continue;
    }
    if (words.noun.empty()) {
      std::vector<std::string> verbs;
      for (const Command& command : program.commands) {
        if (command.noun != word) continue;
        words.noun = word;
        if (command.verb.empty()) {
          words.command = &command;
          nothing_more = true;
        }
      }
      if (words.noun.empty()) {
        throw with_suggestion(Error{ErrorKind::invalid_input, fmt::format("there is no command \"{}\"", word)},
                              closest(word, names_of(program.nouns)),
                              fmt::format("{} --help lists them", program.name));
      }
      continue;
    }
    std::vector<std::string> verbs;
    for (const Command& command : program.commands) {
      if (command.noun != words.noun) continue;
      verbs.emplace_back(command.verb);
      if (command.verb == word) words.command = &command;
    }
    if (words.command == nullptr) {
      throw with_suggestion(
          Error{ErrorKind::invalid_input, fmt::format("there is no command \"{} {}\"", words.noun, word)},
          closest(word, verbs).empty() ? "" : fmt::format("{} {}", words.noun, closest(word, verbs)),
          fmt::format("{} {} --help lists what there is", program.name, words.noun));
    }
    nothing_more = true;
  }
  return words;
}

struct Globals {
  std::optional<std::string> config;
  Format format = Format::text;
  Verbosity verbosity = Verbosity::normal;
};

// The parser of one command. Options are declared without a variable and their results read as they were typed: CLI11
// would otherwise give "{}" and "[…]" a meaning of its own.
class Parser {
 public:
  Parser(const Program& program, const Command& command) : program_(program), command_(command) {
    app_.set_help_flag("");
    app_.allow_extras();
    for (const Option& option : program_.options) add(option);
    for (const Option& option : command.options) add(option);
  }

  // The globals are kept apart: a command has no business with them.
  std::pair<Globals, Arguments> parse(std::vector<std::string> words) {
    // What stands after "--" is an argument whatever it looks like.
    std::vector<std::string> plain;
    const auto end = std::find(words.begin(), words.end(), "--");
    if (end != words.end()) plain.assign(end + 1, words.end());
    words.erase(end, words.end());

    check_values(words);
    std::reverse(words.begin(), words.end());
    app_.parse(std::move(words));
    std::vector<std::string> arguments = app_.remaining();
    for (const std::string& word : arguments) {
      if (word.size() > 1 && word[0] == '-') throw unknown(word);
    }
    arguments.insert(arguments.end(), plain.begin(), plain.end());
    Arguments::Values values;
    std::vector<std::string> known;
    for (const Option& option : command_.options) {
      const std::string name(option.name);
      known.push_back(name);
      const CLI::Option* parsed = app_.get_option(name);
      if (parsed->count() == 0 && option.times == Times::required) {
        throw Error{ErrorKind::invalid_input, fmt::format("{} {} is missing", option.name, option.value)}.hint(usage());
      }
      if (parsed->count() > 1 && option.times != Times::many) {
        throw Error{ErrorKind::invalid_input, fmt::format("{} may be given once only", option.name)};
      }
      if (parsed->count() != 0) values[name] = option.value.empty() ? std::vector<std::string>{} : parsed->results();
    }
    place(arguments, known, values);
    return {globals(), Arguments(std::move(known), std::move(values), std::move(in_order_))};
  }

 private:
  void add(const Option& option) {
    const std::string name(option.name);
    if (option.value.empty()) {
      app_.add_flag(name);
    } else {
      app_.add_option(name)->expected(1)->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)->allow_extra_args(false);
    }
  }

  const Option* find(const std::string& name) const {
    for (const std::vector<Option>* options : {&command_.options, &program_.options}) {
      for (const Option& option : *options) {
        if (option.name == name) return &option;
      }
    }
    return nullptr;
  }

  // CLI11 takes whatever follows as a value, also another option of ours, and lets a flag have one.
  void check_values(const std::vector<std::string>& words) {
    for (std::size_t i = 0; i < words.size(); ++i) {
      const std::string name = words[i].substr(0, words[i].find('='));
      const Option* option = find(name);
      if (option == nullptr) continue;
      const bool joined = name.size() != words[i].size();
      if (option->value.empty()) {
        if (joined) throw Error{ErrorKind::invalid_input, fmt::format("{} takes no value", name)}.hint(usage());
      } else if (!joined) {
        if (i + 1 == words.size() || find(words[i + 1]) != nullptr) {
          throw Error{ErrorKind::invalid_input, fmt::format("{} requires a value: {}", name, option->value)}.hint(
              usage());
        }
        in_order_.emplace_back(name, words[++i]);
      } else {
        in_order_.emplace_back(name, words[i].substr(name.size() + 1));
      }
    }
  }

  void place(const std::vector<std::string>& arguments, std::vector<std::string>& known, Arguments::Values& values) {
    std::size_t next = 0;
    for (const Positional& positional : command_.positionals) {
      const std::string name(positional.name);
      known.push_back(name);
      const std::size_t left = arguments.size() - next;
      if (left == 0) {
        if (positional.times == Times::once) continue;
        throw Error{ErrorKind::invalid_input, fmt::format("{} is missing: {}", positional.name, positional.help)}.hint(
            usage());
      }
      const std::size_t take = positional.times == Times::many ? left : 1;
      for (std::size_t i = 0; i < take; ++i) values[name].push_back(arguments[next++]);
    }
    if (next < arguments.size()) {
      throw Error{ErrorKind::invalid_input,
                  fmt::format("{} takes no argument \"{}\"", name_of(command_), safe(arguments[next]))}
          .hint(usage());
    }
  }

  std::size_t count(const std::string& name) const { return find(name) == nullptr ? 0 : app_.count(name); }

  Globals globals() {
    Globals result;
    if (count("--config") > 1) throw Error{ErrorKind::invalid_input, "--config may be given once only"};
    if (count("--config") == 1) result.config = app_.get_option("--config")->results().front();
    if (count("--json") != 0) result.format = Format::json;
    const std::size_t verbose = count("-v");
    if (verbose == 1) result.verbosity = Verbosity::verbose;
    if (verbose > 1) result.verbosity = Verbosity::debug;
    if (count("-q") != 0) result.verbosity = Verbosity::quiet;
    return result;
  }

  std::string usage() const { return usage_of(program_, command_); }

  Error unknown(const std::string& word) const {
    std::vector<std::string> names;
    for (const Option& option : command_.options) names.emplace_back(option.name);
    for (const Option& option : program_.options) names.emplace_back(option.name);
    const std::string name = word.substr(0, word.find('='));
    return with_suggestion(
        Error{ErrorKind::invalid_input, fmt::format("{} has no option {}", name_of(command_), safe(name))},
        closest(name, names), fmt::format("{} {} --help lists them", program_.name, name_of(command_)));
  }

  const Program& program_;
  const Command& command_;
  CLI::App app_;
  Arguments::InOrder in_order_;
};

log::Level level_of(Verbosity verbosity) {
  switch (verbosity) {
    case Verbosity::quiet:
      return log::Level::quiet;
    case Verbosity::normal:
      return log::Level::normal;
    case Verbosity::verbose:
      return log::Level::verbose;
    case Verbosity::debug:
      return log::Level::debug;
  }
  return log::Level::normal;
}

// What the checks before left to CLI11.
Error usage_error(const CLI::ParseError& error, const Program& program, const Command& command) {
  return Error{ErrorKind::invalid_input, error.what()}.hint(usage_of(program, command));
}

int run_found(const Program& program, Words words) {
  if (words.version) {
    Output{program.name, Format::text, Verbosity::normal}.raw(fmt::format("{} {}\n", program.name, HSMBRIDGE_VERSION));
    return 0;
  }
  if (words.help || words.noun.empty() || words.command == nullptr) {
    const std::string text = words.command != nullptr ? help_of(program, *words.command)
                             : !words.noun.empty()    ? help_of_noun(program, words.noun)
                                                      : help_of_program(program);
    if (words.help) {
      Output{program.name, Format::text, Verbosity::normal}.raw(text);
      return 0;
    }
    throw Error{ErrorKind::invalid_input,
                words.noun.empty() ? "no command was given" : fmt::format("{} requires a verb", words.noun)}
        .hint(words.noun.empty() ? fmt::format("{} --help lists them", program.name)
                                 : fmt::format("{} {} --help lists what there is", program.name, words.noun));
  }
  const Command& command = *words.command;
  Parser parser(program, command);
  Globals globals;
  std::optional<Arguments> arguments;
  try {
    auto parsed = parser.parse(std::move(words.rest));
    globals = std::move(parsed.first);
    arguments.emplace(std::move(parsed.second));
  } catch (const CLI::ParseError& error) {
    throw usage_error(error, program, command);
  }
  log::set_level(level_of(globals.verbosity));
  Output output(program.name, globals.format, globals.verbosity);
  Invocation invocation{program, *arguments, output, globals.config};
  return static_cast<int>(command.run(invocation));
}

}  // namespace

int run_program(const Program& program, int argc, const char* const* argv) {
  // A usage error must come in the asked form even when parsing never got to --json.
  Format format = Format::text;
  for (int i = 1; i < argc && std::string_view(argv[i]) != "--"; ++i) {
    if (std::string_view(argv[i]) == "--json") format = Format::json;
  }
  try {
    return run_found(program, find_command(program, argc, argv));
  } catch (...) {
    const Error error = current_error();
    Output(program.name, format, Verbosity::normal).report(error);
    return static_cast<int>(exit_code_of(error.kind()));
  }
}

}  // namespace hsmbridge::commandline
