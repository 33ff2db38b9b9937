#pragma once

#include "workflow/ports/revocations.h"
#include "x509/objects/certificate.h"

#include <optional>
#include <span>

namespace hsmbridge::workflow {

// Whether a CA of this bridge has revoked that certificate. The book of a CA is kept under its name as its own certificate
// spells it (issuer_id), and the certificate may spell it otherwise: one of `issuers` that has that name (RFC 5280 §7.1)
// tells. Throws what the store throws.
std::optional<RevokedSerial> revocation_of(Revocations& book, const x509::Certificate& certificate,
                                           std::span<const x509::Certificate> issuers);

}  // namespace hsmbridge::workflow
