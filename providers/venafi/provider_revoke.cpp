// Revocation by VenafiProvider.
#include "base/error.h"
#include "base/text.h"
#include "base/unicode.h"
#include "providers/following.h"
#include "providers/venafi/look_up.h"
#include "providers/venafi/progress.h"
#include "providers/venafi/provider.h"

#include <fmt/core.h>

#include <utility>

namespace hsmbridge::venafi {
namespace {

using namespace workflow;

bool is_about(const RevocationAnswer& answer, const std::string& fingerprint) {
  return answer.fingerprint.empty() || equal_ignoring_case(answer.fingerprint, fingerprint);
}

}  // namespace

SubmitAnswer VenafiProvider::submit_revocation(const ProviderCall& call) {
  std::string text;
  std::string fingerprint;
  State state;
  try {
    const Predecessor& predecessor = predecessor_of(call.order);
    const auto reason = reason_word(call.order.revocation()->reason);
    if (!reason) {
      throw Error{ErrorKind::refused,
                  fmt::format("the service does not support the revocation reason \"{}\"; it supports: {}",
                              call.order.revocation()->reason, known_reasons())};
    }
    fingerprint = fingerprint_of(predecessor.der);
    text = revoke_text(fingerprint, *reason, "hsmbridge request " + mark_of(call));
    state = state_of(predecessor);
    if (state.request.empty()) state.request = predecessor.reference.str();
  } catch (const Error& error) {
    return RefusedForGood{error};
  }
  RevocationVerdict verdict = client_->revoke(text, call.time_limit, call.call_until);
  if (auto ended = providers::passed_on(verdict)) return std::move(*ended);
  const RevocationAnswer& answer = std::get<RevocationTaken>(verdict).answer;
  if (!is_about(answer, fingerprint)) {
    return OutcomeUnknown{fmt::format("the revocation of the certificate with the fingerprint {} was answered with {}",
                                      fingerprint, printable(answer.fingerprint))};
  }
  Report report = venafi::report_of(answer);
  report.reference = ProviderReference(fingerprint);
  report.provider_state = to_text(state);
  return Accepted{std::move(report)};
}

// Three places could say that a revocation took effect. GraphQL's own `revocation.status` cannot: its last good word is
// SUBMITTED. So the word comes from the certificate request, whose documented enumeration ends in REVOKED; and, for a
// certificate whose request is not known (it was imported, or its record is older), from `globalRevocation`, which the
// service reads in the authorities' revocation lists.
Report VenafiProvider::revocation(const Order& order, Duration limit) {
  const Predecessor& predecessor = predecessor_of(order);
  const std::string fingerprint = fingerprint_of(predecessor.der);
  const RevocationAnswer answer = client_->revocation(fingerprint, limit / 2);
  if (!is_about(answer, fingerprint)) {
    throw Error{ErrorKind::corrupt,
                fmt::format("the service was asked about the certificate with the fingerprint {} and "
                            "answered about {}",
                            fingerprint, printable(answer.fingerprint))};
  }
  Report report = venafi::report_of(answer);
  if (report.status == RequestStatus::done) return report;
  std::string request = state_of(predecessor).request;
  if (request.empty()) request = predecessor.reference.str();
  if (!request.empty()) {
    const Status status = client_->request(request, limit / 2);
    if (status.request && equal_ignoring_case(status.request->id, request) && status.request->status == "REVOKED") {
      report.status = RequestStatus::done;
      report.provider_status = "REVOKED";
      report.message.clear();
      report.progress = {};
      return report;
    }
  }
  if (answer.present) return report;
  return providers::unknown_there("the service does not know the certificate with the fingerprint " + fingerprint);
}

LookUpAnswer VenafiProvider::look_up_revocation(const ProviderCall& call) {
  const std::string fingerprint = fingerprint_of(predecessor_of(call.order).der);
  Report report = revocation(call.order, call.time_limit);
  switch (report.status) {
    case RequestStatus::gone:
      return CannotTell{report.message + ", so it cannot say whether the revocation arrived"};
    case RequestStatus::rejected:
    case RequestStatus::failed:
    case RequestStatus::unrecognised:
      // It may be the end of an earlier revocation, and the service shows one at a time.
      return CannotTell{
          fmt::format("the service shows a revocation of this certificate that is {} ({}); it may be an "
                      "earlier one: look at it there, then `hsmbridge request resolve ID --reference {}` "
                      "or --not-there",
                      report.provider_status, report.message, fingerprint)};
    default:
      break;
  }
  // One certificate, asked for by its only name: no revocation shown means that none arrived.
  if (report.provider_status.empty()) return Absent{};
  State state = state_of(predecessor_of(call.order));
  if (state.request.empty()) state.request = predecessor_of(call.order).reference.str();
  report.reference = ProviderReference(fingerprint);
  report.provider_state = to_text(state);
  return Found{std::move(report)};
}

}  // namespace hsmbridge::venafi
