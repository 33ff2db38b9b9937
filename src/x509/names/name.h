#pragma once

#include "base/bytes.h"
#include "base/unicode.h"
#include "x509/asn1/oid.h"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace hsmbridge::x509 {

// ASN.1 type of an attribute's value. `other` is anything that is no character string: it is kept as DER.
enum class StringType { utf8, printable, ia5, numeric, teletex, visible, bmp, universal, other };

// One AttributeTypeAndValue (RFC 5280 §4.1.2.4).
struct NameAttribute {
  Oid type;
  std::string value;  // UTF-8, whatever the ASN.1 type; for StringType::other "#" and the hex of the DER
  StringType string_type = StringType::utf8;

  bool operator==(const NameAttribute&) const = default;
};

// A set of attributes, in the order of their DER (a SET OF is sorted): the order they were given in has no meaning.
using RelativeName = std::vector<NameAttribute>;

// A distinguished name: relative names in order. It keeps its exact DER, so that an issuer's name is copied and never
// encoded anew (RFC 5280 §4.1.2.4, §7.1: chains compare it). Immutable.
class Name {
 public:
  // The empty name.
  Name();

  // Text like RFC 4514, but in the order GIVEN: the first relative name written is the first in the DER ("C=CH,
  // O=Example, CN=www" and "CN=www, O=Example, C=CH" are two different names). "+" joins a multi-valued one, "," or ";"
  // ends one; "\" escapes the next character or two hex digits of an octet; a value may stand in double quotes; "#" and
  // hex is a value as DER. Types: any name OpenSSL knows ("CN", "organizationName", …; letter case does not matter),
  // RFC 4514's (ST, STREET, DC, UID, …), "E" for emailAddress, dotted OIDs and "OID.2.5.4.97". An optional leading "/"
  // switches to OpenSSL's slash form "/C=CH/O=Example/CN=www". Empty text is the empty name.
  // String types: PrintableString for C, serialNumber and dnQualifier, IA5String for emailAddress and DC, else
  // UTF8String. Upper bounds of RFC 5280 appendix A.1 and the two letters of C are checked; invalid UTF-8, an empty
  // value and control characters are refused. Throws invalid_input naming the part.
  static Name parse(std::string_view text);
  // From given attributes; the same checks. Throws invalid_input.
  static Name from(std::vector<RelativeName> relative_names);
  // From a DER Name, kept byte by byte. No upper bounds: other people's certificates break them. Throws invalid_input.
  static Name from_der(ByteView der);

  // The checks of `from`, for a name that was read from DER and shall be asked for. Throws invalid_input.
  void check() const;

  const Bytes& der() const noexcept { return der_; }
  const std::vector<RelativeName>& relative_names() const noexcept { return relative_names_; }
  bool empty() const noexcept { return relative_names_.empty(); }
  // The text form that `parse` reads back to the same names, in DER order: "C=CH, O=Example, CN=a+UID=b". A non-ASCII
  // character stays as it is, a control character is escaped (so a name cannot drive a terminal).
  std::string to_string() const;
  // The last (most specific) value of that type, for example of commonName.
  std::optional<std::string> find(const Oid& type) const;

  // Same bytes.
  bool operator==(const Name& other) const { return der_ == other.der_; }
  // Same relative names in the same order, whatever the ASN.1 string types and the order inside a multi-valued one.
  bool same_text(const Name& other) const;

 private:
  std::vector<RelativeName> relative_names_;
  Bytes der_;
};

namespace oids {
inline const Oid kCommonName{"2.5.4.3"};
inline const Oid kEmailAddress{"1.2.840.113549.1.9.1"};
}  // namespace oids

}  // namespace hsmbridge::x509
