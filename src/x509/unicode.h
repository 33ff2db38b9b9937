#pragma once

#include "base/bytes.h"

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

// The character sets of ASN.1 strings, to UTF-8 and back.
namespace hsmbridge::x509 {

// The code point at `at`, which moves behind it; nothing when it is not valid UTF-8 (overlong, surrogate, beyond
// 10FFFF).
std::optional<char32_t> next_code_point(std::string_view text, std::size_t& at);
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
// Control characters, and the invisible ones that reorder text on a terminal (bidirectional controls, line separators).
bool is_control(char32_t code_point);
bool has_control(std::string_view utf8);

}  // namespace hsmbridge::x509
