#include "tools/rig/tsb/fields.h"

#include "base/error.h"
#include "tools/rig/tsb/business_error.h"

#include <fmt/core.h>

#include <algorithm>

namespace hsmbridge::rig {

Error cannot_parse() {
  return business_error(600, "Invalid request. Cannot parse json string");
}

Json parse_body(const Call& call) {
  try {
    return Json::parse(call.body);
  } catch (const Error&) {
    throw cannot_parse();
  }
}

void Validation::raise() const {
  if (!first_.empty()) throw business_error(600, first_);
}

Fields::Fields(const Json& json, std::string path, Validation& validation)
    : StrictFields(json, std::move(path)), validation_(validation) {
  if (!json.is_object()) throw cannot_parse();
}

void Fields::wrong_type(const std::string&) const {
  throw cannot_parse();
}

void Fields::unknown(const std::string&) const {
  throw cannot_parse();
}

void Fields::complain(std::string_view name, std::string_view what) {
  validation_.complain(fmt::format("'{}' {}", path_of(name), what));
}

const Json* Fields::required_member(std::string_view name) {
  const Json* found = member(name);
  if (found == nullptr) complain(name, "must not be null");
  return found;
}

std::string Fields::text(std::string_view name) {
  const std::optional<std::string> value = text_or_null(name);
  if (!value || value->empty()) complain(name, "must not be empty");
  return value.value_or("");
}

bool Fields::flag(std::string_view name) {
  const std::optional<bool> value = flag_or_null(name);
  if (!value) complain(name, "must not be null");
  return value.value_or(false);
}

std::int64_t Fields::number(std::string_view name) {
  const std::optional<std::int64_t> value = number_or_null(name);
  if (!value) complain(name, "must not be null");
  return value.value_or(0);
}

std::optional<Bytes> Fields::base64_or_null(std::string_view name) {
  const std::optional<std::string> value = text_or_null(name);
  if (!value) return std::nullopt;
  try {
    return from_base64(*value);
  } catch (const Error&) {
    complain(name, "is not a valid base64 encoded value");
    return Bytes{};
  }
}

Bytes Fields::base64_bytes(std::string_view name) {
  const std::optional<Bytes> value = base64_or_null(name);
  if (!value || value->empty()) complain(name, "must not be empty");
  return value.value_or(Bytes{});
}

void Fields::check_word(const std::string& value, std::initializer_list<std::string_view> values,
                        std::string_view name) const {
  if (std::find(values.begin(), values.end(), value) != values.end()) return;
  // The TSB names the first element of the path only.
  const std::string full = path_of(name);
  throw business_error(600, fmt::format("Value '{}' is not valid for field {}", value, full.substr(0, full.find('.'))));
}

std::optional<std::string> Fields::word_or_null(std::string_view name, std::initializer_list<std::string_view> values) {
  std::optional<std::string> value = text_or_null(name);
  if (value) check_word(*value, values, name);
  return value;
}

std::string Fields::word(std::string_view name, std::initializer_list<std::string_view> values) {
  std::optional<std::string> value = word_or_null(name, values);
  if (!value) complain(name, "must not be null");
  return value.value_or("");
}

std::vector<std::string> Fields::words_or_null(std::string_view name, std::initializer_list<std::string_view> values) {
  const Json* found = member(name);
  if (found == nullptr) return {};
  if (!found->is_array()) throw cannot_parse();
  std::vector<std::string> words;
  for (const Json& element : found->as_array()) {
    if (!element.is_string()) throw cannot_parse();
    check_word(element.as_string(), values, name);
    words.push_back(element.as_string());
  }
  return words;
}

std::string Fields::password_or_null(std::string_view name) {
  const Json* found = member(name);
  if (found == nullptr) return {};
  if (found->is_string()) return found->as_string();
  if (!found->is_array()) throw cannot_parse();
  std::string password;
  for (const Json& element : found->as_array()) {
    if (!element.is_string()) throw cannot_parse();
    // One character, in UTF-8: one octet that does not continue another.
    const std::string& character = element.as_string();
    const auto starts = std::count_if(character.begin(), character.end(),
                                      [](char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U; });
    if (starts != 1) throw cannot_parse();
    password += character;
  }
  return password;
}

}  // namespace hsmbridge::rig
