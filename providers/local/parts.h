#pragma once

#include "base/bytes.h"
#include "base/clock.h"
#include "base/json.h"
#include "workflow/machine/order.h"
#include "x509/objects/certificate.h"

#include <string>

// What the files of this folder share.
namespace hsmbridge::local {

// Of a token, while a person waits.
inline constexpr Duration kByHand = std::chrono::minutes{2};

// Of another program that is a linter.
inline constexpr Duration kLinterLimit = std::chrono::seconds{30};

// What the leaves of a use of the CA's key say.
inline Json facts_of(const std::string& provider, const std::string& request, const x509::TbsCertificate& tbs) {
  return Json::object({{"provider", provider},
                       {"request", request},
                       {"issuer", tbs.issuer.to_string()},
                       {"serial", x509::serial_text(tbs.serial)},
                       {"subject", tbs.content.subject.to_string()},
                       {"to_be_signed_sha256", hex(sha256(tbs.der))}});
}

// What is kept with a draft (Draft::provider_state): by whom it was linted, over which bytes, and the key at a service
// that whoever approved saw that it is signed with; "" for a key in a token, whose SPKI is looked at before it signs.
std::string drafted_state(const std::string& linted_by, const std::string& key, ByteView to_be_signed);
// "" for a draft whose very bytes were linted by those who lint now, and are for the key that signs now.
std::string why_not_as_drafted(const workflow::Draft& draft, const std::string& linted_by, const std::string& key);

}  // namespace hsmbridge::local
