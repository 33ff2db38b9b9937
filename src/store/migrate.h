#pragma once

#include "store/database.h"

#include <filesystem>
#include <functional>
#include <string>

// How a store of an older version becomes one of this version: one row a step, one transaction a step.
namespace hsmbridge::store {

inline constexpr int kOldestVersion = 3;  // that can be migrated

// Tells the version of the opened store; throws what schema.h's prepare throws.
using VersionOf = std::function<int(Database& database, const std::filesystem::path& file)>;

// The kernel makes a new one at every boot (proc(5)): CLOCK_BOOTTIME values compare within one only.
std::string running_boot_id();

// Steps the store up to kSchemaVersion. Before the first step a whole copy is written next to it, mode 0600, as
// FILE.version-N.TIME.backup. Several processes may be here at once: one of them does the work, the others wait and
// find it done. When it fails or the process dies (disk full, kill), the store is of the version that it was.
void migrate(Database& database, const std::filesystem::path& file, const VersionOf& version_of);

// The steps, each in a file of its own. They write SQL of their own time and nothing that later versions change.
void to_version_4(Database& database);

}  // namespace hsmbridge::store
