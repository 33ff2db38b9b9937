#pragma once

#include "base/descriptor.h"

#include <sys/stat.h>

#include <filesystem>
#include <string>
#include <vector>

// Goes to a file as the kernel does (path_resolution(7)), one name at a time and on descriptors, and tells what it
// passed. So whoever judges the way judges the very folders and links that lead to the file which is then opened:
// nothing is looked at by its path and then opened again. Needs no openat2(2).
namespace hsmbridge {

// A folder that was passed, "/" included, or a symbolic link that was followed.
struct PathStep {
  std::filesystem::path path;  // without links above it
  struct stat status {};
};

struct PathWalk {
  std::vector<PathStep> steps;  // in their order; the folder of each link is there before it
  Descriptor folder;            // of the file; O_PATH
  std::string name;             // in that folder, not a link; "." or ".." for a path that names a folder in this way
  std::filesystem::path path;   // of the file, every link followed
  Descriptor file;              // O_PATH; not valid when nothing is there
  // A link of /proc was followed (/dev/fd/3, /proc/self/cwd): the kernel goes to what it means without a path, and
  // `steps` lacks the folders above that.
  bool through_proc = false;

  // The file, opened for what `flags` say; not valid, with errno, when it cannot be. Fails with ELOOP when somebody put
  // a link in its place meanwhile.
  Descriptor open(int flags) const;

  bool name_is_link_of_proc = false;  // the last name itself
};

// Throws not_found or denied for a folder on the way that is missing or may not be passed, invalid_input for a circle
// of links.
PathWalk walk_to(const std::filesystem::path& path);

}  // namespace hsmbridge
