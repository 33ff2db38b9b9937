#include "base/unicode.h"

#include <catch2/catch.hpp>
#include <initializer_list>
#include <string>

using namespace hsmbridge;

namespace {

std::optional<char32_t> one(std::string_view text) {
  std::size_t at = 0;
  const auto c = next_code_point(text, at);
  return c && at == text.size() ? c : std::nullopt;
}

}  // namespace

TEST_CASE("code points are read from well-formed UTF-8 and from nothing else") {
  CHECK(one("a") == U'a');
  CHECK(one("\xC3\xA9") == U'\u00E9');
  CHECK(one("\xE2\x82\xAC") == U'\u20AC');
  CHECK(one("\xF0\x9F\x98\x80") == U'\U0001F600');
  CHECK(one("\xF4\x8F\xBF\xBF") == char32_t{0x10FFFF});
  for (const char* bad : {"\x80", "\xC0\x80", "\xC1\xBF", "\xC3", "\xE0\x80\x80", "\xED\xA0\x80", "\xE2\x82",
                          "\xF0\x80\x80\x80", "\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "\xFF"}) {
    CAPTURE(bad);
    CHECK_FALSE(one(bad));
  }
}

TEST_CASE("every character that shows nothing is known as such and letters are not") {
  for (const char32_t c :
       std::initializer_list<char32_t>{0x00,   0x1B,   0x7F,   0x9B,   0xAD,    0x34F,   0x61C,   0x115F, 0x1160,
                                       0x180E, 0x200B, 0x200E, 0x202E, 0x2060,  0x2069,  0x2800,  0x3164, 0xFE00,
                                       0xFE0F, 0xFEFF, 0xFFA0, 0xFFF9, 0xE0001, 0xE007F, 0xE0100, 0xE01EF}) {
    CAPTURE(static_cast<unsigned>(c));
    CHECK(is_control(c));
  }
  for (const char32_t c :
       std::initializer_list<char32_t>{0x20, 0x41, 0xA0, 0xAC, 0xAE, 0xE9, 0x430, 0x115E, 0x1161, 0x2010, 0x27FF,
                                       0x2801, 0x3163, 0xFDFF, 0xFE10, 0x1F600, 0xE01F0}) {
    CAPTURE(static_cast<unsigned>(c));
    CHECK_FALSE(is_control(c));
  }
}
