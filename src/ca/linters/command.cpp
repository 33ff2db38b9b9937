#include "ca/linters/command.h"

#include "base/error.h"
#include "base/text.h"
#include "base/trust.h"
#include "base/unicode.h"
#include "ca/linters/twin.h"
#include "x509/asn1/bounds.h"

#include <fmt/core.h>

#include <algorithm>
#include <string_view>

namespace hsmbridge::ca {
namespace {

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kBlank = " \t\r";
  const std::size_t begin = text.find_first_not_of(kBlank);
  return begin == std::string_view::npos ? std::string_view{}
                                         : text.substr(begin, text.find_last_not_of(kBlank) + 1 - begin);
}

// Those that hold more than blanks.
std::vector<std::string_view> lines_of(std::string_view output) {
  std::vector<std::string_view> lines;
  while (!output.empty()) {
    std::string_view line = output.substr(0, output.find('\n'));
    output.remove_prefix(std::min(output.size(), line.size() + 1));
    if (!trimmed(line).empty()) lines.push_back(line);
  }
  return lines;
}

using DeclaredLine = std::map<std::string, Meaning>::value_type;

const DeclaredLine* row_of(const std::map<std::string, Meaning>& lines, std::string_view line) {
  const DeclaredLine* longest = nullptr;
  for (const DeclaredLine& row : lines) {
    if (line.starts_with(row.first) && (longest == nullptr || row.first.size() > longest->first.size())) longest = &row;
  }
  return longest;
}

// "E: " is the rule E.
std::string rule_of(std::string_view prefix) {
  std::string_view rule = trimmed(prefix);
  while (!rule.empty() && rule.back() == ':') rule.remove_suffix(1);
  return std::string(rule.empty() ? "line" : rule);
}

std::string_view word_of(Meaning meaning) {
  if (!meaning) return "none";
  return *meaning == LintSeverity::error ? "error" : "warning";
}

std::string sha256_of(const std::string& linter, const std::string& program) {
  constexpr std::size_t kMostProgram = std::size_t{512} << 20U;
  const auto file = program_file(program);
  if (!file) no_verdict(linter, fmt::format("there is no program {}", program));
  try {
    return "sha256:" + hex(sha256(read_trusted(*file, {"what it says is believed"}, kMostProgram)));
  } catch (const Error& error) {
    no_verdict(linter, error);
  }
}

}  // namespace

std::string CommandLinter::said_by(Artefact artefact) {
  const std::vector<std::string>& words = argv(artefact);
  std::vector<std::string> programs{words.front()};
  if (!command_.version.empty()) programs.push_back(command_.version.front());
  const std::string version = version_.of(programs, [&] {
    return command_.version.empty() ? sha256_of(command_.name, words.front())
                                    : version_line(command_.name, command_.version, limit_);
  });
  std::string said = fmt::format("{} {} ({}; {}", command_.name, version, joined(words, " "),
                                 command_.input == LinterCommand::Input::der ? "DER" : "PEM");
  for (const auto& [prefix, meaning] : command_.lines) said += fmt::format("; '{}' {}", prefix, word_of(meaning));
  for (const auto& [status, meaning] : command_.exit_status) said += fmt::format("; {} {}", status, word_of(meaning));
  return said + ")";
}

std::vector<LintFinding> CommandLinter::lint(Artefact artefact, ByteView to_be_signed) {
  std::string input = command_.input == LinterCommand::Input::der ? to_text(twin_of(artefact, to_be_signed))
                                                                  : pem_twin_of(artefact, to_be_signed);
  return command_verdict(command_, run_linter(command_.name, argv(artefact), std::move(input), limit_));
}

std::vector<LintFinding> command_verdict(const LinterCommand& command, const ProgramEnd& end) {
  const auto lines = lines_of(end.output);
  const auto status = command.exit_status.find(end.status);
  if (status == command.exit_status.end()) {
    no_verdict(command.name, fmt::format("it exited with status {}, which `exit_status` does not name{}", end.status,
                                         lines.empty() ? "" : ": " + printable(x509::bounded(lines.front()))));
  }
  std::vector<LintFinding> found;
  if (status->second) {
    found.push_back(found_by(
        command.name, "exit-status", *status->second,
        lines.empty() ? fmt::format("it exited with status {}", end.status) : std::string(trimmed(lines.front()))));
  }
  if (command.lines.empty()) return found;
  for (const std::string_view line : lines) {
    const DeclaredLine* const row = row_of(command.lines, line);
    if (row == nullptr) {
      no_verdict(command.name,
                 fmt::format("`lines` does not say what a line is that begins so: {}", printable(x509::bounded(line))));
    }
    if (!row->second) continue;
    found.push_back(found_by(command.name, rule_of(row->first), *row->second, trimmed(line.substr(row->first.size()))));
  }
  return found;
}

}  // namespace hsmbridge::ca
