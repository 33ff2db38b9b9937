#pragma once

#include "base/clock.h"
#include "store/database.h"

#include <filesystem>

namespace hsmbridge::store {

// The store's version; written in PRAGMA user_version. Versions 1 and 2 were never released; from 3 on a store is
// brought up to this one (migrate.h).
inline constexpr int kSchemaVersion = 4;
// PRAGMA application_id: "HSMB".
inline constexpr int kApplicationId = 0x48534d42;

// Brings an opened file to this version: an empty one gets its tables, one of an older version is migrated, with a copy
// of it left next to it. Opened for reading only, it must be of this version already. Throws, with nothing changed:
// conflict for a store of another version, invalid_input for a file that is no store of ours, corrupt.
void prepare(Database& database, const std::filesystem::path& file, Access access = Access::read_write);

// The SQL that makes the tables of this version, for checks that compare a store with it.
const char* tables_sql();

}  // namespace hsmbridge::store
