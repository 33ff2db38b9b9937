#include "providers/venafi/provider_report.h"

#include "base/error.h"
#include "providers/venafi/progress.h"
#include "x509/names/name.h"

#include <fmt/core.h>

#include <utility>

namespace hsmbridge::venafi {

using workflow::Report;

workflow::Report report_with(const CertificateRequest& request, State state) {
  Report report = report_of(request);
  report.reference = ProviderReference(request.id);
  state.request = request.id;
  if (!request.certificate_ids.empty()) state.certificates = request.certificate_ids;
  // The leaf's and those of its chain; kept with the request.
  constexpr std::size_t kMostIds = 20;
  if (state.certificates.size() > kMostIds) state.certificates.resize(kMostIds);
  constexpr std::size_t kLongestText = 1000;
  if (report.message.size() > kLongestText) {
    report.message = x509::printable(report.message.substr(0, kLongestText)) + "…";
  }
  if (report.provider_status.size() > 100) {
    report.provider_status = x509::printable(report.provider_status.substr(0, 100));
  }
  report.provider_state = to_text(state);
  return report;
}

void must_be_about(const CertificateRequest& request, const ProviderReference& reference) {
  if (!same_id(request.id, reference.str())) {
    throw Error{ErrorKind::corrupt, fmt::format("the service was asked about request {} and answered about {}",
                                                reference.str(), x509::printable(request.id))};
  }
}

}  // namespace hsmbridge::venafi
