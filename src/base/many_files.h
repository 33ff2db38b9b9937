#pragma once

#include "base/bytes.h"
#include "base/file.h"

#include <filesystem>
#include <span>

namespace hsmbridge {

// Many files in the time of a few: written first, put on disk together, and only then told to anybody. A power cut in
// between may leave some of them empty.

// As write_file with Existing::refuse, except that the file is on disk only after sync_file_systems.
void write_new_file(const std::filesystem::path& path, ByteView content, FileMode mode);
// Puts on disk what was written before into the file systems of these folders. Throws denied, unavailable.
void sync_file_systems(std::span<const std::filesystem::path> folders);
// The folder that a file is in, "." for a bare name.
std::filesystem::path folder_of(const std::filesystem::path& file);

}  // namespace hsmbridge
