#include "base/text.h"

#include <algorithm>
#include <set>

namespace hsmbridge {
namespace {

char lower_case(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}
char upper_case(char c) {
  return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
}

std::vector<std::string_view> lines_of(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    lines.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

std::vector<std::string> only_in(const std::vector<std::string_view>& lines,
                                 const std::vector<std::string_view>& others) {
  const std::set<std::string_view> known(others.begin(), others.end());
  std::vector<std::string> found;
  for (const std::string_view line : lines) {
    if (known.count(line) == 0) found.emplace_back(line);
  }
  return found;
}

}  // namespace

bool is_letter(char c) {
  return lower_case(c) >= 'a' && lower_case(c) <= 'z';
}

bool is_letter_or_digit(char c) {
  return is_letter(c) || (c >= '0' && c <= '9');
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  const char letter = lower_case(c);
  return letter >= 'a' && letter <= 'f' ? letter - 'a' + 10 : -1;
}

std::string lower(std::string_view text) {
  std::string result(text);
  std::transform(result.begin(), result.end(), result.begin(), lower_case);
  return result;
}

std::string upper(std::string_view text) {
  std::string result(text);
  std::transform(result.begin(), result.end(), result.begin(), upper_case);
  return result;
}

bool equal_ignoring_case(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](char x, char y) { return lower_case(x) == lower_case(y); });
}

LineDifference compare_lines(std::string_view before, std::string_view after) {
  const auto first = lines_of(before);
  const auto second = lines_of(after);
  return {only_in(first, second), only_in(second, first)};
}

}  // namespace hsmbridge
