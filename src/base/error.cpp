#include "base/error.h"

#include <array>

namespace hsmbridge {
namespace {

struct KindName {
  ErrorKind kind;
  std::string_view name;
};

constexpr std::array<KindName, 10> kKindNames{{
    {ErrorKind::invalid_input, "invalid_input"},
    {ErrorKind::not_found, "not_found"},
    {ErrorKind::ambiguous, "ambiguous"},
    {ErrorKind::conflict, "conflict"},
    {ErrorKind::denied, "denied"},
    {ErrorKind::refused, "refused"},
    {ErrorKind::unavailable, "unavailable"},
    {ErrorKind::outcome_unknown, "outcome_unknown"},
    {ErrorKind::corrupt, "corrupt"},
    {ErrorKind::internal, "internal"},
}};

}  // namespace

std::string_view to_string(ErrorKind kind) {
  for (const KindName& row : kKindNames) {
    if (row.kind == kind) return row.name;
  }
  return "internal";
}

ErrorKind error_kind_from(std::string_view word) {
  for (const KindName& row : kKindNames) {
    if (row.name == word) return row.kind;
  }
  return ErrorKind::internal;
}

Error::Error(ErrorKind kind, std::string message) : kind_(kind), message_(std::move(message)) {}

Error& Error::with(std::string name, std::string value) & {
  details_.emplace_back(std::move(name), std::move(value));
  return *this;
}

Error&& Error::with(std::string name, std::string value) && {
  return std::move(with(std::move(name), std::move(value)));
}

Error& Error::hint(std::string what_to_do) & {
  hint_ = std::move(what_to_do);
  return *this;
}

Error&& Error::hint(std::string what_to_do) && {
  return std::move(hint(std::move(what_to_do)));
}

Error& Error::prefix(std::string_view context) & {
  message_ = std::string(context) + ": " + message_;
  return *this;
}

std::string_view Error::detail(std::string_view name) const noexcept {
  for (const auto& [key, value] : details_) {
    if (key == name) return value;
  }
  return {};
}

Error Error::restated(ErrorKind kind, std::string message) const {
  Error other(kind, std::move(message));
  other.hint_ = hint_;
  other.details_ = details_;
  return other;
}

Error current_error() {
  try {
    throw;
  } catch (const Error& error) {
    return error;
  } catch (const std::exception& error) {
    return Error{ErrorKind::internal, error.what()};
  } catch (...) {
    return Error{ErrorKind::internal, "an exception of unknown type"};
  }
}

}  // namespace hsmbridge
