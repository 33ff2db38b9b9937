#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

// Small things done with texts. Pure functions.
namespace hsmbridge {

// Of ASCII.
bool is_letter(char c);
bool is_letter_or_digit(char c);
// 0 to 15 for a hex digit of either case, else -1.
int hex_digit(char c);

// ASCII letters in one case; every other octet as it is.
std::string lower(std::string_view text);
std::string upper(std::string_view text);
// The same but for the case of ASCII letters.
bool equal_ignoring_case(std::string_view a, std::string_view b);

// "a, b, c": what `text` says of each.
template <class List, class Text = std::identity>
std::string joined(const List& list, std::string_view between = ", ", Text text = {}) {
  std::string result;
  bool first = true;
  for (const auto& one : list) {
    if (!first) result += between;
    first = false;
    result += std::invoke(text, one);
  }
  return result;
}

// The lines that one of two texts has and the other has not, wherever, in their order.
struct LineDifference {
  std::vector<std::string> only_before, only_after;
};
LineDifference compare_lines(std::string_view before, std::string_view after);

}  // namespace hsmbridge
