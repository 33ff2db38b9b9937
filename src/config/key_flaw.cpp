#include "config/key_flaw.h"

#include "base/text.h"
#include "config/document.h"

#include <fmt/core.h>

#include <algorithm>
#include <iterator>

namespace hsmbridge::config {
namespace {

// name | after "the key"
constexpr KeyFlaw kFlaws[] = {
    {"key-not-local", "was not made in the token, so a copy of it was outside"},
    {"key-extractable", "may be taken out of the token"},
    {"key-was-extractable", "could once be taken out of the token"},
    {"key-not-sensitive", "may be read in the clear"},
    {"key-was-not-sensitive", "could once be read in the clear"},
    {"key-not-private", "can be used without a login"},
    {"key-may-decrypt", "may decrypt"},
    {"key-may-unwrap", "may unwrap other keys"},
    {"key-may-derive", "may derive other keys"},
    {"key-may-sign-recover", "may sign with recovery, which signs what is not hashed"},
    {"key-not-shown", "does not show whether it may leave the token or ever could"},
};

}  // namespace

std::span<const KeyFlaw> key_flaws() {
  return kFlaws;
}

bool is_key_flaw(std::string_view name) {
  return std::any_of(std::begin(kFlaws), std::end(kFlaws), [name](const KeyFlaw& flaw) { return flaw.name == name; });
}

std::string_view meaning_of_flaw(std::string_view name) {
  for (const KeyFlaw& flaw : kFlaws) {
    if (flaw.name == name) return flaw.meaning;
  }
  return "";
}

std::vector<std::string> take_key_flaws(std::vector<std::string>& accepted) {
  std::vector<std::string> taken;
  std::copy_if(accepted.begin(), accepted.end(), std::back_inserter(taken), is_key_flaw);
  std::erase_if(accepted, is_key_flaw);
  return taken;
}

std::vector<std::string> read_key_flaws(Section& section) {
  auto accepted = section.texts("accept");
  for (const std::string& name : accepted) {
    if (is_key_flaw(name)) continue;
    section.problem("accept",
                    fmt::format("names what may be accepted of a key: {}", joined(kFlaws, ", ", &KeyFlaw::name)));
  }
  return accepted;
}

}  // namespace hsmbridge::config
