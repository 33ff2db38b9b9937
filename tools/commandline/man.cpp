#include "tools/commandline/help.h"

#include <fmt/core.h>

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

}  // namespace

std::string man_page(const Program& program) {
  std::string title(program.name);
  for (char& c : title) c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  std::string page = fmt::format(".TH {} 1 \"\" \"{} {}\" \"User Commands\"\n", title, program.name, HSMBRIDGE_VERSION);
  page += fmt::format(".SH NAME\n{} \\- {}\n", program.name, program.what);
  page += fmt::format(".SH SYNOPSIS\n.B {}\n.I NOUN VERB\n[options]\n", program.name);
  page += fmt::format(".SH DESCRIPTION\n{}\n", program.description);
  page += ".SH OPTIONS\nThey may be given anywhere.\n";
  options(page, program.options);
  page += ".SH COMMANDS\n";
  for (const Command& command : program.commands) {
    page += fmt::format(".SS {}\n{}.\n.PP\n.B {}\n", roff(name_of(command)), roff(command.help),
                        roff(usage_of(program, command)));
    for (const Positional& positional : command.positionals) {
      tagged(page, std::string(positional.name), positional.help);
    }
    options(page, command.options);
    if (!command.details.empty()) {
      page += fmt::format(".PP\n.nf\n{}\n.fi\n", roff(flowing(command.details)));
    }
  }
  page += ".SH EXIT STATUS\n";
  for (const ExitCode code : {ExitCode::done, ExitCode::failed, ExitCode::usage, ExitCode::pending, ExitCode::refused,
                              ExitCode::unavailable, ExitCode::unresolved}) {
    tagged(page, std::to_string(static_cast<int>(code)), explanation(code));
  }
  page += ".SH ENVIRONMENT\n";
  tagged(page, "HSMBRIDGE_CONFIG", "the configuration file, when --config is not given");
  tagged(page, "NO_COLOR", "no colours on a terminal");
  page += ".SH FILES\n.I ~/.config/hsmbridge/hsmbridge.yaml\n.br\n.I /etc/hsmbridge/hsmbridge.yaml\n";
  return page;
}

}  // namespace hsmbridge::commandline
