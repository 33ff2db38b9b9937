#include "providers/json_fields.h"

#include "base/text.h"

#include <algorithm>
#include <charconv>

namespace hsmbridge::providers {
namespace {

[[noreturn]] void corrupt(std::string_view path, std::string_view what) {
  throw Error{ErrorKind::corrupt, fmt::format("{}: {}", path, what)};
}

// What is before the first `separator`, which is taken off `rest` with it.
std::string_view take(std::string_view& rest, char separator) {
  const std::string_view first = rest.substr(0, rest.find(separator));
  rest.remove_prefix(std::min(first.size() + 1, rest.size()));
  return first;
}

bool is_empty(const Json& value) {
  return value.is_string() && value.as_string().empty();
}

std::string in_form(std::string_view text, std::string_view path, Form form) {
  constexpr std::size_t kLongestLine = 60;
  constexpr std::size_t kLongestId = 200;
  const auto is_plain = [](char c) { return c > ' ' && c < '\x7f'; };
  if (form == Form::id &&
      (text.empty() || text.size() > kLongestId || !std::all_of(text.begin(), text.end(), is_plain))) {
    corrupt(path, "this is not a valid id");
  }
  return form == Form::lower   ? lower(text)
         : form == Form::upper ? upper(text)
         : form == Form::line  ? printable(text.substr(0, kLongestLine))
                               : std::string(text);
}

}  // namespace

std::nullopt_t Members::other(std::string_view path, std::string_view expected) const {
  if (types_ != Types::loose) corrupt(path, fmt::format("{} was expected", expected));
  return std::nullopt;
}

std::optional<std::string> Members::word(const Json& value, std::string_view path, Form form) const {
  if (value.is_string()) return in_form(value.as_string(), path, form);
  const bool as_word = types_ == Types::words && (value.is_number() || value.is_bool());
  if (as_word || (types_ == Types::loose && value.is_integer())) return in_form(value.dump(), path, form);
  return other(path, "a text");
}

std::optional<std::int64_t> Members::whole(const Json& value, std::string_view path) const {
  if (value.is_integer()) return value.as_integer();
  const bool taken = types_ != Types::exact;
  if (taken && value.is_number() && value.as_double() > -1e15 && value.as_double() < 1e15) {
    const auto number = static_cast<std::int64_t>(value.as_double());
    if (static_cast<double>(number) == value.as_double()) return number;
    return other(path, "a whole number");
  }
  const std::string digits = taken && value.is_string() ? value.as_string() : "";
  std::int64_t number = 0;
  const auto [end, failed] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  if (failed == std::errc() && end == digits.data() + digits.size()) return number;
  return other(path, "a number");
}

const Json* Members::find(std::string_view path) const {
  for (std::string_view rest = path; !rest.empty();) {
    const Json* at = &json_;
    for (std::string_view steps = take(rest, '|'); at != nullptr && !steps.empty();) at = at->find(take(steps, '.'));
    if (at != nullptr && !at->is_null()) return at;
  }
  return nullptr;
}

std::string Members::text(std::string_view path, Form form) const {
  for (std::string_view rest = path; !rest.empty();) {
    const Json* value = find(take(rest, '|'));
    if (value == nullptr || is_empty(*value)) continue;
    if (auto found = word(*value, path, form)) return std::move(*found);
  }
  return "";
}

std::string Members::needed(std::string_view path, Form form) const {
  std::string found = text(path, form);
  if (found.empty()) corrupt(path, "it is missing");
  return found;
}

std::optional<std::int64_t> Members::number(std::string_view path) const {
  return first<std::int64_t>(path, [&](const Json& value) { return whole(value, path); });
}

std::optional<bool> Members::truth(std::string_view path) const {
  return first<bool>(path, [&](const Json& value) -> std::optional<bool> {
    if (value.is_bool()) return value.as_bool();
    const std::string said = value.is_string() && types_ != Types::exact ? lower(value.as_string()) : "";
    if (said == "true" || said == "false") return said == "true";
    return other(path, "true or false");
  });
}

std::optional<Instant> Members::date(std::string_view path) const {
  return first<Instant>(path, [&](const Json& value) -> std::optional<Instant> {
    try {
      const std::string& text = value.as_string();
      return parse_rfc3339(text.size() == 10 ? text + "T00:00:00Z" : text);
    } catch (const Error& error) {
      if (types_ == Types::exact) corrupt(path, error.message());
      return std::nullopt;
    }
  });
}

std::optional<Bytes> Members::octets(std::string_view path) const {
  const std::string digits = text(path);
  if (digits.empty()) return std::nullopt;
  try {
    return from_base64(digits);
  } catch (const Error&) {
    corrupt(path, "this is not base64");
  }
}

std::vector<std::string> Members::texts(std::string_view path, Form form) const {
  std::vector<std::string> result;
  for (const Json& item : list(path)) {
    if (item.is_null() || (form == Form::id && is_empty(item))) continue;
    if (auto one = word(item, path, form)) result.push_back(std::move(*one));
  }
  return result;
}

std::vector<std::int64_t> Members::numbers(std::string_view path) const {
  std::vector<std::int64_t> result;
  for (const Json& item : list(path)) {
    if (const auto one = whole(item, path)) result.push_back(*one);
  }
  return result;
}

std::vector<std::string> Members::only_texts(std::string_view path) const {
  std::vector<std::string> result;
  for (const Json& item : list(path)) {
    if (item.is_string()) result.push_back(item.as_string());
  }
  return result;
}

const Json::Array& Members::list(std::string_view path, std::size_t most) const {
  static const Json::Array kNone;
  const Json* found = find(path);
  if (found == nullptr) return kNone;
  if (!found->is_array()) {
    other(path, "a list");
    return kNone;
  }
  if (found->as_array().size() > most) corrupt(path, fmt::format("it has {} entries", found->as_array().size()));
  return found->as_array();
}

std::string shown(std::string_view words) {
  constexpr std::size_t kMost = 600;
  return printable(words.substr(0, kMost)) + (words.size() > kMost ? "…" : "");
}

}  // namespace hsmbridge::providers
