#pragma once

#include "base/clock.h"
#include "store/database.h"
#include "store/store_file.h"
#include "store/turn.h"

#include <filesystem>
#include <memory>
#include <optional>

namespace hsmbridge::store {

// The store's version; written in PRAGMA user_version. Versions 1 and 2 were never released; from 3 on a store is
// brought up to this one (migrate.h).
inline constexpr int kSchemaVersion = 10;
// PRAGMA application_id: "HSMB".
inline constexpr int kApplicationId = 0x48534d42;

// Opens the file and brings it to this version: an empty one gets its tables unless `missing` is `refuse`, one of an
// older version is migrated, with a copy of it left next to it. Opened for reading only, it must be of this version
// already. `wait` is how long a transaction waits for another process's; `making` is what make_file gave. Throws, with
// nothing changed: conflict for a store of another version or one that another process keeps from being migrated,
// not_found for an empty file, invalid_input for a file that is not a store of ours, corrupt.
std::unique_ptr<Database> open_current(const std::filesystem::path& file, Duration wait, Access access, Missing missing,
                                       std::optional<Turn> making);

// 0 for an empty file. Throws as open_current does.
int version_of(Database& database, const std::filesystem::path& file);
// What every connection that writes sets.
void set_up_connection(Database& database);

// The SQL that makes the tables of this version, for checks that compare a store with it.
const char* tables_sql();

}  // namespace hsmbridge::store
