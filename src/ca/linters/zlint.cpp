#include "ca/linters/zlint.h"

#include "base/error.h"
#include "base/json.h"
#include "base/text.h"
#include "ca/linters/root_twin.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <utility>

namespace hsmbridge::ca {
namespace {

constexpr std::string_view kZlint = "zlint";

// `fatal` is a lint that failed on the certificate.
constexpr auto kZlintWords = std::to_array<LinterWord>({
    {"NA", std::nullopt},
    {"NE", std::nullopt},
    {"pass", std::nullopt},
    {"info", std::nullopt},
    {"notice", std::nullopt},
    {"warn", LintSeverity::warning},
    {"error", LintSeverity::error},
    {"fatal", LintSeverity::error},
});

std::string zlint_version(const std::string& program, Duration limit) {
  constexpr std::string_view kBegin = "ZLint version ";
  const ProgramEnd end = run_linter(kZlint, {program, "-version"}, {}, limit);
  const std::size_t begin = end.output.find(kBegin);
  if (end.status != 0 || begin == std::string::npos) {
    no_verdict(kZlint, fmt::format("{} -version does not say that it is ZLint", program));
  }
  const std::string version = end.output.substr(begin + kBegin.size());
  return version.substr(0, version.find_first_of(" \r\n"));
}

}  // namespace

std::string Zlint::said_by(Artefact) {
  std::string words = fmt::format(
      "zlint {}", version_.of({settings_.program}, [&] { return zlint_version(settings_.program, limit_); }));
  if (!settings_.sources.empty()) words += " of " + joined(settings_.sources, "+");
  if (!settings_.exclude.empty()) words += " without " + joined(settings_.exclude, "+");
  return words;
}

// By its label alone zlint knows a CRL, and by its signature a root.
std::vector<LintFinding> Zlint::lint(Artefact artefact, ByteView to_be_signed) {
  return lint_by_signature(artefact, to_be_signed, [this](std::string pem) { return ask(std::move(pem)); });
}

std::vector<LintFinding> Zlint::ask(std::string pem) const {
  std::vector<std::string> argv{settings_.program, "-format", "pem"};
  if (!settings_.sources.empty()) argv.insert(argv.end(), {"-includeSources", joined(settings_.sources, ",")});
  if (!settings_.exclude.empty()) argv.insert(argv.end(), {"-excludeNames", joined(settings_.exclude, ",")});
  argv.emplace_back("-");
  auto found = zlint_verdict(run_linter(kZlint, std::move(argv), std::move(pem), limit_));
  // Of a CRL it runs every lint that it has, whatever -excludeNames says (3.6).
  std::erase_if(found, [this](const LintFinding& finding) {
    return std::any_of(settings_.exclude.begin(), settings_.exclude.end(),
                       [&](const std::string& name) { return finding.rule == fmt::format("{}/{}", kZlint, name); });
  });
  return found;
}

std::vector<LintFinding> zlint_verdict(const ProgramEnd& end) {
  if (end.status != 0) no_verdict(kZlint, fmt::format("it exited with status {}", end.status));
  std::vector<LintFinding> found;
  try {
    const Json json = Json::parse(end.output);
    const auto& lints = json.as_object();
    if (lints.empty()) no_verdict(kZlint, "it says that it looked at nothing");
    for (const auto& [name, lint] : lints) {
      const std::string& result = lint.at("result").as_string();
      const Meaning meaning = meaning_of(kZlintWords, result, kZlint, name);
      if (meaning) found.push_back(found_by(kZlint, name, *meaning, lint.string_or("details", result)));
    }
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::unavailable) throw;
    no_verdict(kZlint, "what it wrote cannot be read: " + error.message());
  }
  return found;
}

}  // namespace hsmbridge::ca
