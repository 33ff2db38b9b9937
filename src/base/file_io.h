#pragma once

#include "base/bytes.h"
#include "base/error.h"

#include <cstddef>
#include <filesystem>
#include <string_view>

// What the files of this folder that call POSIX share. `path` is for messages only.
namespace hsmbridge {

// "WHAT PATH: No such file or directory", with the kind that errno value `code` means to a caller.
Error system_error(std::string_view what, const std::filesystem::path& path, int code);
// Everything up to the end of the file. Throws invalid_input when it is more than `most` bytes.
Bytes read_all(int fd, const std::filesystem::path& path, std::size_t most);
void write_all(int fd, ByteView content, const std::filesystem::path& path);

}  // namespace hsmbridge
