#include "tools/rig/digicert/fields.h"

#include "tools/rig/digicert/error.h"

namespace hsmbridge::rig {

DigicertFields::DigicertFields(const Json& json, std::string path) : json_(json), path_(std::move(path)) {
  if (!json.is_object()) throw wrong_input(path_);
}

std::string DigicertFields::path_of(std::string_view name) const {
  return path_.empty() ? std::string(name) : path_ + "." + std::string(name);
}

const Json* DigicertFields::member(std::string_view name) {
  asked_.emplace(name);
  const Json* found = json_.find(name);
  return found == nullptr || found->is_null() ? nullptr : found;
}

std::optional<std::string> DigicertFields::text_or_null(std::string_view name) {
  const Json* found = member(name);
  if (found == nullptr) return std::nullopt;
  if (!found->is_string()) throw wrong_input(path_of(name));
  return found->as_string();
}

std::string DigicertFields::text(std::string_view name) {
  const std::optional<std::string> value = text_or_null(name);
  if (!value || value->empty()) throw wrong_input(path_of(name));
  return *value;
}

std::int64_t DigicertFields::number(std::string_view name) {
  const Json* found = member(name);
  if (found == nullptr || !found->is_integer()) throw wrong_input(path_of(name));
  return found->as_integer();
}

bool DigicertFields::flag(std::string_view name) {
  const Json* found = member(name);
  if (found == nullptr) return false;
  if (found->is_bool()) return found->as_bool();
  if (found->is_string() && (found->as_string() == "true" || found->as_string() == "false")) {
    return found->as_string() == "true";
  }
  throw wrong_input(path_of(name));
}

std::vector<std::string> DigicertFields::texts(std::string_view name) {
  const Json* found = member(name);
  if (found == nullptr) return {};
  if (!found->is_array()) throw wrong_input(path_of(name));
  return one_or_more(name);
}

std::vector<std::string> DigicertFields::one_or_more(std::string_view name) {
  const Json* found = member(name);
  if (found == nullptr) return {};
  if (found->is_string()) return {found->as_string()};
  if (!found->is_array()) throw wrong_input(path_of(name));
  std::vector<std::string> values;
  for (const Json& element : found->as_array()) {
    if (!element.is_string()) throw wrong_input(path_of(name));
    values.push_back(element.as_string());
  }
  return values;
}

void DigicertFields::done() const {
  for (const auto& [name, value] : json_.as_object()) {
    if (asked_.find(name) == asked_.end()) {
      throw digicert_error(400, "invalid_input_field", "Unrecognized field \"" + name + "\"", path_of(name));
    }
  }
}

}  // namespace hsmbridge::rig
