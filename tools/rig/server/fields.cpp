#include "tools/rig/server/fields.h"

namespace hsmbridge::rig {

std::string StrictFields::path_of(std::string_view name) const {
  return path_.empty() ? std::string(name) : path_ + "." + std::string(name);
}

const Json* StrictFields::member(std::string_view name) {
  asked_.emplace(name);
  const Json* found = json_.find(name);
  return found == nullptr || found->is_null() ? nullptr : found;
}

std::optional<std::string> StrictFields::text_or_null(std::string_view name) {
  const Json* found = member(name);
  if (found == nullptr) return std::nullopt;
  if (!found->is_string()) wrong_type(path_of(name));
  return found->as_string();
}

std::optional<std::int64_t> StrictFields::number_or_null(std::string_view name) {
  const Json* found = member(name);
  if (found == nullptr) return std::nullopt;
  if (!found->is_integer()) wrong_type(path_of(name));
  return found->as_integer();
}

std::optional<bool> StrictFields::flag_or_null(std::string_view name) {
  const Json* found = member(name);
  if (found == nullptr) return std::nullopt;
  if (!found->is_bool()) wrong_type(path_of(name));
  return found->as_bool();
}

void StrictFields::done() const {
  for (const auto& [name, value] : json_.as_object()) {
    if (asked_.find(name) == asked_.end()) unknown(name);
  }
}

}  // namespace hsmbridge::rig
