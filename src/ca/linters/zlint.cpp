#include "ca/linters/zlint.h"

#include "base/error.h"
#include "base/json.h"
#include "base/program.h"
#include "base/text.h"
#include "x509/asn1/der.h"
#include "x509/objects/algorithm.h"
#include "x509/objects/certificate.h"
#include "x509/objects/crl.h"
#include "x509/objects/pem.h"
#include "x509/objects/signed_object.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <utility>

namespace hsmbridge::ca {
namespace {

// zlint's word | what it is to us; nothing: no finding. `fatal` is a linter that failed on the certificate.
struct Word {
  std::string_view result;
  bool finding;
  LintSeverity severity;
};
constexpr auto kWords = std::to_array<Word>({
    {"NA", false, LintSeverity::warning},
    {"NE", false, LintSeverity::warning},
    {"pass", false, LintSeverity::warning},
    {"info", false, LintSeverity::warning},
    {"notice", false, LintSeverity::warning},
    {"warn", true, LintSeverity::warning},
    {"error", true, LintSeverity::error},
    {"fatal", true, LintSeverity::error},
});

[[noreturn]] void no_verdict(const std::string& why) {
  throw Error{ErrorKind::unavailable, "zlint gave no verdict: " + why}.hint(
      "nothing is signed without one: look at `zlint` of this provider, or leave it out of `lint`");
}

std::string output_of(std::vector<std::string> argv, std::string input, Duration limit) {
  Program program{"the linter", "what it says is believed", std::move(argv)};
  program.input = std::move(input);
  program.time_limit = limit;
  program.errors = Program::Errors::dropped;
  try {
    return run(program);
  } catch (const Error& error) {
    no_verdict(error.message());
  }
}

}  // namespace

namespace {

Bytes with_static_signature(ByteView to_be_signed, ByteView signature_algorithm) {
  const auto& algorithm = x509::algorithm_of(signature_algorithm);
  // As long as signatures are, and of the form that theirs have.
  constexpr std::size_t kRsa = 256;
  constexpr std::size_t kEd25519 = 64;
  const Bytes number(32, 0x55);
  switch (algorithm.key_type) {
    case x509::KeyType::ec:
      return x509::assemble(
          to_be_signed, algorithm,
          x509::der::sequence(x509::der::unsigned_integer(number), x509::der::unsigned_integer(number)));
    case x509::KeyType::rsa:
      return x509::assemble(to_be_signed, algorithm, Bytes(kRsa, 0x55));
    case x509::KeyType::ed25519:
      return x509::assemble(to_be_signed, algorithm, Bytes(kEd25519, 0x55));
  }
  throw Error{ErrorKind::internal, "a kind of key without a twin"};
}

std::vector<std::string> linting(const ZlintSettings& settings, const char* format) {
  std::vector<std::string> argv{settings.program, "-format", format};
  if (!settings.sources.empty()) argv.insert(argv.end(), {"-includeSources", joined(settings.sources, ",")});
  if (!settings.exclude.empty()) argv.insert(argv.end(), {"-excludeNames", joined(settings.exclude, ",")});
  argv.emplace_back("-");
  return argv;
}

}  // namespace

Bytes twin_of(ByteView to_be_signed) {
  return with_static_signature(to_be_signed, x509::parse_tbs_certificate(to_be_signed).signature_algorithm);
}

Bytes crl_twin_of(ByteView to_be_signed) {
  return with_static_signature(to_be_signed, x509::parse_tbs_cert_list(to_be_signed).signature_algorithm);
}

std::string zlint_version(const ZlintSettings& settings, Duration limit) {
  constexpr std::string_view kBegin = "ZLint version ";
  const std::string said = output_of({settings.program, "-version"}, {}, limit);
  const std::size_t begin = said.find(kBegin);
  if (begin == std::string::npos)
    no_verdict(fmt::format("{} -version does not say that it is ZLint", settings.program));
  const std::string version = said.substr(begin + kBegin.size());
  return version.substr(0, version.find_first_of(" \r\n"));
}

std::vector<LintFinding> zlint(const ZlintSettings& settings, ByteView to_be_signed, Duration limit) {
  return zlint_verdict(output_of(linting(settings, "der"), to_text(twin_of(to_be_signed)), limit));
}

// By its label alone zlint knows a CRL.
std::vector<LintFinding> zlint_crl(const ZlintSettings& settings, ByteView to_be_signed, Duration limit) {
  return zlint_verdict(
      output_of(linting(settings, "pem"), x509::write_pem("X509 CRL", crl_twin_of(to_be_signed)), limit));
}

std::vector<LintFinding> zlint_verdict(std::string_view output) {
  std::vector<LintFinding> found;
  try {
    const Json json = Json::parse(output);
    const auto& lints = json.as_object();
    if (lints.empty()) no_verdict("it says that it looked at nothing");
    for (const auto& [name, lint] : lints) {
      const std::string& result = lint.at("result").as_string();
      const auto word =
          std::find_if(kWords.begin(), kWords.end(), [&](const Word& one) { return one.result == result; });
      if (word == kWords.end()) no_verdict(fmt::format("its result of {} is '{}'", name, result));
      if (!word->finding) continue;
      found.push_back({"zlint/" + name, "zlint", word->severity, lint.string_or("details", result)});
    }
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::unavailable) throw;
    no_verdict("what it wrote cannot be read: " + error.message());
  }
  return found;
}

}  // namespace hsmbridge::ca
