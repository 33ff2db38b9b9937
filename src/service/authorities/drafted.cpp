#include "service/authorities/drafted.h"

#include "base/error.h"
#include "workflow/machine/lifecycle.h"
#include "x509/objects/certificate.h"
#include "x509/objects/serial.h"
#include "x509/objects/spki.h"

#include <fmt/core.h>

#include <utility>
#include <variant>

namespace hsmbridge::service {
namespace {

// What a draft would have been a certificate of; nothing where it has another number, or is a CRL's.
std::optional<workflow::CertifiedElsewhere> certificate_in(const workflow::Draft& draft, const std::string& issuer,
                                                           const std::string& serial) {
  if (draft.to_be_signed.empty()) return std::nullopt;
  try {
    const x509::TbsCertificate tbs = x509::parse_tbs_certificate(draft.to_be_signed);
    if (x509::serial_text(tbs.serial) != serial || workflow::issuer_id(tbs.issuer) != issuer) return std::nullopt;
    return workflow::CertifiedElsewhere{serial, tbs.content.subject.to_string(), tbs.validity.not_after,
                                        x509::spki_hash(tbs.spki), ca::holder_of(tbs.content)};
  } catch (const Error&) {
    return std::nullopt;
  }
}

// Of the last draft of that number with which an attempt was made. What no attempt was made with was signed by nobody.
std::optional<workflow::CertifiedElsewhere> attempted(workflow::Store& store, const RequestId& request,
                                                      const std::string& issuer, const std::string& serial) {
  std::optional<workflow::CertifiedElsewhere> frozen;
  std::optional<workflow::CertifiedElsewhere> sent;
  for (const workflow::JournalEntry& entry : store.history(request)) {
    if (const auto* draft = std::get_if<workflow::DraftFrozen>(&entry.event.body)) {
      frozen = certificate_in(draft->draft, issuer, serial);
    } else if (frozen && std::holds_alternative<workflow::AttemptStarted>(entry.event.body)) {
      sent = frozen;
    }
  }
  return sent;
}

}  // namespace

std::optional<Drafted> drafted_under(workflow::Store& store, const std::string& issuer, const std::string& serial) {
  const auto request = store.taken_for(issuer, serial);
  if (!request) return std::nullopt;
  if (request->empty()) {
    throw Error{ErrorKind::not_found,
                fmt::format("the serial number {} was taken for the certificate of the CA itself", serial)}
        .hint("no CRL of its own ends a root: those who trust it must take it out");
  }
  if (store.end_of_certificate(issuer, serial)) {
    throw Error{ErrorKind::conflict, fmt::format("the certificate with the serial number {} is in the records: request "
                                                 "{} brought it",
                                                 serial, *request)}
        .hint(fmt::format("hsmbridge request show {} names it, and hsmbridge cert revoke CERT revokes it", *request));
  }
  const RequestId id{*request};
  const auto record = store.find(id);
  if (record && !workflow::is_final(workflow::name_of(record->state))) {
    throw Error{ErrorKind::conflict,
                fmt::format("request {}, for which the serial number {} was taken, is open and may "
                            "bring its certificate",
                            *request, serial)}
        .hint(fmt::format("end it first: hsmbridge request explain {}", *request));
  }
  auto certificate = attempted(store, id, issuer, serial);
  if (certificate) return Drafted{*request, std::move(*certificate)};
  throw Error{ErrorKind::not_found, fmt::format("the serial number {} was taken for request {}, and nothing was handed "
                                                "to be signed under it: there is no such certificate",
                                                serial, *request)};
}

}  // namespace hsmbridge::service
