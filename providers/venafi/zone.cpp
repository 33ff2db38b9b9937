#include "providers/venafi/zone.h"

#include "base/error.h"
#include "x509/names/name.h"

#include <fmt/core.h>

#include <algorithm>

namespace hsmbridge::venafi {
namespace {

// A backslash is the one character that YAML's double quotes read in their own way.
constexpr std::string_view kForm = "write it as 'Application\\Template alias', in single quotes";

Error wrong(std::string_view text, std::string_view what) {
  return Error{ErrorKind::invalid_input, fmt::format("the zone \"{}\" {}: {}", x509::printable(text), what, kForm)};
}

}  // namespace

std::string Zone::text() const {
  return application.empty() ? alias : application + "\\" + alias;
}

Zone parse_zone(std::string_view text, Application application) {
  const auto backslashes = std::count(text.begin(), text.end(), '\\');
  if (backslashes == 0) {
    if (application == Application::required) throw wrong(text, "has no backslash");
    if (text.empty()) throw wrong(text, "is empty");
    return {"", std::string(text)};
  }
  if (backslashes > 1) throw wrong(text, fmt::format("has {} backslashes", backslashes));
  const std::size_t at = text.find('\\');
  Zone zone{std::string(text.substr(0, at)), std::string(text.substr(at + 1))};
  if (zone.application.empty()) throw wrong(text, "names no application");
  if (zone.alias.empty()) throw wrong(text, "names no template alias");
  return zone;
}

}  // namespace hsmbridge::venafi
