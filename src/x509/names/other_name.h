#pragma once

#include "base/bytes.h"
#include "x509/asn1/oid.h"

#include <string>
#include <string_view>

// otherName of RFC 5280 §4.2.1.6: [0] { type-id OBJECT IDENTIFIER, value [0] EXPLICIT ANY }.
namespace hsmbridge::x509 {

inline const Oid kUserPrincipalName{"1.3.6.1.4.1.311.20.2.3"};

enum class OtherNameType { utf8, ia5, printable, bmp, integer, oid, boolean, null, octets, der };

// The GeneralName element. Throws invalid_input naming the value when it does not fit the type.
Bytes other_name_der(const Oid& type_id, OtherNameType type, std::string_view value);
// From "OID;TYPE:value", types as general_name.h lists them. Throws invalid_input.
Bytes other_name_from_text(std::string_view text);
// "upn:user@example.com" or "othername:OID;TYPE:value" of a GeneralName element. What cannot be shown as text is shown
// as DER:hex. Throws invalid_input.
std::string other_name_text(ByteView general_name);

}  // namespace hsmbridge::x509
