#include "tools/commandline/help.h"

#include <fmt/core.h>

#include <algorithm>
#include <numeric>

namespace hsmbridge::commandline {

namespace {

constexpr std::size_t kWidth = 80;

// Two columns: what to type, and what it does, wrapped beside it. An entry too wide for the left column gets a line of
// its own.
struct Entry {
  std::string left;
  std::string right;
};

std::string two_columns(const std::vector<Entry>& entries) {
  constexpr std::size_t kMost = 30;
  std::size_t widest = 0;
  for (const Entry& entry : entries) {
    if (columns(entry.left) <= kMost) widest = std::max(widest, columns(entry.left));
  }
  const std::size_t indent = widest + 4;
  std::string result;
  for (const Entry& entry : entries) {
    std::string line = "  " + entry.left;
    const std::size_t used = columns(line);
    if (used + 2 > indent) {
      line += '\n';
      line.append(indent, ' ');
    } else {
      line.append(indent - used, ' ');
    }
    // wrapped() counts from the start of its text: the first line has `indent` columns less as well.
    std::string text = wrapped(entry.right, kWidth - indent, 0);
    for (std::size_t at = 0; (at = text.find('\n', at)) != std::string::npos; at += indent + 1) {
      text.insert(at + 1, indent, ' ');
    }
    result += line + text + "\n";
  }
  return result;
}

std::string option_text(const Option& option) {
  return option.value.empty() ? std::string(option.name) : fmt::format("{} {}", option.name, option.value);
}

std::vector<Entry> option_entries(const std::vector<Option>& options) {
  std::vector<Entry> entries;
  for (const Option& option : options) {
    std::string help(option.help);
    if (option.times == Times::required) help += " (required)";
    if (option.times == Times::many) help += " (repeatable)";
    entries.push_back({option_text(option), std::move(help)});
  }
  return entries;
}

std::string exit_list(const std::vector<ExitCode>& codes) {
  std::vector<Entry> entries;
  for (const ExitCode code : codes) {
    entries.push_back({std::to_string(static_cast<int>(code)), std::string(explanation(code))});
  }
  return two_columns(entries);
}

}  // namespace

std::vector<ExitCode> exits_of(const Command& command) {
  std::vector<ExitCode> codes = command.exits;
  codes.push_back(ExitCode::done);
  codes.push_back(ExitCode::usage);
  std::sort(codes.begin(), codes.end());
  codes.erase(std::unique(codes.begin(), codes.end()), codes.end());
  return codes;
}

const std::vector<ExitCode>& every_exit_code() {
  static const std::vector<ExitCode> codes = {ExitCode::done,      ExitCode::failed,  ExitCode::usage,
                                              ExitCode::pending,   ExitCode::refused, ExitCode::unavailable,
                                              ExitCode::unresolved};
  return codes;
}

std::string name_of(const Command& command) {
  return command.verb.empty() ? std::string(command.noun) : fmt::format("{} {}", command.noun, command.verb);
}

std::string usage_of(const Program& program, const Command& command) {
  std::string text = fmt::format("{} {}", program.name, name_of(command));
  for (const Option& option : command.options) {
    if (option.times == Times::required) text += " " + option_text(option);
  }
  if (std::any_of(command.options.begin(), command.options.end(),
                  [](const Option& option) { return option.times != Times::required; })) {
    text += " [options]";
  }
  for (const Positional& positional : command.positionals) {
    switch (positional.times) {
      case Times::required:
        text += fmt::format(" {}", positional.name);
        break;
      case Times::once:
        text += fmt::format(" [{}]", positional.name);
        break;
      case Times::many:
        text += fmt::format(" {}…", positional.name);
        break;
    }
  }
  return text;
}

std::string help_of_program(const Program& program) {
  std::string text = fmt::format("{0}: {1}\n\nusage: {0} NOUN VERB [options]\n\n", program.name, program.what);
  std::vector<Entry> entries;
  for (const Noun& noun : program.nouns) {
    std::string verbs;
    for (const Command& command : program.commands) {
      if (command.noun == noun.name && !command.verb.empty()) {
        verbs += (verbs.empty() ? "" : "|") + std::string(command.verb);
      }
    }
    std::string help(noun.help);
    if (!verbs.empty()) help += ": " + verbs;
    entries.push_back({std::string(noun.name), std::move(help)});
  }
  // A list of verbs is one word to wrapped(): let it break at its bars.
  for (Entry& entry : entries) {
    std::string spaced;
    for (const char c : entry.right) spaced += c == '|' ? std::string(", ") : std::string(1, c);
    entry.right = std::move(spaced);
  }
  text += two_columns(entries);
  text += "\noptions, anywhere:\n" + two_columns(option_entries(program.options));
  text += "\nexit codes:\n" + exit_list(every_exit_code());
  text += fmt::format("\n{0} NOUN --help and {0} NOUN VERB --help say more.\n", program.name);
  return text;
}

std::string help_of_noun(const Program& program, std::string_view noun) {
  std::string text;
  for (const Noun& row : program.nouns) {
    if (row.name == noun) text = fmt::format("{} {}: {}\n\n", program.name, noun, row.help);
  }
  std::vector<Entry> entries;
  for (const Command& command : program.commands) {
    if (command.noun == noun) entries.push_back({name_of(command), std::string(command.help)});
  }
  text += two_columns(entries);
  text += fmt::format("\n{} {} VERB --help says more.\n", program.name, noun);
  return text;
}

std::string help_of(const Program& program, const Command& command) {
  std::string text = fmt::format("{}\n\nusage: {}\n", wrapped(command.help, kWidth, 0),
                                 wrapped(usage_of(program, command), kWidth - 7, 9));
  if (!command.positionals.empty()) {
    std::vector<Entry> entries;
    for (const Positional& positional : command.positionals) {
      entries.push_back({std::string(positional.name), std::string(positional.help)});
    }
    text += "\narguments:\n" + two_columns(entries);
  }
  if (!command.options.empty()) text += "\noptions:\n" + two_columns(option_entries(command.options));
  if (!command.details.empty()) text += "\n" + flowing(command.details);
  text += "\nexit codes:\n" + exit_list(exits_of(command));
  std::string everywhere;
  for (const Option& option : program.options) {
    if (option.name == "--help" || option.name == "--version") continue;
    everywhere += (everywhere.empty() ? "" : ", ") + option_text(option);
  }
  if (!everywhere.empty()) {
    text += fmt::format("\nOptions of every command: {} ({} --help).\n", everywhere, program.name);
  }
  return text;
}

std::string flowing(std::string_view details) {
  std::string result;
  std::string paragraph;
  const auto end_paragraph = [&] {
    if (!paragraph.empty()) result += wrapped(paragraph, kWidth, 0) + "\n";
    paragraph.clear();
  };
  while (!details.empty()) {
    const std::size_t end = std::min(details.find('\n'), details.size());
    const std::string_view line = details.substr(0, end);
    details.remove_prefix(std::min(end + 1, details.size()));
    if (!line.empty() && line.front() != ' ') {
      paragraph += (paragraph.empty() ? "" : " ") + std::string(line);
      continue;
    }
    end_paragraph();
    result += std::string(line) + "\n";
  }
  end_paragraph();
  return result;
}

std::string closest(std::string_view typed, const std::vector<std::string>& known) {
  std::string best;
  std::size_t best_distance = 3;  // two slips are a typing error, three are another word
  for (const std::string& word : known) {
    // Levenshtein's distance, one row at a time.
    std::vector<std::size_t> row(word.size() + 1);
    std::iota(row.begin(), row.end(), std::size_t{0});
    for (std::size_t i = 1; i <= typed.size(); ++i) {
      std::size_t diagonal = row[0];
      row[0] = i;
      for (std::size_t j = 1; j <= word.size(); ++j) {
        const std::size_t above = row[j];
        row[j] = std::min({above + 1, row[j - 1] + 1, diagonal + (typed[i - 1] == word[j - 1] ? 0U : 1U)});
        diagonal = above;
      }
    }
    const bool prefix = typed.size() >= 2 && word.substr(0, typed.size()) == typed;
    const std::size_t distance = prefix ? 0 : row[word.size()];
    if (distance < best_distance && distance < std::max<std::size_t>(typed.size(), 2)) {
      best_distance = distance;
      best = word;
    }
  }
  return best;
}

}  // namespace hsmbridge::commandline
