#include "tools/commandline/help.h"

#include <fmt/format.h>

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
  std::string page = fmt::format(".TH HSMBRIDGE 1 \"\" \"hsmbridge {}\" \"User Commands\"\n", HSMBRIDGE_VERSION);
  page += ".SH NAME\nhsmbridge \\- keys born in a PKCS#11 token, certificates brought to them\n";
  page += ".SH SYNOPSIS\n.B hsmbridge\n.I NOUN VERB\n[options]\n";
  page +=
      ".SH DESCRIPTION\nThe private key is made in a PKCS#11 token and stays there. hsmbridge signs the certificate\n"
      "request in the token, submits it to a certificate provider, waits for the people who must approve, checks the\n"
      "certificate that comes back, and puts it beside the key.\n";
  page += ".SH OPTIONS\nThey may stand anywhere.\n";
  options(page, global_options());
  page += ".SH COMMANDS\n";
  for (const Command& command : program.commands) {
    page +=
        fmt::format(".SS {}\n{}.\n.PP\n.B {}\n", roff(name_of(command)), roff(command.help), roff(usage_of(command)));
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
