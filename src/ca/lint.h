#pragma once

#include "base/bytes.h"
#include "base/clock.h"
#include "ca/profile.h"

#include <span>
#include <string>
#include <string_view>
#include <vector>

// The linter that is built in: what is wrong with a certificate that nobody has signed yet, judged by the very bytes
// that shall be signed.
//
//   lint          every finding of the rules that apply
//   LintedTbs     bytes in which no error was found: nothing else is signed
//
// Each rule has an id that never changes and the place of the standard that it is about: [RFC 5280], and [BR] for the
// CA/Browser Forum's TLS Baseline Requirements (2.2.6), whose rules apply where a profile says so.
//
// Not checked here: whether the certificate is what was requested, who issues it (examine.h), and the domains.
namespace hsmbridge::ca {

enum class LintSeverity { error, warning };
struct LintFinding {
  std::string rule;  // id of a row: "rfc5280-key-usage-critical"
  std::string reference;
  LintSeverity severity = LintSeverity::error;
  std::string text;  // one sentence

  bool operator==(const LintFinding&) const = default;
};

// One row a rule.
struct LintRule {
  std::string_view id;
  std::string_view reference;  // "RFC 5280 §4.2.1.3"
  LintSeverity severity;
};
std::span<const LintRule> lint_rules();

// Of a DER TBSCertificate that shall be signed `now`. Bytes that cannot be read are a finding too. Pure.
std::vector<LintFinding> lint(ByteView to_be_signed, const std::vector<Rules>& rules, Instant now);
// "rfc5280-key-usage-critical (RFC 5280 §4.2.1.3): the key usage is not critical".
std::string to_string(const LintFinding& finding);

// Throws refused with every error among them, one line each.
void refuse_errors(const std::vector<LintFinding>& findings);

// What was linted and found without an error, as the value that signing takes.
class LintedTbs {
 public:
  // Throws what refuse_errors throws.
  static LintedTbs of(ByteView to_be_signed, const std::vector<Rules>& rules, Instant now);
  const Bytes& octets() const { return octets_; }
  LintedTbs(LintedTbs&&) = default;
  LintedTbs& operator=(LintedTbs&&) = default;

 private:
  explicit LintedTbs(ByteView octets) : octets_(octets.begin(), octets.end()) {}
  Bytes octets_;
};

}  // namespace hsmbridge::ca
