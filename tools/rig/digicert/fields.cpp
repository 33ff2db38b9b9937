#include "tools/rig/digicert/fields.h"

#include "tools/rig/digicert/error.h"

namespace hsmbridge::rig {

DigicertFields::DigicertFields(const Json& json, std::string path) : StrictFields(json, std::move(path)) {
  if (!json.is_object()) throw wrong_input(path_);
}

void DigicertFields::wrong_type(const std::string& path) const {
  throw wrong_input(path);
}

void DigicertFields::unknown(const std::string& name) const {
  throw digicert_error(400, "invalid_input_field", "Unrecognized field \"" + name + "\"", path_of(name));
}

std::string DigicertFields::text(std::string_view name) {
  const std::optional<std::string> value = text_or_null(name);
  if (!value || value->empty()) wrong_type(path_of(name));
  return *value;
}

std::int64_t DigicertFields::number(std::string_view name) {
  const std::optional<std::int64_t> value = number_or_null(name);
  if (!value) wrong_type(path_of(name));
  return *value;
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

}  // namespace hsmbridge::rig
