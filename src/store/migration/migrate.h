#pragma once

#include "base/error.h"
#include "store/database.h"

#include <filesystem>
#include <string>

// How a store of an older version becomes one of this version: one row a step, all steps in one transaction.
namespace hsmbridge::store {

inline constexpr int kOldestVersion = 3;  // that can be migrated

// The kernel makes a new one at every boot (proc(5)): CLOCK_BOOTTIME values compare within one only.
std::string running_boot_id();

// Steps the store up to kSchemaVersion. Before the first step a whole copy is written next to it, mode 0600, as
// FILE.version-N.TIME.backup. Several processes may be here at once: one of them does the work, the others wait and
// find it done. No other process may have the store open meanwhile, which is waited for `wait` long: an older program
// would go on writing as it used to, which the newer tables refuse, and an answer that it waits for would be lost. When
// it fails or the process dies (disk full, kill), the store is of the version that it was. This process must not have
// the store open. Throws conflict when another one has.
void migrate(const std::filesystem::path& file, Duration wait);

// Whether a text cannot be read, which another try would not change: that row stays as it is. Trouble of the database
// itself (a full disk, a bad block) must end the whole migration: SQLite may have taken the transaction back already.
bool is_unreadable(const Error& error);

// The steps, each in a file of its own. They write SQL of their own time and nothing that later versions change.
void to_version_4(Database& database);
void to_version_5(Database& database);
void to_version_6(Database& database);
void to_version_7(Database& database);
void to_version_8(Database& database);
void to_version_9(Database& database);
void to_version_10(Database& database);

}  // namespace hsmbridge::store
