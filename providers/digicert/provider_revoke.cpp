#include "base/error.h"
#include "base/text.h"
#include "providers/digicert/fields.h"
#include "providers/digicert/provider.h"
#include "providers/following.h"

#include <fmt/core.h>

// Revoking a certificate. The service does it at once: 204. Sending it twice does no harm (the second answer is
// "already has been revoked"), so that a certificate found not revoked after a lost answer may be sent again.
namespace hsmbridge::digicert {

using namespace workflow;

namespace {

struct Target {
  std::string serial;
  std::string thumbprint;
};

Target target_of(const Order& order) {
  if (!order.predecessor() || order.predecessor()->der.empty()) {
    throw Error{ErrorKind::invalid_input, "the certificate to revoke is not known"};
  }
  const Predecessor& old = *order.predecessor();
  return {known_serial(pinned_from(old.provider_state), x509::parse_certificate(old.der)), hex(sha256(old.der))};
}

Report done(std::string status, std::string message, const Target& target) {
  Report report;
  report.status = RequestStatus::done;
  report.provider_status = std::move(status);
  report.message = std::move(message);
  report.provider_state = to_text(Pinned{"", "", target.serial});
  return report;
}

bool is_collision(const Error& error) {
  return lower(error.message()).find("thumbprint_sha256") != std::string::npos;
}

// certificate_hold suspends.
bool is_revoked(const Order& order, const std::string& status) {
  return status == "revoked" ||
         (status == "suspended" && revocation_word(order.revocation()->reason) == "certificate_hold");
}

}  // namespace

std::vector<std::string> DigicertProvider::check_revocation(const ProviderCall& call) const {
  std::vector<std::string> problems;
  if (!revocation_word(call.order.revocation()->reason)) {
    problems.push_back(fmt::format("DigiCert does not support the revocation reason \"{}\"; it supports {}",
                                   call.order.revocation()->reason, revocation_reasons()));
  }
  try {
    target_of(call.order);
  } catch (const Error& error) {
    problems.push_back(error.message());
  }
  return problems;
}

SubmitAnswer DigicertProvider::revoke(const ProviderCall& call) {
  Target target;
  const std::optional<std::string_view> word = revocation_word(call.order.revocation()->reason);
  try {
    target = target_of(call.order);
    if (!word)
      throw Error{ErrorKind::invalid_input, "the reason \"" + call.order.revocation()->reason + "\" is not supported"};
  } catch (const Error& error) {
    return RefusedForGood{error};
  }
  RevocationVerdict verdict;
  try {
    // Never by the number alone: another issuer's certificate in the account may bear it too.
    verdict = client_->revoke(target.serial, target.thumbprint, *word, {call.time_limit, call.call_until});
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::internal) return OutcomeUnknown{error.message()};
    return NotAccepted{error, std::nullopt};
  }
  if (const auto* revoked = std::get_if<Revoked>(&verdict)) return Accepted{done("REVOKED", revoked->message, target)};
  if (const auto* taken = std::get_if<RevocationTaken>(&verdict)) {
    Report report;
    report.status = RequestStatus::awaiting_issuance;
    report.provider_status = taken->status;
    report.provider_state = to_text(Pinned{"", "", target.serial});
    report.progress.note = "DigiCert took the revocation; the certificate is not revoked until it says so";
    return Accepted{std::move(report)};
  }
  if (std::holds_alternative<Collision>(verdict)) {
    return RefusedForGood{Error{
        ErrorKind::conflict, fmt::format("DigiCert has certificate {} more than once, and does not tell them apart by "
                                         "the SHA-256 thumbprint {}",
                                         target.serial, target.thumbprint)}
                              .hint("revoke it in the console of Trust Lifecycle Manager")};
  }
  return *providers::passed_on(verdict);
}

// The status of the certificate is the truth about its revocation, whatever became of the call.
Report DigicertProvider::revocation_standing(const ProviderCall& call) {
  const Target target = target_of(call.order);
  Client::Details found;
  try {
    found = client_->certificate(target.serial, "", call.time_limit / 2);
  } catch (const Error& error) {
    if (says_not_there(error)) {
      return providers::unknown_there(error.message());
    }
    if (!is_collision(error)) throw;
    found = client_->certificate(target.serial, target.thumbprint, call.time_limit / 2);
  }
  if (!same_serial(found.details.serial, target.serial) ||
      (!found.details.thumbprint.empty() && found.details.thumbprint != target.thumbprint)) {
    throw Error{ErrorKind::corrupt,
                fmt::format("DigiCert was asked about certificate {} and answered with another one", target.serial)};
  }
  if (is_revoked(call.order, found.details.status)) {
    return done(upper(found.details.status), found.details.revocation_reason, target);
  }
  Report report;
  report.status = RequestStatus::awaiting_issuance;
  report.provider_status = upper(found.details.status);
  report.provider_state = to_text(Pinned{"", "", target.serial});
  return report;
}

LookUpAnswer DigicertProvider::look_up_revocation(const ProviderCall& call) {
  Report report = revocation_standing(call);
  if (report.status == RequestStatus::done) return Found{std::move(report)};
  if (report.status == RequestStatus::gone) {
    return CannotTell{fmt::format("DigiCert does not know the certificate to revoke: {}", report.message)};
  }
  // Not revoked (asked twice, across the settle time): what was lost did not take effect, and may be sent again.
  return Absent{};
}

}  // namespace hsmbridge::digicert
