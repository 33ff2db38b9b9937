#pragma once

#include "base/bytes.h"
#include "base/secret.h"

#include <cstddef>
#include <filesystem>

namespace hsmbridge {

enum class Existing { refuse, replace };
// Who may read a written file: certificates and CSRs are for everyone, anything else for the owner only.
enum class FileMode : unsigned { public_0644 = 0644, private_0600 = 0600 };

// The whole file. Throws not_found, denied, or invalid_input when it holds more than `most` bytes.
Bytes read_file(const std::filesystem::path& path, std::size_t most = 16U << 20U);

// Writes next to the target, syncs, and puts it in place in one step, so that no reader ever sees half a file; the
// folder is synced too. With Existing::refuse an existing target is a conflict and stays as it was (link(2), so no
// race). With Existing::replace it is a TargetFile: links are followed, and access that an administrator arranged is
// kept (private_0600 is always set). Throws conflict, denied, unavailable (disk full).
void write_file(const std::filesystem::path& path, ByteView content, FileMode mode, Existing existing);

// Throws not_found or denied unless this process may put a file next to this one: to be asked before what cannot be
// undone is done for the file.
void expect_folder_takes_files(const std::filesystem::path& path);

// Who may be able to read a file that holds a secret. `anyone` is for places that somebody else guards, such as the
// credentials folder of systemd, whose access lists look like a group's permission.
enum class SecretReaders { owner_only, anyone };

// A secret from a file: one trailing newline (LF or CRLF) is cut, since editors add one and a PIN with a newline is a
// wrong PIN. Throws denied when the file can be read by its group or by others, or is not to be trusted (trust.h), with
// the command that fixes it.
Secret read_secret_file(const std::filesystem::path& path, SecretReaders readers = SecretReaders::owner_only);

}  // namespace hsmbridge
