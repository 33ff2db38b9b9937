#pragma once

#include "base/bytes.h"
#include "x509/asn1/der.h"
#include "x509/content/content.h"

// PolicyInformation of RFC 5280 §4.2.1.4.
namespace hsmbridge::x509 {

Bytes encode_policy(const Policy& policy);
// The next PolicyInformation. A qualifier that Policy cannot hold without loss goes to other_qualifiers. Throws
// invalid_input.
Policy decode_policy(der::Reader& reader);

}  // namespace hsmbridge::x509
