#include "service/effects/expectation.h"

#include "x509/content/requested_content.h"
#include "x509/objects/certificate.h"
#include "x509/objects/csr.h"

#include <fmt/core.h>

namespace hsmbridge::service {

x509::Expectation expectation_of(const workflow::Order& order, const workflow::Draft& draft) {
  const auto& asked = workflow::enrolment_of(order).content;
  x509::Expectation expected;
  expected.spki = x509::parse_csr(draft.csr).spki;
  expected.content = asked.content;
  expected.accept = asked.accept;
  if (!draft.to_be_signed.empty()) {
    const x509::TbsCertificate frozen = x509::parse_tbs_certificate(draft.to_be_signed);
    expected.validity = frozen.validity;
    // Constraints that the CA froze into the draft take powers away, and are as good as asked for.
    if (!expected.content.name_constraints) expected.content.name_constraints = frozen.content.name_constraints;
  } else if (asked.validity > Duration::zero()) {
    expected.lifetime = asked.validity;
  }
  return expected;
}

std::vector<std::string> fatal_once_signed(const workflow::Order& order, const workflow::Draft& draft, Instant now) {
  std::vector<std::string> reasons;
  if (draft.to_be_signed.empty()) return reasons;
  const x509::TbsCertificate frozen = x509::parse_tbs_certificate(draft.to_be_signed);
  for (const x509::Finding& finding : x509::check_to_be_signed(frozen, expectation_of(order, draft), now)) {
    if (finding.severity != x509::Severity::fatal) continue;
    reasons.push_back(fmt::format("{}{}", finding.explanation,
                                  x509::finding_kind(finding.name).acceptable
                                      ? fmt::format(" (a profile may accept it: {})", finding.name)
                                      : ""));
  }
  return reasons;
}

}  // namespace hsmbridge::service
