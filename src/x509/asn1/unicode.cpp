#include "x509/asn1/unicode.h"

#include "base/text.h"

namespace hsmbridge::x509 {
namespace {

bool is_surrogate(char32_t code_point) {
  return code_point >= 0xD800 && code_point <= 0xDFFF;
}

}  // namespace

void append_utf8(std::string& to, char32_t c) {
  const auto put = [&to](char32_t octet) { to.push_back(static_cast<char>(octet)); };
  if (c < 0x80) {
    put(c);
  } else if (c < 0x800) {
    put(0xC0U | (c >> 6U));
    put(0x80U | (c & 0x3FU));
  } else if (c < 0x10000) {
    put(0xE0U | (c >> 12U));
    put(0x80U | ((c >> 6U) & 0x3FU));
    put(0x80U | (c & 0x3FU));
  } else {
    put(0xF0U | (c >> 18U));
    put(0x80U | ((c >> 12U) & 0x3FU));
    put(0x80U | ((c >> 6U) & 0x3FU));
    put(0x80U | (c & 0x3FU));
  }
}

std::size_t character_count(std::string_view text) {
  std::size_t count = 0;
  for (const char c : text) count += (static_cast<unsigned char>(c) & 0xC0U) != 0x80U;
  return count;
}

std::optional<std::string> utf8_from_latin1(ByteView octets) {
  std::string text;
  for (const std::uint8_t octet : octets) append_utf8(text, octet);
  return text;
}

std::optional<std::string> utf8_from_utf16(ByteView octets) {
  if (octets.size() % 2 != 0) return std::nullopt;
  std::string text;
  for (std::size_t i = 0; i < octets.size(); i += 2) {
    const auto unit = [&octets](std::size_t at) { return static_cast<char32_t>(octets[at] << 8 | octets[at + 1]); };
    char32_t c = unit(i);
    if (c >= 0xD800 && c <= 0xDBFF && i + 3 < octets.size() && unit(i + 2) >= 0xDC00 && unit(i + 2) <= 0xDFFF) {
      c = 0x10000 + ((c - 0xD800) << 10U) + (unit(i + 2) - 0xDC00);
      i += 2;
    }
    if (is_surrogate(c)) return std::nullopt;
    append_utf8(text, c);
  }
  return text;
}

std::optional<std::string> utf8_from_utf32(ByteView octets) {
  if (octets.size() % 4 != 0) return std::nullopt;
  std::string text;
  for (std::size_t i = 0; i < octets.size(); i += 4) {
    char32_t c = 0;
    for (std::size_t j = 0; j < 4; ++j) c = (c << 8U) | octets[i + j];
    if (c > 0x10FFFF || is_surrogate(c)) return std::nullopt;
    append_utf8(text, c);
  }
  return text;
}

std::optional<std::string> utf8_from_ascii(ByteView octets) {
  std::string text(octets.begin(), octets.end());
  if (!is_ascii(text)) return std::nullopt;
  return text;
}

std::optional<Bytes> utf16_from_utf8(std::string_view text) {
  Bytes octets;
  for (std::size_t at = 0; at < text.size();) {
    const auto c = next_code_point(text, at);
    if (!c || *c > 0xFFFF) return std::nullopt;  // BMPString holds the first plane only
    octets.push_back(static_cast<std::uint8_t>(*c >> 8U));
    octets.push_back(static_cast<std::uint8_t>(*c));
  }
  return octets;
}

std::optional<Bytes> utf32_from_utf8(std::string_view text) {
  Bytes octets;
  for (std::size_t at = 0; at < text.size();) {
    const auto c = next_code_point(text, at);
    if (!c) return std::nullopt;
    for (int shift = 24; shift >= 0; shift -= 8) octets.push_back(static_cast<std::uint8_t>(*c >> shift));
  }
  return octets;
}

std::optional<Bytes> latin1_from_utf8(std::string_view text) {
  Bytes octets;
  for (std::size_t at = 0; at < text.size();) {
    const auto c = next_code_point(text, at);
    if (!c || *c > 0xFF) return std::nullopt;
    octets.push_back(static_cast<std::uint8_t>(*c));
  }
  return octets;
}

bool is_printable_string(std::string_view text) {
  for (const char c : text) {
    if (!is_letter_or_digit(c) && (c == '\0' || std::string_view(" '()+,-./:=?").find(c) == std::string_view::npos))
      return false;
  }
  return true;
}

bool is_ascii(std::string_view text) {
  for (const char c : text) {
    if (static_cast<unsigned char>(c) >= 0x80) return false;
  }
  return true;
}

bool has_control(std::string_view utf8) {
  for (std::size_t at = 0; at < utf8.size();) {
    const auto c = next_code_point(utf8, at);
    if (!c || is_control(*c)) return true;
  }
  return false;
}

}  // namespace hsmbridge::x509
