#include "tools/commandline/command.h"

#include <fmt/core.h>

#include <algorithm>
#include <charconv>
#include <utility>

namespace hsmbridge::commandline {

Arguments::Arguments(std::vector<std::string> known, Values given, InOrder in_order)
    : known_(std::move(known)), given_(std::move(given)), in_order_(std::move(in_order)) {}

const std::vector<std::string>* Arguments::find(std::string_view name) const {
  if (std::find(known_.begin(), known_.end(), name) == known_.end()) {
    throw Error{ErrorKind::internal, fmt::format("{} is not in the row of this command", name)};
  }
  const auto found = given_.find(name);
  return found == given_.end() ? nullptr : &found->second;
}

bool Arguments::has(std::string_view name) const {
  return find(name) != nullptr;
}

std::optional<std::string> Arguments::text(std::string_view name) const {
  const auto* values = find(name);
  if (values == nullptr || values->empty()) return std::nullopt;
  return values->front();
}

std::string Arguments::text_or(std::string_view name, std::string_view fallback) const {
  return text(name).value_or(std::string(fallback));
}

std::string Arguments::required(std::string_view name) const {
  const auto value = text(name);
  if (!value) throw Error{ErrorKind::invalid_input, fmt::format("{} is missing", name)};
  return *value;
}

std::vector<std::string> Arguments::all(std::string_view name) const {
  const auto* values = find(name);
  return values == nullptr ? std::vector<std::string>{} : *values;
}

std::optional<long> Arguments::number(std::string_view name, long least, long most) const {
  const auto given = text(name);
  if (!given) return std::nullopt;
  long value = 0;
  const auto [end, failure] = std::from_chars(given->data(), given->data() + given->size(), value);
  if (failure != std::errc{} || end != given->data() + given->size() || value < least || value > most) {
    throw Error{ErrorKind::invalid_input,
                fmt::format("{} must be a whole number from {} to {}, not \"{}\"", name, least, most, safe(*given))};
  }
  return value;
}

}  // namespace hsmbridge::commandline
