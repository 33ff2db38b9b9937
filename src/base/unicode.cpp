#include "base/unicode.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>

namespace hsmbridge {
namespace {

bool is_surrogate(char32_t code_point) {
  return code_point >= 0xD800 && code_point <= 0xDFFF;
}

struct Range {
  char32_t first;
  char32_t last;
};

// first, last: what it is
constexpr auto kHidden = std::to_array<Range>({
    {0x0000, 0x001F},    // C0 controls
    {0x007F, 0x009F},    // DEL and C1 controls, which some terminals obey
    {0x00AD, 0x00AD},    // soft hyphen
    {0x034F, 0x034F},    // combining grapheme joiner
    {0x061C, 0x061C},    // Arabic letter mark
    {0x115F, 0x1160},    // Hangul fillers
    {0x180E, 0x180E},    // Mongolian vowel separator
    {0x200B, 0x200F},    // zero width, direction marks
    {0x2028, 0x202E},    // line and paragraph separators, embeddings and overrides of direction
    {0x2060, 0x206F},    // word joiner, invisible operators, isolates of direction
    {0x2800, 0x2800},    // blank Braille pattern
    {0x3164, 0x3164},    // Hangul filler
    {0xFE00, 0xFE0F},    // variation selectors
    {0xFEFF, 0xFEFF},    // zero width no-break space
    {0xFFA0, 0xFFA0},    // halfwidth Hangul filler
    {0xFFF9, 0xFFFB},    // interlinear annotation
    {0xE0000, 0xE007F},  // tags
    {0xE0100, 0xE01EF},  // variation selectors supplement
});

}  // namespace

std::optional<char32_t> next_code_point(std::string_view text, std::size_t& at) {
  const auto octet = [&text](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = octet(at);
  std::size_t more = 0;
  char32_t value = 0;
  char32_t least = 0;
  if (first < 0x80) {
    ++at;
    return first;
  }
  if (first >= 0xC2 && first <= 0xDF) {
    more = 1, value = first & 0x1FU, least = 0x80;
  } else if (first >= 0xE0 && first <= 0xEF) {
    more = 2, value = first & 0x0FU, least = 0x800;
  } else if (first >= 0xF0 && first <= 0xF4) {
    more = 3, value = first & 0x07U, least = 0x10000;
  } else {
    return std::nullopt;
  }
  if (text.size() - at <= more) return std::nullopt;
  for (std::size_t i = 1; i <= more; ++i) {
    if ((octet(at + i) & 0xC0U) != 0x80U) return std::nullopt;
    value = (value << 6U) | (octet(at + i) & 0x3FU);
  }
  if (value < least || value > 0x10FFFF || is_surrogate(value)) return std::nullopt;
  at += more + 1;
  return value;
}

bool is_utf8(std::string_view text) {
  for (std::size_t at = 0; at < text.size();) {
    if (!next_code_point(text, at)) return false;
  }
  return true;
}

bool is_control(char32_t code_point) {
  return std::any_of(kHidden.begin(), kHidden.end(),
                     [code_point](Range range) { return code_point >= range.first && code_point <= range.last; });
}

namespace {

template <class Shows>
std::string with_escapes(std::string_view text, Shows shows) {
  std::string result;
  result.reserve(text.size());
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t begin = at;
    const auto c = next_code_point(text, at);
    if (!c) at = begin + 1;
    const std::string_view sequence = text.substr(begin, at - begin);
    if (c && shows(*c)) {
      result += sequence;
    } else {
      for (const char octet : sequence) result += fmt::format("\\x{:02X}", static_cast<unsigned char>(octet));
    }
  }
  return result;
}

}  // namespace

std::string printable(std::string_view text) {
  return with_escapes(text, [](char32_t c) { return !is_control(c); });
}

std::string printable_lines(std::string_view text) {
  return with_escapes(text, [](char32_t c) { return c == U'\n' || !is_control(c); });
}

std::string escape_non_utf8(std::string_view text) {
  return with_escapes(text, [](char32_t) { return true; });
}

}  // namespace hsmbridge
