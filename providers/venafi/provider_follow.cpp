// What becomes of a request of VenafiProvider, and its certificate.
#include "base/error.h"
#include "base/log.h"
#include "base/text.h"
#include "base/unicode.h"
#include "providers/bundle.h"
#include "providers/following.h"
#include "providers/venafi/progress.h"
#include "providers/venafi/provider.h"
#include "x509/objects/csr.h"
#include "x509/objects/pem.h"

#include <fmt/core.h>

#include <algorithm>
#include <utility>

namespace hsmbridge::venafi {
namespace {

using namespace workflow;

// Of certificates that are asked for one by one; no authority has more above it.
constexpr std::size_t kLongestChain = 10;
// Of one answer. No chain is near it.
constexpr std::size_t kMostCertificates = 100;

}  // namespace

void VenafiProvider::add_approvals(const std::string& id, Report& report, Duration limit) {
  try {
    const std::optional<ApprovalRequest> approval = client_->approval(id, limit);
    if (!approval) {
      report.progress.note = "the service does not say who must approve";
      return;
    }
    if (!approval->entity.empty() && !equal_ignoring_case(approval->entity, id)) {
      throw Error{ErrorKind::corrupt,
                  fmt::format("the service was asked about the approval of {} and answered about {}", id,
                              printable(approval->entity))};
    }
    report.progress = venafi::progress_of(*approval, settings_.people);
    if (report.status == RequestStatus::rejected) {
      const Refused refused = refused_by(*approval, settings_.people);
      report.by = refused.by;
      if (!refused.why.empty()) report.message = refused.why;
      if (refused.expired) report.status = RequestStatus::expired;
    }
  } catch (const Error& error) {
    // Who may order need not be somebody who may see the approvers: the status itself is what counts.
    log::debug(fmt::format("provider {}: the approvers of {} are not shown: {}", settings_.name, id, error.message()));
    report.progress.note = error.kind() == ErrorKind::denied || error.kind() == ErrorKind::refused
                               ? "who must approve is not shown to these credentials"
                               : "who must approve could not be read";
  }
}

Report VenafiProvider::status(const ProviderCall& call) {
  const Submission& submission = providers::submission_of(call, "the service");
  const Status answer = client_->request(submission.reference.str(), call.time_limit / 2);
  if (!answer.request) return providers::unknown_there(answer.unknown_why);
  const CertificateRequest& now = *answer.request;
  must_be_about(now, submission.reference);
  Report report = report_with(now, state_from(submission.provider_state));
  report.reference = {};
  report.retry_after = answer.retry_after;
  if (is_approval_status(now.status)) add_approvals(now.id, report, call.time_limit / 2);
  return report;
}

Report VenafiProvider::poll(const ProviderCall& call) {
  return call.order.kind() == Kind::revoke ? revocation(call.order, call.time_limit) : status(call);
}

// Issued, and not to be had: the inventory is some seconds behind. For a while that is waited for; then it is a fact
// that a person should look at.
Report VenafiProvider::not_there_yet(const ProviderCall& call, Report report, State state,
                                     const std::string& why) const {
  report.status = RequestStatus::ready;
  report.provider_status =
      state.certificates.empty() ? "ISSUED, but not which certificate" : "ISSUED, but not in the inventory yet";
  report.message = why;
  if (!state.missing_since) state.missing_since = call.now;
  if (call.now - *state.missing_since >= settings_.inventory_lag) {
    report.status = RequestStatus::gone;
    report.message = fmt::format("issued, and for {} not in the service's inventory: {}",
                                 hsmbridge::spoken(call.now - *state.missing_since), why);
  }
  report.provider_state = to_text(state);
  return report;
}

Report VenafiProvider::retrieve(const ProviderCall& call) {
  const Submission& submission = providers::submission_of(call, "the service");
  State state = state_from(submission.provider_state);
  Report report;
  report.provider_status = "ISSUED";
  if (state.certificates.empty()) {
    report = status(call);
    if (report.status != RequestStatus::ready) return report;
    state = state_from(report.provider_state);
    if (state.certificates.empty()) {
      const std::string why = report.message;
      return not_there_yet(call, std::move(report), std::move(state), why);
    }
  }
  const Contents contents =
      client_->contents(state.certificates.front(), Client::ChainOrder::leaf_first, call.time_limit / 2);
  if (!contents.missing.empty()) return not_there_yet(call, std::move(report), std::move(state), contents.missing);
  if (contents.body.find("-----BEGIN CERTIFICATE-----") == std::string::npos) {
    if (providers::is_html("", contents.body)) {
      throw Error{ErrorKind::unavailable, "an HTML page (of a proxy?) came in place of the certificate"};
    }
    return not_there_yet(call, std::move(report), std::move(state),
                         "an answer without a certificate came in place of the certificate");
  }
  state.missing_since.reset();
  report.status = RequestStatus::handed_out;
  report.message.clear();
  report.provider_state = to_text(state);
  report.result = IssuedResult{IssuedCertificate{to_bytes(contents.body)}, to_bytes(contents.body)};
  return report;
}

CancelAnswer VenafiProvider::cancel(const ProviderCall& call) {
  if (call.order.kind() == Kind::revoke) {
    return CancelNotPossible{"a revocation that was sent to the service cannot be taken back"};
  }
  return CancelNotPossible{
      "the service has no call that cancels a request: an approver can reject it there; a certificate that still comes "
      "is checked and kept, and not installed"};
}

Issued VenafiProvider::certificate_in(const ProviderCall& call, const IssuedResult& result) const {
  const Bytes spki = x509::parse_csr(call.draft.csr).spki;
  return providers::issued_from("the service", result.octets(), spki, call.order);
}

// It came without its chain: the request told the ids of the authorities' certificates.
std::vector<Bytes> VenafiProvider::issuers_for(const ProviderCall& call, const Issued& issued) {
  std::vector<Bytes> issuers;
  if (!issued.chain.empty() || call.submission == nullptr) return issuers;
  const State state = state_from(call.submission->provider_state);
  const std::size_t end = std::min(state.certificates.size(), kLongestChain);
  for (std::size_t i = 1; i < end; ++i) {
    try {
      const Contents contents = client_->contents(state.certificates[i], Client::ChainOrder::leaf_only,
                                                  call.time_limit / static_cast<int>(end));
      if (!contents.missing.empty()) continue;
      for (Bytes& der : x509::read_certificates(as_bytes(contents.body))) {
        if (issuers.size() < kMostCertificates) issuers.push_back(std::move(der));
      }
    } catch (const Error& error) {
      // Worth another try; anything else leaves the check of the chain to say what is missing.
      if (error.kind() == ErrorKind::unavailable) throw;
    }
  }
  return issuers;
}

}  // namespace hsmbridge::venafi
