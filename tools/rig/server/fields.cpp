#include "tools/rig/server/fields.h"

#include "base/error.h"

#include <algorithm>

namespace hsmbridge::rig {
namespace {

bool holds(const std::vector<std::string_view>& values, const std::string& word) {
  return std::find(values.begin(), values.end(), word) != values.end();
}

}  // namespace

Fields::Fields(const Json& json, std::string path, Complaints& complaints)
    : json_(json), path_(std::move(path)), complaints_(complaints) {
  if (!json.is_object()) complaints_.say(Flaw::wrong_type, path_, "");
}

std::string Fields::path_of(std::string_view name) const {
  return path_.empty() ? std::string(name) : path_ + "." + std::string(name);
}

const Json* Fields::member(std::string_view name) {
  asked_.emplace(name);
  const Json* found = json_.find(name);
  return found == nullptr || found->is_null() ? nullptr : found;
}

const Json* Fields::required_member(std::string_view name) {
  const Json* found = member(name);
  if (found == nullptr) complain(name, "must not be null");
  return found;
}

std::optional<std::string> Fields::text_or_null(std::string_view name) {
  const Json* found = member(name);
  if (found == nullptr) return std::nullopt;
  if (!found->is_string()) complaints_.say(Flaw::wrong_type, path_of(name), "");
  return found->as_string();
}

std::string Fields::text(std::string_view name) {
  std::string value = text_or_null(name).value_or("");
  if (value.empty()) complain(name, "must not be empty");
  return value;
}

std::optional<std::int64_t> Fields::number_or_null(std::string_view name) {
  const Json* found = member(name);
  if (found == nullptr) return std::nullopt;
  if (!found->is_integer()) complaints_.say(Flaw::wrong_type, path_of(name), "");
  return found->as_integer();
}

std::int64_t Fields::number(std::string_view name) {
  return required_member(name) == nullptr ? 0 : *number_or_null(name);
}

std::optional<bool> Fields::flag_or_null(std::string_view name) {
  const Json* found = member(name);
  if (found == nullptr) return std::nullopt;
  if (!found->is_bool()) complaints_.say(Flaw::wrong_type, path_of(name), "");
  return found->as_bool();
}

bool Fields::flag(std::string_view name) {
  return required_member(name) == nullptr ? false : *flag_or_null(name);
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
  Bytes value = base64_or_null(name).value_or(Bytes{});
  if (value.empty()) complain(name, "must not be empty");
  return value;
}

std::optional<std::string> Fields::word_or_null(std::string_view name, const std::vector<std::string_view>& values) {
  std::optional<std::string> value = text_or_null(name);
  if (value && !holds(values, *value)) complaints_.say(Flaw::wrong_word, path_of(name), *value);
  return value;
}

std::string Fields::word(std::string_view name, const std::vector<std::string_view>& values) {
  return required_member(name) == nullptr ? "" : *word_or_null(name, values);
}

std::vector<std::string> Fields::words(std::string_view name, const std::vector<std::string_view>& values) {
  std::vector<std::string> words = texts(name);
  for (const std::string& word : words) {
    if (!holds(values, word)) complaints_.say(Flaw::wrong_word, path_of(name), word);
  }
  return words;
}

std::vector<std::string> Fields::texts(std::string_view name) {
  std::vector<std::string> values;
  const Json* found = member(name);
  if (found == nullptr) return values;
  if (!found->is_array()) complaints_.say(Flaw::wrong_type, path_of(name), "");
  for (const Json& element : found->as_array()) {
    if (!element.is_string()) complaints_.say(Flaw::wrong_type, path_of(name), "");
    values.push_back(element.as_string());
  }
  return values;
}

void Fields::done() const {
  for (const auto& [name, value] : json_.as_object()) {
    if (asked_.find(name) == asked_.end()) complaints_.say(Flaw::unknown, path_of(name), name);
  }
}

}  // namespace hsmbridge::rig
