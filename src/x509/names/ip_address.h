#pragma once

#include "base/bytes.h"

#include <string>
#include <string_view>

// IP addresses as RFC 5280 carries them.
namespace hsmbridge::x509 {

// 4 or 16 octets. Throws invalid_input naming the text.
Bytes ip_octets(std::string_view text);
// Canonical text (RFC 5952 for IPv6) of 4 or 16 octets. Throws invalid_input for another length.
std::string ip_text(ByteView octets);

// Address and mask, 8 or 32 octets (RFC 5280 §4.2.1.10), from "10.0.0.0/8", "10.0.0.0/255.0.0.0" or "2001:db8::/32".
// The mask must be contiguous and the address must have no bits outside it. Throws invalid_input naming the text.
Bytes ip_network_octets(std::string_view text);
// "10.0.0.0/8"; the mask as an address where it is not contiguous.
std::string ip_network_text(ByteView octets);

}  // namespace hsmbridge::x509
