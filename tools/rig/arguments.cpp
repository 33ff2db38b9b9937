#include "tools/rig/arguments.h"

#include "base/error.h"

#include <fmt/core.h>

#include <algorithm>
#include <charconv>
#include <cstdio>

namespace hsmbridge::rig {
namespace {

void print_help(const std::vector<Command>& commands) {
  fmt::print("hsmbridge-rig {}: simulated certificate providers on 127.0.0.1, for tests and rehearsals\n\n",
             HSMBRIDGE_VERSION);
  for (const Command& command : commands) fmt::print("  hsmbridge-rig {:<16}  {}\n", command.words, command.help);
  fmt::print("\n'hsmbridge-rig COMMAND --help' lists the flags of a command.\n");
}

void print_help(const Command& command) {
  fmt::print("hsmbridge-rig {}: {}\n\n", command.words, command.help);
  for (const Flag& flag : command.flags) {
    fmt::print("  {:<32}{}\n", fmt::format("{} {}", flag.name, flag.value), flag.help);
  }
}

bool asks_for_help(const std::string& word) {
  return word == "--help" || word == "-h" || word == "help";
}

int exit_code(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::invalid_input:
      return 2;
    case ErrorKind::denied:
    case ErrorKind::refused:
      return 4;
    case ErrorKind::unavailable:
      return 5;
    default:
      return 1;
  }
}

void print_error(const Error& error) {
  fmt::print(stderr, "hsmbridge-rig: {}\n", error.message());
  if (!error.hint().empty()) fmt::print(stderr, "hint: {}\n", error.hint());
}

}  // namespace

Arguments::Arguments(const Command& command, const std::vector<std::string>& words) {
  for (std::size_t i = 0; i < words.size(); ++i) {
    const std::size_t equals = words[i].find('=');
    const std::string name = words[i].substr(0, equals);
    const auto flag = std::find_if(command.flags.begin(), command.flags.end(),
                                   [&name](const Flag& known) { return known.name == name; });
    if (flag == command.flags.end()) {
      throw Error{ErrorKind::invalid_input, fmt::format("'{}' is not known to 'hsmbridge-rig {}'", name, command.words)}
          .hint(fmt::format("see 'hsmbridge-rig {} --help'", command.words));
    }
    if (flag->value.empty()) {
      if (equals != std::string::npos) {
        throw Error{ErrorKind::invalid_input, fmt::format("'{}' takes no value", name)};
      }
      given_.emplace_back(name, "");
    } else if (equals != std::string::npos) {
      given_.emplace_back(name, words[i].substr(equals + 1));
    } else if (i + 1 < words.size()) {
      given_.emplace_back(name, words[++i]);
    } else {
      throw Error{ErrorKind::invalid_input, fmt::format("'{}' needs a value: {} {}", name, name, flag->value)};
    }
  }
}

bool Arguments::has(std::string_view flag) const {
  return !values(flag).empty();
}

std::optional<std::string> Arguments::value(std::string_view flag) const {
  const std::vector<std::string> all = values(flag);
  if (all.empty()) return std::nullopt;
  return all.back();
}

std::string Arguments::value_or(std::string_view flag, std::string_view fallback) const {
  return value(flag).value_or(std::string(fallback));
}

std::string Arguments::required(std::string_view flag) const {
  const std::optional<std::string> found = value(flag);
  if (!found) throw Error{ErrorKind::invalid_input, fmt::format("{} is missing", flag)};
  return *found;
}

std::vector<std::string> Arguments::values(std::string_view flag) const {
  std::vector<std::string> found;
  for (const auto& [name, value] : given_) {
    if (name == flag) found.push_back(value);
  }
  return found;
}

std::optional<std::int64_t> Arguments::number(std::string_view flag) const {
  const std::optional<std::string> text = value(flag);
  if (!text) return std::nullopt;
  std::int64_t number = 0;
  const auto [end, code] = std::from_chars(text->data(), text->data() + text->size(), number);
  if (code != std::errc{} || end != text->data() + text->size()) {
    throw Error{ErrorKind::invalid_input, fmt::format("{} needs a whole number, not '{}'", flag, *text)};
  }
  return number;
}

int run_command(const std::vector<Command>& commands, const std::vector<std::string>& words) {
  if (words.empty() || asks_for_help(words[0])) {
    print_help(commands);
    return words.empty() ? 2 : 0;
  }
  if (words[0] == "--version") {
    fmt::print("hsmbridge-rig {}\n", HSMBRIDGE_VERSION);
    return 0;
  }
  for (const Command& command : commands) {
    const std::size_t count = command.words.find(' ') == std::string_view::npos ? 1 : 2;
    if (words.size() < count) continue;
    const std::string given = count == 1 ? words[0] : words[0] + " " + words[1];
    if (given != command.words) continue;
    const std::vector<std::string> rest(words.begin() + static_cast<std::ptrdiff_t>(count), words.end());
    if (std::any_of(rest.begin(), rest.end(), asks_for_help)) {
      print_help(command);
      return 0;
    }
    try {
      return command.run(Arguments(command, rest));
    } catch (...) {
      const Error error = current_error();
      print_error(error);
      return exit_code(error.kind());
    }
  }
  fmt::print(stderr, "hsmbridge-rig: there is no command '{}'\nhint: see 'hsmbridge-rig --help'\n", words[0]);
  return 2;
}

}  // namespace hsmbridge::rig
