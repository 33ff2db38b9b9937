#pragma once

#include "base/bytes.h"
#include "base/error.h"
#include "ca/lint.h"

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

// Other linters than the one that is built in: programs and services of somebody else. Each is asked about the very
// bytes that shall be signed, before anybody signs them (TLS Baseline Requirements 4.3.1.2), and nothing is signed
// without a clear verdict of each that is configured.
//
//   Linter    one of them, as the CA asks it
//   twin.h    what is shown to a linter that reads signed things only; root_twin.h to one that knows roots by that
//   program.h what linters that are programs share
//   zlint.h, pkilint.h, command.h   the programs; pkimetal, a service, is in providers/local
//
// Not checked here: whether what was found forbids a signature (refuse_errors).
namespace hsmbridge::ca {

// What a linter may be shown.
enum class Artefact { certificate, crl };

// Thread rule: may be called from several threads at once.
class Linter {
 public:
  virtual ~Linter() = default;
  // Whether such a thing is shown to it.
  virtual bool reads(Artefact artefact) const = 0;
  // Name, version and configuration of who lints such a thing: "zlint 3.6.2 of RFC5280". Kept with what it let pass,
  // which is linted again when it is another. Throws unavailable where it cannot be told.
  virtual std::string said_by(Artefact artefact) = 0;
  // What it finds in bytes that shall be signed. Throws unavailable for everything that is no clear verdict: it could
  // not be asked, did not answer in time or to the end, or said something that is not known.
  virtual std::vector<LintFinding> lint(Artefact artefact, ByteView to_be_signed) = 0;
};

// Throws unavailable: "zlint gave no verdict: WHY".
[[noreturn]] void no_verdict(std::string_view linter, std::string_view why);
// The same for what kept it from being asked, with what to do about that.
[[noreturn]] void no_verdict(std::string_view linter, const Error& why);

// A word of a linter, and what it is to us: an error, a warning, or no finding.
using Meaning = std::optional<LintSeverity>;
struct LinterWord {
  std::string_view word;
  Meaning meaning;
};
// Throws as no_verdict does for a word that is none of them; `of` says of what it was said.
Meaning meaning_of(std::span<const LinterWord> words, std::string_view word, std::string_view linter,
                   std::string_view of);

// "zlint/e_sub_cert_aia_missing" with what it says of it, which is bounded and can be shown.
LintFinding found_by(std::string_view linter, std::string_view rule, LintSeverity severity, std::string_view text);

}  // namespace hsmbridge::ca
