#include "providers/local/linters.h"

#include "base/error.h"
#include "net/url.h"
#include "providers/local/parts.h"

#include <fmt/core.h>
#include <sys/un.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <string_view>
#include <utility>

namespace hsmbridge::local {
namespace {

using config::Section;

constexpr std::string_view kBuiltIn = "built-in";
// Each has a section of its own name.
constexpr std::array<std::string_view, 3> kKnownLinters{"zlint", "pkilint", "pkimetal"};

bool is_known(std::string_view word) {
  return word == kBuiltIn || std::find(kKnownLinters.begin(), kKnownLinters.end(), word) != kKnownLinters.end();
}

ca::ZlintSettings read_zlint(Section& section) {
  ca::ZlintSettings zlint;
  zlint.program = section.optional_text("program").value_or(zlint.program);
  zlint.sources = section.texts("sources");
  zlint.exclude = section.texts("exclude");
  return zlint;
}

ca::PkilintSettings read_pkilint(Section& section) {
  ca::PkilintSettings pkilint;
  if (auto words = section.texts("certificates"); !words.empty()) pkilint.certificates = std::move(words);
  if (auto words = section.texts("crls"); !words.empty()) pkilint.crls = std::move(words);
  return pkilint;
}

void read_pkimetal_socket(Section& section, providers::Connection& connection) {
  connection.socket = section.optional_file("socket");
  if (connection.socket && connection.socket->string().size() >= sizeof(sockaddr_un::sun_path)) {
    section.problem("socket", fmt::format("is longer than the path of a socket may be ({} octets)",
                                          sizeof(sockaddr_un::sun_path) - 1));
  }
}

void read_pkimetal_url(Section& section, providers::Connection& connection) {
  const auto url = section.optional_text("url");
  connection.ca = section.optional_file("ca");
  if (!url && connection.ca) section.problem("ca", "is for a url");
  if (!url) return;
  connection.url = *url;
  if (url->starts_with("http://")) {
    return section.problem(
        "url",
        "must start with https://: whoever has an account on that machine could answer by plain http, "
        "and say that nothing is wrong. On this machine use its server.webserverPath: {socket: PATH}");
  }
  try {
    net::Url::parse(*url);
  } catch (const Error& error) {
    section.problem("url", error.message());
  }
}

PkimetalSettings read_pkimetal(Section& section) {
  PkimetalSettings pkimetal;
  pkimetal.connection.name = "pkimetal";
  read_pkimetal_socket(section, pkimetal.connection);
  read_pkimetal_url(section, pkimetal.connection);
  const bool has_url = !pkimetal.connection.url.empty();
  if (!pkimetal.connection.socket && !has_url) {
    section.problem("socket", "or url must say where pkimetal is: socket: PATH, or url: https://HOST");
  }
  if (pkimetal.connection.socket && has_url) section.problem("url", "and socket are both there: name one of them");
  pkimetal.profile = section.optional_text("profile").value_or(pkimetal.profile);
  pkimetal.crl_profile = section.optional_text("crl_profile").value_or(pkimetal.crl_profile);
  return pkimetal;
}

std::optional<ca::Meaning> read_meaning(Section& section, std::string_view key, const std::string& text) {
  if (text == "error") return ca::LintSeverity::error;
  if (text == "warning") return ca::LintSeverity::warning;
  if (text == "none") return ca::Meaning{};
  section.problem(key, fmt::format("'{}' is none of: error, warning, none", text));
  return std::nullopt;
}

void read_lines(Section& section, ca::LinterCommand& command) {
  for (const auto& [prefix, text] : section.named_texts("lines")) {
    if (const auto meaning = read_meaning(section, "lines", text)) command.lines.emplace(prefix, *meaning);
  }
}

void read_exit_status(Section& section, ca::LinterCommand& command) {
  constexpr int kMostStatus = 255;
  for (const auto& [key, text] : section.named_texts("exit_status")) {
    int status = 0;
    const auto [end, failed] = std::from_chars(key.data(), key.data() + key.size(), status);
    if (failed != std::errc() || end != key.data() + key.size() || status < 0 || status > kMostStatus) {
      section.problem("exit_status", fmt::format("'{}' is not a number from 0 to {}", key, kMostStatus));
      continue;
    }
    if (const auto meaning = read_meaning(section, "exit_status", text)) command.exit_status.emplace(status, *meaning);
  }
}

ca::LinterCommand read_command(const std::string& name, Section& section) {
  static const Section::Choices<ca::LinterCommand::Input> kInputs{{"der", ca::LinterCommand::Input::der},
                                                                  {"pem", ca::LinterCommand::Input::pem}};
  ca::LinterCommand command;
  command.name = name;
  command.certificates = section.texts("certificates");
  command.crls = section.texts("crls");
  if (command.certificates.empty() && command.crls.empty()) {
    section.problem("certificates", "or crls, or both, must say which program it is: [PROGRAM, ARGUMENT…]");
  }
  command.input = section.optional_choice("input", kInputs).value_or(command.input);
  command.version = section.texts("version");
  read_lines(section, command);
  read_exit_status(section, command);
  if (!section.has("lines") && !section.has("exit_status")) {
    section.problem("lines", "or exit_status, or both, must say what its verdict is");
  }
  if (command.exit_status.empty()) command.exit_status.emplace(0, ca::Meaning{});
  section.finish();
  return command;
}

// Those of `linters`, each of them named by `lint`.
std::vector<ca::LinterCommand> read_commands(Section& section, const std::vector<std::string>& words) {
  std::vector<ca::LinterCommand> commands;
  auto from = section.section("linters");
  if (!from) return commands;
  for (auto& [name, one] : from->named_sections()) {
    if (is_known(name)) {
      from->problem(name, "is the name of a linter that is known: give yours another");
    } else if (std::find(words.begin(), words.end(), name) == words.end()) {
      from->problem(name, fmt::format("is not used: add it to lint: [built-in, {}]", name));
    }
    commands.push_back(read_command(name, one));
  }
  from->finish();
  return commands;
}

std::optional<LinterSettings> read_known(Section& section, std::string_view word, bool used) {
  auto from = section.section(word);
  if (!used) {
    if (from) section.problem(word, fmt::format("is not used: add it to lint: [built-in, {}]", word));
    if (!from) return std::nullopt;
  }
  Section none;
  Section& its = from ? *from : none;
  std::optional<LinterSettings> settings;
  if (word == "zlint") settings = read_zlint(its);
  if (word == "pkilint") settings = read_pkilint(its);
  if (word == "pkimetal" && from) settings = read_pkimetal(its);
  if (!settings) section.problem("lint", "names pkimetal: say where it is, pkimetal: {socket: PATH}");
  if (from) from->finish();
  return used ? settings : std::nullopt;
}

}  // namespace

std::vector<LinterSettings> read_linters(Section& section) {
  const std::vector<std::string> words = section.texts("lint");
  if (section.has("lint") && std::find(words.begin(), words.end(), kBuiltIn) == words.end()) {
    section.problem("lint", "lacks built-in, which is always used");
  }
  const std::vector<ca::LinterCommand> commands = read_commands(section, words);
  std::vector<LinterSettings> linters;
  for (const std::string_view known : kKnownLinters) {
    if (std::find(words.begin(), words.end(), known) == words.end()) read_known(section, known, false);
  }
  for (auto word = words.begin(); word != words.end(); ++word) {
    if (std::find(words.begin(), word, *word) != word) {
      section.problem("lint", fmt::format("names {} twice", *word));
    } else if (*word != kBuiltIn && is_known(*word)) {
      if (auto settings = read_known(section, *word, true)) linters.push_back(std::move(*settings));
    } else if (*word != kBuiltIn) {
      const auto command = std::find_if(commands.begin(), commands.end(),
                                        [&](const ca::LinterCommand& one) { return one.name == *word; });
      if (command != commands.end()) {
        linters.emplace_back(*command);
      } else {
        section.problem(
            "lint", fmt::format("'{}' is none of: built-in, zlint, pkilint, pkimetal, a name under linters", *word));
      }
    }
  }
  return linters;
}

std::vector<std::unique_ptr<ca::Linter>> make_linters(const std::vector<LinterSettings>& settings, const Clock& clock) {
  struct Maker {
    const Clock& clock;
    std::unique_ptr<ca::Linter> operator()(const ca::ZlintSettings& one) const {
      return std::make_unique<ca::Zlint>(one, kLinterLimit);
    }
    std::unique_ptr<ca::Linter> operator()(const ca::PkilintSettings& one) const {
      return std::make_unique<ca::Pkilint>(one, kLinterLimit);
    }
    std::unique_ptr<ca::Linter> operator()(const PkimetalSettings& one) const {
      return std::make_unique<Pkimetal>(one, clock, kLinterLimit);
    }
    std::unique_ptr<ca::Linter> operator()(const ca::LinterCommand& one) const {
      return std::make_unique<ca::CommandLinter>(one, kLinterLimit);
    }
  };
  std::vector<std::unique_ptr<ca::Linter>> linters;
  for (const LinterSettings& one : settings) linters.push_back(std::visit(Maker{clock}, one));
  return linters;
}

}  // namespace hsmbridge::local
