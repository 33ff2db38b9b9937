#include "ca/linters/linter.h"

#include "base/unicode.h"
#include "x509/asn1/bounds.h"

#include <fmt/core.h>

#include <algorithm>

namespace hsmbridge::ca {

void no_verdict(std::string_view linter, std::string_view why) {
  throw Error{ErrorKind::unavailable, fmt::format("{} gave no verdict: {}", linter, why)}.hint(fmt::format(
      "nothing is signed without one: look at what this provider says of {}, or leave it out of `lint`", linter));
}

void no_verdict(std::string_view linter, const Error& why) {
  no_verdict(linter, why.hint().empty() ? why.message() : fmt::format("{} ({})", why.message(), why.hint()));
}

Meaning meaning_of(std::span<const LinterWord> words, std::string_view word, std::string_view linter,
                   std::string_view of) {
  const auto known = std::find_if(words.begin(), words.end(), [&](const LinterWord& one) { return one.word == word; });
  if (known == words.end()) {
    no_verdict(linter, printable(x509::bounded(fmt::format("its result of {} is '{}'", of, word))));
  }
  return known->meaning;
}

LintFinding found_by(std::string_view linter, std::string_view rule, LintSeverity severity, std::string_view text) {
  return {printable(x509::bounded(fmt::format("{}/{}", linter, rule))), std::string(linter), severity,
          printable(x509::bounded(text))};
}

}  // namespace hsmbridge::ca
