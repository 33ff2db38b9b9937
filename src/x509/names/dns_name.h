#pragma once

#include <string>
#include <string_view>

namespace hsmbridge::x509 {

enum class Wildcard { refused, allowed };

// A host name as it stands in a certificate: A-labels in lower case (IDNA 2008 through libidn2, mapped as UTS #46
// non-transitional does), each label letters, digits and hyphens, 63 octets a label, 253 in all (RFC 1034 §3.5, RFC
// 1123 §2.1). With Wildcard::allowed the whole leftmost label may be "*", with at least two labels after it. Throws
// invalid_input naming the value.
std::string host_name(std::string_view name, Wildcard wildcard);

}  // namespace hsmbridge::x509
