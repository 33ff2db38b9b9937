#pragma once

#include "base/bytes.h"
#include "base/unicode.h"

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

// The character sets of ASN.1 strings, to UTF-8 and back.
namespace hsmbridge::x509 {

void append_utf8(std::string& to, char32_t code_point);
// Number of characters of valid UTF-8.
std::size_t character_count(std::string_view text);

// Nothing when the octets do not fit the character set.
std::optional<std::string> utf8_from_latin1(ByteView octets);
std::optional<std::string> utf8_from_utf16(ByteView octets);  // BMPString; surrogate pairs are read too
std::optional<std::string> utf8_from_utf32(ByteView octets);  // UniversalString
std::optional<std::string> utf8_from_ascii(ByteView octets);
std::optional<Bytes> utf16_from_utf8(std::string_view text);
std::optional<Bytes> utf32_from_utf8(std::string_view text);
std::optional<Bytes> latin1_from_utf8(std::string_view text);

// The character set of PrintableString (X.680 §41.4).
bool is_printable_string(std::string_view text);
bool is_ascii(std::string_view text);
// Whether a character is_control, or is no UTF-8.
bool has_control(std::string_view utf8);

}  // namespace hsmbridge::x509
