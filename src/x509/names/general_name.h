#pragma once

#include "base/bytes.h"

#include <string>
#include <string_view>

namespace hsmbridge::x509 {

// The CHOICE of RFC 5280 §4.2.1.6, numbered as its tags.
enum class GeneralNameKind {
  other_name = 0,
  email = 1,
  dns = 2,
  x400 = 3,
  directory = 4,
  edi_party = 5,
  uri = 6,
  ip = 7,
  registered_id = 8,
};

// One GeneralName: its DER, and the text a person writes and reads. Two are equal when their DER is.
//
//   dns:www.example.com         A-labels; "dns:müller.example" is converted by IDNA 2008 (libidn2);
//                               "dns:*.example.com" is a wildcard: alone, as the whole leftmost label, with at least
//                               two labels after it
//   ip:192.0.2.1  ip:2001:db8::1
//   email:ops@example.com       RFC 5321 mailbox; a non-ASCII domain becomes A-labels, a non-ASCII local part is refused
//   uri:https://example.com/x   absolute, ASCII (RFC 3986)
//   upn:user@example.com        otherName 1.3.6.1.4.1.311.20.2.3, UTF8String
//   othername:OID;TYPE:value    TYPE: UTF8, IA5, PRINTABLE, BMP (text), INT (decimal), OID, BOOL (TRUE or FALSE), NULL,
//                               OCTET (hex of the content), DER (hex of the whole value)
//   dirname:C=CH, O=Example     a Name in the text form of name.h
//   rid:1.2.3.4
//   x400: and ediparty: appear only when reading (as hex of the DER) and cannot be asked for.
struct GeneralName {
  GeneralNameKind kind = GeneralNameKind::dns;
  Bytes der;         // the whole element, [n] tag included
  std::string text;  // as above, prefix included; control characters escaped

  // From the text form. A text without a known prefix is refused with the list of prefixes; a malformed value is
  // refused naming it. Throws invalid_input.
  static GeneralName parse(std::string_view text);
  // The base of a name constraint (RFC 5280 §4.2.1.10): as above, but "dns:example.com" is a subtree (a leading dot is
  // kept as given, no wildcards, empty allowed), "ip:10.0.0.0/8" or "ip:10.0.0.0/255.0.0.0" or "ip:2001:db8::/32" an
  // address with a mask, "email:" a mailbox, a host or ".domain", "uri:" a host or ".domain". Throws invalid_input.
  static GeneralName parse_constraint(std::string_view text);
  static GeneralName from_der(ByteView der);
  static GeneralName constraint_from_der(ByteView der);

  // The checks of `parse`, for a name that was read from DER and shall be asked for; kinds without a check of their own
  // pass. Throws invalid_input.
  void check() const;

  bool operator==(const GeneralName& other) const { return der == other.der; }
};

}  // namespace hsmbridge::x509
