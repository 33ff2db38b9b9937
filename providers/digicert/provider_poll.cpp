#include "base/error.h"
#include "base/text.h"
#include "base/unicode.h"
#include "providers/digicert/fields.h"
#include "providers/digicert/provider.h"
#include "providers/following.h"

#include <fmt/core.h>

// Asking the service about what was ordered there.
namespace hsmbridge::digicert {

using namespace workflow;

namespace {

constexpr std::string_view kSerialReference = "serial:";

// Status of a pick-up, in upper case, and what it means. PENDING and ISSUED are in the service's own client; the others
// are its words for enrolments, and a rejection is shown nowhere: several spellings are listened for.
struct StatusRow {
  std::string_view status;
  RequestStatus standing;
};
constexpr StatusRow kStatuses[] = {
    {"PENDING", RequestStatus::awaiting_approval},
    {"CREATED", RequestStatus::awaiting_approval},
    {"PENDING_APPROVAL", RequestStatus::awaiting_approval},
    {"PENDING_SECOND_APPROVAL", RequestStatus::awaiting_approval},
    {"IN_PROGRESS", RequestStatus::awaiting_issuance},
    {"PROCESSING", RequestStatus::awaiting_issuance},
    {"APPROVED", RequestStatus::awaiting_issuance},
    {"REJECTED", RequestStatus::rejected},
    {"DENIED", RequestStatus::rejected},
    {"DECLINED", RequestStatus::rejected},
    {"EXPIRED", RequestStatus::expired},
    {"CANCELLED", RequestStatus::cancelled},
    {"CANCELED", RequestStatus::cancelled},
    {"FAILED", RequestStatus::failed},
    {"LOCKED", RequestStatus::failed},
};
RequestStatus standing_of(std::string_view status) {
  const StatusRow* row = providers::row_with(kStatuses, &StatusRow::status, status);
  return row == nullptr ? RequestStatus::unrecognised : row->standing;
}

// A final word that comes as a refusal of the pick-up. The service's codes for it are shown nowhere: these words, alone
// or after one of these beginnings, and no other code that happens to hold one ("token_expired", "access_denied" and
// "license_expired" are about us, and a final state cannot be taken back).
struct FinalWord {
  std::string_view word;
  RequestStatus standing;
};
constexpr FinalWord kFinalWords[] = {
    {"rejected", RequestStatus::rejected},   {"denied", RequestStatus::rejected},
    {"declined", RequestStatus::rejected},   {"expired", RequestStatus::expired},
    {"cancelled", RequestStatus::cancelled}, {"canceled", RequestStatus::cancelled},
};
constexpr std::string_view kBeginnings[] = {"", "request_", "certificate_request_", "enrollment_", "enrolment_"};

std::optional<RequestStatus> final_word(const Error& error) {
  if (error.detail("http") != "400" && error.detail("http") != "409" && error.detail("http") != "422") {
    return std::nullopt;
  }
  const std::string code = lower(error.detail("code"));
  for (const FinalWord& row : kFinalWords) {
    for (const std::string_view beginning : kBeginnings) {
      if (code == std::string(beginning) + std::string(row.word)) return row.standing;
    }
  }
  return std::nullopt;
}

std::string said(const CertificateAnswer& answer) {
  return printable(answer.message.substr(0, 500));
}

// The certificate exists and must not be installed; a suspended one may be resumed.
bool is_of_no_use(const std::string& status) {
  return status == "revoked" || status == "suspended";
}
void of_no_use(Report& report, const std::string& serial, const std::string& status) {
  report.status = status == "revoked" ? RequestStatus::failed : RequestStatus::unrecognised;
  report.message = fmt::format("certificate {} was issued and is {} there", serial, status);
  report.progress.note = report.message;
}

}  // namespace

// ---- by serial number -----------------------------------------------------------------------------------------------

Report DigicertProvider::by_serial(const ProviderCall& call, const std::string& serial, Duration limit) {
  Report report;
  try {
    const Client::Details found = client_->certificate(serial, "", limit);
    Pinned pinned = pinned_for(call);
    pinned.serial = found.details.serial;
    pinned.missing_since.reset();
    report.provider_status = upper(found.details.status);
    if (!same_serial(found.details.serial, serial)) {
      throw Error{ErrorKind::corrupt, fmt::format("DigiCert was asked for certificate {} and answered with {}", serial,
                                                  found.details.serial)};
    }
    if (found.details.certificate.empty()) {
      report.status = RequestStatus::unrecognised;
      report.progress.note = "DigiCert knows the certificate " + serial + " and does not show it";
      return report;
    }
    if (is_of_no_use(found.details.status)) {
      of_no_use(report, serial, found.details.status);
      return report;
    }
    report.provider_state = to_text(pinned);
    report.status = RequestStatus::handed_out;
    report.result = result_of(found.details.certificate, found.body);
    return report;
  } catch (const Error& error) {
    if (!says_not_there(error)) throw;
    return providers::unknown_there(error.message());
  }
}

Report DigicertProvider::find_by_serial(const ProviderCall& call, const std::string& serial) {
  const std::string digits = upper(x509::parse_serial(serial));
  Report report = by_serial(call, digits, call.time_limit);
  report.reference = ProviderReference(std::string(kSerialReference) + digits);
  return report;
}

IssuedResult result_of(const std::string& certificate, const std::string& body) {
  return {IssuedCertificate{to_bytes(certificate)}, to_bytes(body)};
}

// ---- poll, retrieve -------------------------------------------------------------------------------------------------

Report DigicertProvider::poll(const ProviderCall& call) {
  if (call.order.kind() == Kind::revoke) return revocation_standing(call);
  const Submission& submission = providers::submission_of(call, "DigiCert");
  const std::string& reference = submission.reference.str();
  if (reference.starts_with(kSerialReference)) {
    return by_serial(call, reference.substr(kSerialReference.size()), call.time_limit);
  }

  Pinned pinned = pinned_for(call);
  Report report;
  try {
    Client::Pickup picked = client_->pick_up(reference, pinned.profile, call.time_limit / 2);
    const CertificateAnswer& answer = picked.answer;
    report.retry_after = picked.retry_after;
    report.provider_status = printable(answer.status.substr(0, 100));
    report.message = said(answer);
    if (is_of_no_use(lower(answer.status)) && !answer.serial.empty()) {
      of_no_use(report, answer.serial, lower(answer.status));
      return report;
    }
    if (answer.issued()) {
      report.status = RequestStatus::handed_out;
      if (report.provider_status.empty()) report.provider_status = "ISSUED";
      pinned.serial = answer.serial;
      report.provider_state = to_text(pinned);
      report.result = result_of(answer.certificate, picked.body);
      return report;
    }
    if (!answer.serial.empty()) {
      // Issued, says the number; the certificate itself is asked for.
      report.status = RequestStatus::ready;
      pinned.serial = answer.serial;
      report.provider_state = to_text(pinned);
      return report;
    }
    report.status = standing_of(answer.status);
    if (answer.status.empty()) report.provider_status = "(no status)";
    const std::optional<Profile> known = known_profile(pinned.profile);
    if (report.status == RequestStatus::awaiting_approval) {
      report.progress.note = fmt::format("it waits for {}", what_is_awaited(known ? &*known : nullptr));
    }
    // "ISSUED" without a certificate is recorded and waited on: it is neither a certificate nor a refusal.
    if (report.status == RequestStatus::unrecognised) {
      report.progress.note = fmt::format("DigiCert says '{}' and gives no certificate", report.provider_status);
    }
    return report;
  } catch (const Error& error) {
    if (const std::optional<RequestStatus> word = final_word(error)) {
      report.status = *word;
      report.provider_status = std::string(error.detail("code"));
      report.message = error.message();
      return report;
    }
    if (!says_not_there(error)) throw;
    report = providers::unknown_there(error.message());
  }
  // Gone: or picked up already by a poll whose answer was lost. The certificate would be there.
  try {
    if (auto found = found_by_key(call, call.time_limit / 2)) {
      found->reference = {};  // it goes on under the one that we wait for
      return std::move(*found);
    }
  } catch (const Error& error) {
    // A search that is not allowed or not understood leaves what the pick-up said.
    if (error.kind() == ErrorKind::unavailable || error.detail("http") == "401") throw;
    report.message += fmt::format("; the search for its certificate failed: {}", error.message());
  }
  return report;
}

Report DigicertProvider::retrieve(const ProviderCall& call) {
  if (call.order.kind() == Kind::revoke) return revocation_standing(call);
  Pinned pinned = pinned_for(call);
  if (pinned.serial.empty()) return poll(call);
  Report report = by_serial(call, pinned.serial, call.time_limit);
  if (report.status != RequestStatus::gone) return report;
  if (!pinned.missing_since) pinned.missing_since = call.now;
  if (call.now - *pinned.missing_since < settings_.search_lag) {
    report.status = RequestStatus::ready;
    report.provider_status = "ISSUED, but not in the inventory yet";
  }
  report.provider_state = to_text(pinned);
  return report;
}

}  // namespace hsmbridge::digicert
