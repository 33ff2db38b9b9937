#include "tools/commandline/help.h"

#include <fmt/core.h>

#include <algorithm>

namespace hsmbridge::commandline {

namespace {

// roff: a backslash and a leading dot or quote mean something, a hyphen-minus must be written "\-" to stay one.
std::string roff(std::string_view text) {
  std::string result;
  bool line_start = true;
  for (const char c : text) {
    if (line_start && (c == '.' || c == '\'')) result += "\\&";
    if (c == '\\') {
      result += "\\e";
    } else if (c == '-') {
      result += "\\-";
    } else {
      result += c;
    }
    line_start = c == '\n';
  }
  return result;
}

void tagged(std::string& page, const std::string& tag, std::string_view text) {
  page += fmt::format(".TP\n.B {}\n{}\n", roff(tag), roff(text));
}

void options(std::string& page, const std::vector<Option>& list) {
  for (const Option& option : list) {
    std::string tag(option.name);
    if (!option.value.empty()) tag += fmt::format(" {}", option.value);
    std::string text(option.help);
    if (option.times == Times::required) text += " (required)";
    if (option.times == Times::many) text += " (repeatable)";
    tagged(page, tag, text);
  }
}

std::string heading(const Program& program, std::string title, std::string_view what) {
  const std::string name = title;
  for (char& c : title) c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  return fmt::format(".TH {} 1 \"\" \"{} {}\" \"User Commands\"\n.SH NAME\n{} \\- {}\n", roff(title), program.name,
                     HSMBRIDGE_VERSION, roff(name), roff(what));
}

std::string page_of(const Program& program, const Noun& noun) {
  return fmt::format("{}-{}", program.name, noun.name);
}

void exit_status(std::string& page, const std::vector<ExitCode>& codes) {
  page += ".SH EXIT STATUS\n";
  for (const ExitCode code : codes) tagged(page, std::to_string(static_cast<int>(code)), explanation(code));
}

}  // namespace

std::string man_page(const Program& program) {
  std::string page = heading(program, std::string(program.name), program.what);
  page += fmt::format(".SH SYNOPSIS\n.B {}\n.I NOUN VERB\n[options]\n", roff(program.name));
  page += fmt::format(".SH DESCRIPTION\n{}\n", program.description);
  page += ".SH COMMANDS\nEach noun has a manual page of its own.\n";
  std::string see;
  for (const Noun& noun : program.nouns) {
    page +=
        fmt::format(".SS {}\n{}: see\n.BR {} (1).\n", roff(noun.name), roff(noun.help), roff(page_of(program, noun)));
    for (const Command& command : program.commands) {
      if (command.noun == noun.name) tagged(page, name_of(command), command.help);
    }
    see += fmt::format("{}.BR {} (1)", see.empty() ? "" : ",\n", roff(page_of(program, noun)));
  }
  page += ".SH OPTIONS\nThey may be given anywhere.\n";
  options(page, program.options);
  exit_status(page, every_exit_code());
  const auto has_configuration = [](const Option& option) { return option.name == "--config"; };
  if (std::any_of(program.options.begin(), program.options.end(), has_configuration)) {
    page += ".SH ENVIRONMENT\n";
    tagged(page, "HSMBRIDGE_CONFIG", "the configuration file, when --config is not given");
    tagged(page, "NO_COLOR", "no colours on a terminal");
    page += ".SH FILES\n.I ~/.config/hsmbridge/hsmbridge.yaml\n.br\n.I /etc/hsmbridge/hsmbridge.yaml\n";
  }
  if (!program.topics.empty()) {
    page += fmt::format(".SH TOPICS\n.B {} help\n.I TOPIC\nprints them.\n", roff(program.name));
    for (const Topic& topic : program.topics) tagged(page, std::string(topic.name), topic.summary);
  }
  return page + ".SH SEE ALSO\n" + see + "\n";
}

std::string man_page(const Program& program, const Noun& noun) {
  std::string page = heading(program, page_of(program, noun), noun.help);
  std::string synopsis;
  std::string sections;
  std::vector<ExitCode> codes;
  for (const Command& command : program.commands) {
    if (command.noun != noun.name) continue;
    synopsis += fmt::format("{}.B {}\n", synopsis.empty() ? "" : ".br\n", roff(usage_of(program, command)));
    sections += fmt::format(".SS {}\n{}.\n", roff(name_of(command)), roff(command.help));
    for (const Positional& positional : command.positionals) {
      tagged(sections, std::string(positional.name), positional.help);
    }
    options(sections, command.options);
    if (!command.details.empty()) sections += fmt::format(".PP\n.nf\n{}\n.fi\n", roff(flowing(command.details)));
    const auto own = exits_of(command);
    codes.insert(codes.end(), own.begin(), own.end());
  }
  std::sort(codes.begin(), codes.end());
  codes.erase(std::unique(codes.begin(), codes.end()), codes.end());
  page += ".SH SYNOPSIS\n" + synopsis + ".SH COMMANDS\n" + sections;
  page += fmt::format(".SH OPTIONS\nThose of every command are in\n.BR {} (1).\n", roff(program.name));
  exit_status(page, codes);
  return page + fmt::format(".SH SEE ALSO\n.BR {} (1)\n", roff(program.name));
}

}  // namespace hsmbridge::commandline
