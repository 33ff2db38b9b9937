#include "ca/lint.h"

#include "base/error.h"
#include "ca/lint_rules.h"
#include "x509/objects/certificate.h"

#include <fmt/core.h>

#include <algorithm>
#include <utility>

namespace hsmbridge::ca {
namespace {

constexpr auto kUnreadable = LintRule{"rfc5280-encoding", "RFC 5280 §4.1", LintSeverity::error};

bool applies(LintRow::About about, const std::vector<Rules>& rules) {
  const auto has = [&](Rules one) { return std::find(rules.begin(), rules.end(), one) != rules.end(); };
  switch (about) {
    case LintRow::About::everything:
      return true;
    case LintRow::About::tls:
      return has(Rules::cabf_tls);
    case LintRow::About::sub_ca:
      return has(Rules::cabf_sub_ca);
    case LintRow::About::tls_and_sub_ca:
      return !rules.empty();
  }
  return true;
}

}  // namespace

std::span<const LintRule> lint_rules() {
  static const std::vector<LintRule> kAll = [] {
    std::vector<LintRule> all{kUnreadable};
    for (const auto& rows : {rfc5280_rules(), cabf_rules()}) {
      for (const LintRow& row : rows) all.push_back(row.rule);
    }
    return all;
  }();
  return kAll;
}

std::vector<LintFinding> lint(ByteView to_be_signed, const std::vector<Rules>& rules, Instant now) {
  std::vector<LintFinding> found;
  const auto add = [&](const LintRule& rule, std::string text) {
    found.push_back({std::string(rule.id), std::string(rule.reference), rule.severity, std::move(text)});
  };
  try {
    const x509::TbsCertificate tbs = x509::parse_tbs_certificate(to_be_signed);
    const LintSubject on{tbs, now};
    for (const auto& rows : {rfc5280_rules(), cabf_rules()}) {
      for (const LintRow& row : rows) {
        if (!applies(row.about, rules)) continue;
        LintTexts texts;
        row.check(on, texts);
        for (std::string& text : texts) add(row.rule, std::move(text));
      }
    }
  } catch (const Error& error) {
    add(kUnreadable, error.message());
  }
  return found;
}

std::string to_string(const LintFinding& finding) {
  return fmt::format("{} ({}): {}", finding.rule, finding.reference, finding.text);
}

void refuse_errors(const std::vector<LintFinding>& findings) {
  std::string errors;
  for (const LintFinding& finding : findings) {
    if (finding.severity == LintSeverity::error) errors += "\n  - " + to_string(finding);
  }
  if (errors.empty()) return;
  throw Error{ErrorKind::refused, "the certificate would not be as the standards say:" + errors}.hint(
      "ask for something else, or change the CA's profile");
}

LintedTbs LintedTbs::of(ByteView to_be_signed, const std::vector<Rules>& rules, Instant now) {
  refuse_errors(lint(to_be_signed, rules, now));
  return LintedTbs(to_be_signed);
}

}  // namespace hsmbridge::ca
