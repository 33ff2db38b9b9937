#include "providers/json_fields.h"

#include <charconv>

namespace hsmbridge::providers {

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

const Json::Array& list_of(const Json& json, std::string_view name, std::size_t most) {
  if (!json.is_array()) throw Error{ErrorKind::corrupt, fmt::format("{}: a list was expected", name)};
  if (json.as_array().size() > most) {
    throw Error{ErrorKind::corrupt, fmt::format("{} has {} entries", name, json.as_array().size())};
  }
  return json.as_array();
}

const Json::Array& list(const Json& json, std::string_view name, std::size_t most) {
  static const Json::Array kNone;
  const Json* found = member(json, name);
  return found == nullptr ? kNone : list_of(*found, name, most);
}

std::optional<Instant> date(const Json& json, std::string_view name) {
  const Json* found = member(json, name);
  if (found == nullptr || !found->is_string()) return std::nullopt;
  try {
    const std::string& text = found->as_string();
    return parse_rfc3339(text.size() == 10 ? text + "T00:00:00Z" : text);
  } catch (const Error&) {
    return std::nullopt;
  }
}

std::string shown(std::string_view words) {
  constexpr std::size_t kMost = 600;
  return printable(words.substr(0, kMost)) + (words.size() > kMost ? "…" : "");
}

}  // namespace hsmbridge::providers
