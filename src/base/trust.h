#pragma once

#include "base/bytes.h"
#include "base/descriptor.h"
#include "base/error.h"

#include <sys/stat.h>
#include <sys/types.h>

#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

// Files that this program obeys: its configuration, its secrets, its store, the code that it loads. Whoever may change
// one, or put another in its place, decides what the program does. So such a file, each folder up to / and each
// symbolic link that leads to it with the folders above that, belongs to root or to the user of this process, and
// neither group nor others may write it; a folder with the sticky bit (/tmp) may be written by all. The same rule as
// sshd's StrictModes. Access lists show in the mode as the group's bits. The same for a socket, whose mode says nothing: who
// may write to it talks to whoever made it. Not checked here: who may read.
namespace hsmbridge {

enum class Owner {
  root_or_us,
  anyone,  // for what is only read, and believed no more than its owner is: the store, for an approver
};

// One that has a name, and not one that this process was handed (/dev/fd/3), which is always read.
enum class NamedPipe {
  waited_for,  // until somebody writes to it
  refused,     // for what is read again later, when nobody writes to it any more
};

struct TrustRule {
  std::string_view because;  // ends the message: "it names the programs that are run"
  Owner owner = Owner::root_or_us;
  std::string_view mode = "go-w";  // what chmod is to make of a file that others may write
  NamedPipe named_pipe = NamedPipe::waited_for;
};

// Of certificates and public keys: who may write them decides which server gets the API keys, whose certificates are
// installed and whose approvals count.
inline constexpr TrustRule kBelieved{"it says whom this program believes"};

// Opens for reading and checks what was opened: nothing is looked at by its path and then opened again. Throws
// not_found, denied (also from what the rule forbids, with the command that fixes it), invalid_input for a named pipe
// that the rule refuses, unavailable.
Descriptor open_trusted(const std::filesystem::path& path, const TrustRule& rule);

// The whole file, opened so. Throws invalid_input, too, when it holds more than `most` bytes.
Bytes read_trusted(const std::filesystem::path& path, const TrustRule& rule, std::size_t most = 16U << 20U);

// The same for a file that somebody else opens (a module, a program, the store): neither read nor locked, and an open
// lock of this process on it is kept (closing any other descriptor of it would end POSIX locks).
void expect_trusted(const std::filesystem::path& path, const TrustRule& rule);

// What `status` says against the rule, for a process of user `us`. `path` is for the message.
std::optional<Error> distrust(const struct stat& status, const std::filesystem::path& path, const TrustRule& rule,
                              uid_t us);

// "ann", or the number of a user whom this machine does not know.
std::string user_name(uid_t user);

}  // namespace hsmbridge
