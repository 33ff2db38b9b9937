#pragma once

#include "base/file.h"
#include "support/temp_folder.h"

#include <filesystem>
#include <string>

namespace hsmbridge::test {

// A shell script of that name, as it is now.
inline std::string script(const TempFolder& folder, const std::string& name, const std::string& lines) {
  const auto file = folder / name;
  write_file(file, as_bytes("#!/bin/sh\n" + lines), FileMode::public_0644, Existing::replace);
  std::filesystem::permissions(file, std::filesystem::perms::owner_all);
  return file.string();
}

}  // namespace hsmbridge::test
