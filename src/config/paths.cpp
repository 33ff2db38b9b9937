#include "config/paths.h"

#include "base/error.h"

#include <cstdlib>
#include <string>

namespace hsmbridge::config {

std::filesystem::path absolute_path(std::string_view text, const std::filesystem::path& folder) {
  if (text == "~" || text.starts_with("~/")) {
    const char* home = std::getenv("HOME");
    if (home == nullptr || *home == '\0') {
      throw Error{ErrorKind::not_found, "a path starts with ~ but $HOME is not set"};
    }
    const std::string_view rest = text.size() > 2 ? text.substr(2) : std::string_view();
    return (std::filesystem::path(home) / rest).lexically_normal();
  }
  return (std::filesystem::absolute(folder) / std::filesystem::path(text)).lexically_normal();
}

}  // namespace hsmbridge::config
