// Decisions about requests by VenafiProvider's account.
#include "base/error.h"
#include "providers/venafi/progress.h"
#include "providers/venafi/provider.h"
#include "providers/venafi/provider_report.h"
#include "x509/csr.h"
#include "x509/name.h"
#include "x509/pem.h"
#include "x509/render.h"

#include <fmt/format.h>

namespace hsmbridge::venafi {
namespace {

using namespace workflow;

// Whoever approves a request of ours must approve what we sent.
void must_ask_for(const CertificateRequest& request, ByteView csr) {
  const auto sent = [&] {
    try {
      return x509::read_csr(as_bytes(request.csr));
    } catch (const Error& error) {
      throw Error(ErrorKind::corrupt,
                  fmt::format("the service does not show the CSR of request {}: {}", request.id, error.message()));
    }
  }();
  if (!equal(sent, csr))
    throw Error(ErrorKind::corrupt, fmt::format("request {} at the service is for another CSR than ours", request.id));
}

// For whoever decides about it: what the CSR asks for, names and key included; else what the service says of it.
std::string asked_for(const CertificateRequest& request) {
  try {
    const x509::Csr csr = x509::parse_csr(x509::read_csr(as_bytes(request.csr)));
    std::string names;
    for (const x509::GeneralName& name : csr.content.subject_alternative_names)
      names += (names.empty() ? "" : ", ") + name.text;
    return fmt::format("{} ({}), {} key", csr.content.subject.to_string(), names.empty() ? "no names" : names,
                       x509::key_text(csr.spki));
  } catch (const Error&) {
    return x509::printable(request.subject);
  }
}

}  // namespace

Report VenafiProvider::standing(const ProviderReference& reference, ByteView csr, Duration limit) {
  const Status answer = client_->request(reference.str(), limit / 2);
  if (!answer.request)
    throw Error(ErrorKind::not_found,
                fmt::format("the service has no certificate request {}: {}", reference.str(), answer.unknown_why));
  must_be_about(*answer.request, reference);
  if (!csr.empty()) must_ask_for(*answer.request, csr);
  Report report = venafi::report_of(*answer.request);
  report.reference = ProviderReference(answer.request->id);
  add_approvals(answer.request->id, report, limit / 2);
  if (report.message.empty()) report.message = asked_for(*answer.request);
  return report;
}

void VenafiProvider::decide(const ProviderReference& reference, Decision decision, const std::string& reason,
                            Duration limit) {
  // The service's own bound.
  if (reason.size() > 1024)
    throw Error(ErrorKind::invalid_input, "the reason is longer than the 1024 characters that the service takes");
  const CertificateRequest now = client_->decide(
      reference.str(), decision == Decision::approve ? Client::Decision::approve : Client::Decision::reject, reason,
      limit);
  if (!same_id(now.id, reference.str()))
    throw Error(ErrorKind::outcome_unknown, fmt::format("a decision about request {} was answered with request {}",
                                                        reference.str(), x509::printable(now.id)))
        .hint("look at both before deciding once more: a decision is final there");
}

}  // namespace hsmbridge::venafi
