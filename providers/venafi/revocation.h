#pragma once

#include "providers/venafi/wire/wire.h"
#include "workflow/machine/report.h"

#include <optional>
#include <string>
#include <string_view>

// Revocation, in both vocabularies.
namespace hsmbridge::venafi {

// The service's word for a reason of RFC 5280 §5.3.1 ("keyCompromise"; "" is unspecified). Nothing where it has none.
std::optional<std::string_view> reason_word(std::string_view rfc5280);
// "unspecified, keyCompromise, …": the reasons that have one.
std::string known_reasons();

// Upper-case hex SHA-1 of a certificate's DER: by this, and nothing else, the service revokes.
std::string fingerprint_of(ByteView certificate);

// Where a revocation stands by what GraphQL says. SUBMITTED means that it was handed to the certificate authority, not
// that it took effect: awaiting_issuance, and asked again. Without a status: awaiting_issuance too.
workflow::Report report_of(const RevocationAnswer& answer);

}  // namespace hsmbridge::venafi
