#include "x509/judge/finding_collector.h"

#include "base/error.h"

#include <algorithm>
#include <utility>

namespace hsmbridge::x509 {

FindingCollector::FindingCollector(const std::vector<std::string>& accept) {
  for (const std::string& name : accept) {
    if (!finding_kind(name).acceptable) {
      throw Error{ErrorKind::invalid_input, "\"" + name + "\" can never be accepted"}.hint(
          "take it out of the profile's accept list");
    }
    for (const std::string_view today : accepted_by(name)) accepted_.emplace(today);
  }
}

void FindingCollector::note(std::string_view name, std::string explanation) {
  const auto known = std::find_if(findings_.begin(), findings_.end(), [&](const Finding& f) { return f.name == name; });
  if (known == findings_.end()) {
    const Severity severity = accepted_.count(name) != 0 ? Severity::reported : finding_kind(name).severity;
    findings_.push_back({std::string(name), severity, bounded(explanation)});
  } else if (known->explanation.size() + explanation.size() <= kMostExplanation && more_.count(name) == 0) {
    known->explanation += "; " + explanation;
  } else {
    ++more_[std::string(name)];
  }
}

std::vector<Finding> FindingCollector::take() {
  for (Finding& finding : findings_) {
    const auto more = more_.find(finding.name);
    if (more != more_.end()) finding.explanation += " and " + std::to_string(more->second) + " more";
  }
  std::stable_sort(findings_.begin(), findings_.end(), [](const Finding& a, const Finding& b) {
    return a.severity == Severity::fatal && b.severity != Severity::fatal;
  });
  return std::move(findings_);
}

std::string asked_found(const std::string& asked, const std::string& found) {
  return "asked " + asked + ", found " + found;
}

}  // namespace hsmbridge::x509
