#include "tools/rig/tsb/fields.h"

#include "base/error.h"
#include "tools/rig/tsb/business_error.h"

#include <fmt/core.h>

#include <algorithm>

namespace hsmbridge::rig {

Error cannot_parse() {
  return business_error(600, "Invalid request. Cannot parse json string");
}

void Validation::say(Flaw flaw, const std::string& path, std::string_view what) {
  if (flaw == Flaw::bad_value) {
    if (first_.empty()) first_ = fmt::format("'{}' {}", path, what);
    return;
  }
  if (flaw != Flaw::wrong_word) throw cannot_parse();
  // The TSB names the first element of the path only.
  throw business_error(600, fmt::format("Value '{}' is not valid for field {}", what, path.substr(0, path.find('.'))));
}

void Validation::raise() const {
  if (!first_.empty()) throw business_error(600, first_);
}

std::string password_in(Fields& fields, std::string_view name) {
  const Json* found = fields.member(name);
  if (found != nullptr && found->is_string()) return found->as_string();
  std::string password;
  for (const std::string& character : fields.texts(name)) {
    // One character, in UTF-8: one octet that does not continue another.
    const auto starts = std::count_if(character.begin(), character.end(),
                                      [](char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U; });
    if (starts != 1) throw cannot_parse();
    password += character;
  }
  return password;
}

}  // namespace hsmbridge::rig
