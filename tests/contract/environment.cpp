#include "environment.h"

#include "base/error.h"

#include <fmt/core.h>

#include <cstdlib>

namespace hsmbridge::contract {
namespace {

constexpr const char* kMayOrder = "MAY_ORDER";

std::string name_of(const Needs& needs, const std::string& part) {
  return "HSMBRIDGE_CONTRACT_" + needs.service + "_" + part;
}

std::optional<std::string> value_of(const Needs& needs, const std::string& part) {
  const char* const value = std::getenv(name_of(needs, part).c_str());
  if (value == nullptr || *value == '\0') return std::nullopt;
  return value;
}

std::string joined(const Needs& needs, const std::vector<std::string>& parts) {
  std::string text;
  for (const std::string& part : parts) text += (text.empty() ? "" : ", ") + name_of(needs, part);
  return text;
}

// tests/CMakeLists.txt has the first words as SKIP_REGULAR_EXPRESSION.
void say_skipped(std::ostream& out, const std::string& why) {
  out << "contract case skipped: " << why << std::endl;
}

}  // namespace

std::optional<Variables> variables_of(const Needs& needs) {
  Variables values;
  std::vector<std::string> missing;
  for (const std::string& part : needs.needed) {
    if (const auto value = value_of(needs, part)) {
      values[part] = *value;
    } else {
      missing.push_back(part);
    }
  }
  std::vector<std::string> optional = needs.optional;
  optional.insert(optional.end(), {"CA", kMayOrder});
  for (const std::string& part : optional) {
    if (const auto value = value_of(needs, part)) values[part] = *value;
  }
  if (values.empty()) return std::nullopt;
  if (!missing.empty()) {
    throw Error{ErrorKind::invalid_input,
                fmt::format("the environment describes the service only in part: {} missing", joined(needs, missing))}
        .hint("set all of them to run the contract's cases against the service, or none");
  }
  if (const auto may = values.find(kMayOrder); may != values.end() && may->second != "yes") {
    throw Error{ErrorKind::invalid_input, name_of(needs, kMayOrder) + " is neither yes nor unset"};
  }
  return values;
}

std::optional<Variables> service_for(const Needs& needs, Ask ask, std::ostream& out) {
  auto values = variables_of(needs);
  if (!values) {
    say_skipped(out, "no service is named: set " + joined(needs, needs.needed));
  } else if (ask == Ask::makes_a_request && values->count(kMayOrder) == 0) {
    say_skipped(out, "it makes a request at the service: set " + name_of(needs, kMayOrder) + "=yes");
    return std::nullopt;
  }
  return values;
}

}  // namespace hsmbridge::contract
