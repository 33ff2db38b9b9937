#pragma once

#include "x509/names/name.h"

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace hsmbridge::x509 {

// What an attribute's definition demands of its value.
struct AttributeTypeRule {
  std::optional<StringType> string_type;  // nothing: any DirectoryString, we write UTF8String
  std::size_t most = 0;                   // characters; 0: no bound
  std::size_t exactly = 0;                // characters; 0: no exact length
};

// The type of an attribute from text, letter case ignored: our short names, RFC 4514's, any name OpenSSL knows, an OID.
// Throws invalid_input naming it.
Oid parse_attribute_type(std::string_view text);
// The short name in which it is written: "CN", "organizationIdentifier"; dotted when there is none.
std::string attribute_type_text(const Oid& type);
AttributeTypeRule attribute_type_rule(const Oid& type);

}  // namespace hsmbridge::x509
