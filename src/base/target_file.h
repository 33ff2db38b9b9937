#pragma once

#include "base/bytes.h"
#include "base/descriptor.h"

#include <sys/stat.h>

#include <filesystem>
#include <optional>
#include <string>

namespace hsmbridge {

// Who owns a file and who may read it, as far as somebody said so. What is not said stays as it is for a file that is
// there; a new file gets 0644 and this process's user.
struct FileAccess {
  std::optional<unsigned> mode;             // permission bits, for example 0640
  std::optional<std::string> owner, group;  // names, or numbers
};

// A file in the place where others look for it (a web server's certificate), to be replaced without breaking what an
// administrator arranged there. Everything is looked at on descriptors that are opened once: what is read, compared and
// replaced is one file, whatever happens to the path meanwhile.
//
// Symbolic links are followed to the file that they mean, which is replaced in its own folder; the links stay. Followed
// are those of root and of this process's user only, and only where every folder up to them is safe (trust.h): a user
// in whose folder the file is can have it written there and nowhere else. Hard links are never written through: the
// file is replaced and not changed.
class TargetFile {
 public:
  // Throws not_found or denied for a folder, denied for a link that is not followed, conflict when something other than
  // a regular file is there (a pipe or a device is never waited for), invalid_input for a path without a file name.
  explicit TargetFile(const std::filesystem::path& path);

  // The file itself, every link followed.
  const std::filesystem::path& path() const { return path_; }
  bool is_there() const { return file_.valid(); }
  // The content of the file that is there. Throws invalid_input when it is larger than `most` bytes.
  Bytes content(std::size_t most = 16U << 20U) const;
  // Whether the file that is there has the owner, group and mode that are said.
  bool has(const FileAccess& access) const;

  // Writes next to the file, syncs, and puts it in place in one step; the folder is synced too. Owner, group, mode, ACL
  // and SELinux label of the file that is there are kept where `access` does not say otherwise. What cannot be kept (a
  // process that is not root gives no file away) is logged, and permissions that would then reach other people than
  // before are dropped: the file is never readable by more than it was. Throws conflict for a mount point, denied,
  // not_found for a user or group that this machine does not know, unavailable (disk full).
  void replace(ByteView content, const FileAccess& access);

 private:
  std::filesystem::path path_;
  Descriptor folder_;
  Descriptor file_;
  struct stat status_ {};
};

}  // namespace hsmbridge
