#include "providers/venafi/wire/fields.h"

#include "base/error.h"
#include "base/unicode.h"

#include <fmt/core.h>

#include <charconv>

namespace hsmbridge::venafi {

const Json* member(const Json& json, std::string_view name) {
  const Json* found = json.find(name);
  return found == nullptr || found->is_null() ? nullptr : found;
}

std::int64_t number_of(const Json& json, std::string_view name) {
  if (json.is_integer()) return json.as_integer();
  if (json.is_number() && json.as_double() > -1e15 && json.as_double() < 1e15) {
    return static_cast<std::int64_t>(json.as_double());
  }
  if (json.is_string()) {
    const std::string& digits = json.as_string();
    std::int64_t value = 0;
    const auto [end, failed] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    if (failed == std::errc() && end == digits.data() + digits.size() && !digits.empty()) return value;
  }
  throw Error{ErrorKind::corrupt, fmt::format("{}: a number was expected", name)};
}

std::string shown(std::string_view words) {
  constexpr std::size_t kMost = 600;
  std::string result = printable(words.substr(0, kMost));
  if (words.size() > kMost) result += "…";
  return result;
}

}  // namespace hsmbridge::venafi
