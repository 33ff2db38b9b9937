#include "workflow/ports/revocation_of.h"

#include "workflow/ports/serial_numbers.h"
#include "x509/judge/same_name.h"
#include "x509/objects/serial.h"

namespace hsmbridge::workflow {

std::optional<RevokedSerial> revocation_of(Revocations& book, const x509::Certificate& certificate,
                                           std::span<const x509::Certificate> issuers) {
  const std::string serial = x509::serial_text(certificate.serial());
  if (auto revoked = book.revocation(issuer_id(certificate.issuer()), serial)) return revoked;
  for (const x509::Certificate& issuer : issuers) {
    if (!x509::same_name(issuer.subject(), certificate.issuer())) continue;
    if (auto revoked = book.revocation(issuer_id(issuer.subject()), serial)) return revoked;
  }
  return std::nullopt;
}

}  // namespace hsmbridge::workflow
