#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace hsmbridge {

// The code point at `at`, which moves behind it; nothing when it is not valid UTF-8 (overlong, surrogate, beyond
// 10FFFF; RFC 3629 §4).
std::optional<char32_t> next_code_point(std::string_view text, std::size_t& at);

bool is_utf8(std::string_view text);

// What must not reach a person's eyes as it is: controls, which a terminal may obey, and characters that show nothing,
// hide others or reorder what stands around them, so that two different texts look alike.
bool is_control(char32_t code_point);

// The text with each octet of what is_control, or is not UTF-8, as \xHH: nothing in it can act on a terminal.
std::string printable(std::string_view text);
// The same with line feeds as they are.
std::string printable_lines(std::string_view text);
// The same for what is not UTF-8 only.
std::string escape_non_utf8(std::string_view text);

}  // namespace hsmbridge
