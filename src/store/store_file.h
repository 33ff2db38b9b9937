#pragma once

#include "store/database.h"
#include "store/turn.h"

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

// The file of a store before SQLite opens it.
namespace hsmbridge::store {

enum class Missing {
  create,      // where no store was before
  start_over,  // also where one was (mark.h): a person knows that it is gone
  refuse,
};

// Makes the file (mode 0600) and its folder (0700) when `missing` says so; an existing one keeps its mode, and an empty
// one is as good as none. Gives the turn to hold until the tables are in the file, so that whoever must not make them
// waits for that. Throws not_found, denied, unavailable.
std::optional<Turn> make_file(const std::filesystem::path& file, Missing missing);

// Throws denied when somebody else may write the store, a side file of it (-wal, -shm, -journal, .head) or a folder
// above, or when this process may not use one of them; refused when it is on a network file system, where WAL does not
// work (https://sqlite.org/wal.html) and two hosts would damage it. A reader believes the owner of the store.
void expect_usable(const std::filesystem::path& file, Access access);

// "NFS": what the file is on, when processes of several hosts may be behind it. Nothing for a local file system.
std::optional<std::string> network_file_system(const std::filesystem::path& file);

// By statfs(2)'s f_type and, for FUSE, the type that mountinfo tells ("fuse.sshfs"). Nothing for a local one.
std::optional<std::string_view> network_type(unsigned long magic, std::string_view mounted);

}  // namespace hsmbridge::store
