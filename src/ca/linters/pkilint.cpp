#include "ca/linters/pkilint.h"

#include "base/error.h"
#include "base/json.h"
#include "base/text.h"
#include "ca/linters/root_twin.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <sstream>
#include <utility>

namespace hsmbridge::ca {
namespace {

constexpr std::string_view kPkilint = "pkilint";

// ValidationFindingSeverity. FATAL is a violation after which it cannot go on.
constexpr auto kPkilintWords = std::to_array<LinterWord>({
    {"FATAL", LintSeverity::error},
    {"ERROR", LintSeverity::error},
    {"WARNING", LintSeverity::warning},
    {"NOTICE", std::nullopt},
    {"INFO", std::nullopt},
    {"DEBUG", std::nullopt},
});

// A folder to which Python gives no name is the working directory: it is none of the program's, which has its own in
// that place.
constexpr const char* kSayVersion =
    "import sys; sys.path = [one for one in sys.path if one]; import importlib.metadata; "
    "print(importlib.metadata.version('pkilint'))";

// As much of a script as the kernel looks at (execve(2)).
std::string first_line_of(const std::string& program) {
  constexpr std::size_t kMostLooked = 256;
  const auto path = program_file(program);
  if (!path) no_verdict(kPkilint, fmt::format("there is no program {}", program));
  std::array<char, kMostLooked> begin{};
  std::ifstream file(*path, std::ios::binary);
  file.read(begin.data(), begin.size());
  const std::string text(begin.data(), static_cast<std::size_t>(file.gcount()));
  return text.substr(0, text.find('\n'));
}

std::string version_of(const std::string& program, Duration limit) {
  std::vector<std::string> argv = python_of(first_line_of(program));
  if (argv.empty()) {
    no_verdict(kPkilint, fmt::format("its version cannot be told: the first line of {} does not name a Python "
                                     "interpreter (#!…)",
                                     program));
  }
  argv.insert(argv.end(), {"-c", kSayVersion});
  return version_line(kPkilint, std::move(argv), limit);
}

std::string file_name_of(std::string_view path) {
  return std::string(path.substr(path.find_last_of('/') + 1));
}

}  // namespace

std::vector<std::string> python_of(std::string_view first_line) {
  if (!first_line.starts_with("#!")) return {};
  std::istringstream in{std::string(first_line.substr(2))};
  std::vector<std::string> words;
  for (std::string word; in >> word;) words.push_back(word);
  if (!words.empty() && file_name_of(words.front()) == "env") {
    words.erase(words.begin());
    if (!words.empty() && words.front() == "-S") words.erase(words.begin());
  }
  if (words.empty() || !file_name_of(words.front()).starts_with("python")) return {};
  return words;
}

std::string Pkilint::said_by(Artefact artefact) {
  const std::vector<std::string>& words = argv(artefact);
  const std::string version = version_.of({words.front()}, [&] { return version_of(words.front(), limit_); });
  return fmt::format("pkilint {} ({})", version, joined(words, " "));
}

std::vector<LintFinding> Pkilint::lint(Artefact artefact, ByteView to_be_signed) {
  std::vector<std::string> words = argv(artefact);
  words.insert(words.end(), {"--format", "JSON", "--severity", "INFO", "--document-format", "PEM", "-"});
  return lint_by_signature(artefact, to_be_signed, [&](std::string pem) {
    return pkilint_verdict(run_linter(kPkilint, words, std::move(pem), limit_));
  });
}

std::vector<LintFinding> pkilint_verdict(const ProgramEnd& end) {
  constexpr int kMostStatus = 255;
  std::vector<LintFinding> found;
  int count = 0;
  try {
    const Json json = Json::parse(end.output);
    for (const Json& result : json.at("results").as_array()) {
      const std::string& place = result.at("node_path").as_string();
      for (const Json& one : result.at("finding_descriptions").as_array()) {
        const std::string& code = one.at("code").as_string();
        const std::string& severity = one.at("severity").as_string();
        const Meaning meaning = meaning_of(kPkilintWords, severity, kPkilint, code);
        ++count;
        if (!meaning) continue;
        found.push_back(
            found_by(kPkilint, code, *meaning, fmt::format("{} at {}", one.string_or("message", severity), place)));
      }
    }
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::unavailable) throw;
    no_verdict(kPkilint, fmt::format("it exited with status {}, and what it wrote cannot be read: {}", end.status,
                                     error.message()));
  }
  if (end.status != std::min(count, kMostStatus)) {
    no_verdict(kPkilint, fmt::format("it exited with status {}, which is the number of its findings, and wrote {}",
                                     end.status, count));
  }
  return found;
}

}  // namespace hsmbridge::ca
