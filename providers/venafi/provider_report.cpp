#include "providers/venafi/provider_report.h"

#include "base/error.h"
#include "providers/venafi/progress.h"
#include "x509/name.h"

#include <fmt/format.h>

#include <utility>

namespace hsmbridge::venafi {

using workflow::Report;

workflow::Report report_with(const CertificateRequest& request, State state) {
  Report report = report_of(request);
  report.reference = ProviderReference(request.id);
  state.request = request.id;
  if (!request.certificate_ids.empty()) state.certificates = request.certificate_ids;
  report.provider_state = to_text(state);
  return report;
}

void must_be_about(const CertificateRequest& request, const ProviderReference& reference) {
  if (!same_id(request.id, reference.str()))
    throw Error(ErrorKind::corrupt, fmt::format("the service was asked about request {} and answered about {}",
                                                reference.str(), x509::printable(request.id)));
}

}  // namespace hsmbridge::venafi
