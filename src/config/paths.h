#pragma once

#include <filesystem>
#include <string_view>

namespace hsmbridge::config {

// A path as a configuration writes it, made absolute: relative to `folder`, a leading "~/" being $HOME. Throws
// not_found when $HOME is needed and not set.
std::filesystem::path absolute_path(std::string_view text, const std::filesystem::path& folder);

}  // namespace hsmbridge::config
