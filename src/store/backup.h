#pragma once

#include <filesystem>

namespace hsmbridge::store {

class Database;

// Writes a whole copy of what is committed in the store `file` (with what is still in its -wal) as `copy`, mode 0600,
// synced; under that name there is never half of one: it is written as COPY.RANDOM.part, which a process that is killed
// leaves behind. Other processes may use the store meanwhile, and one of them may be within a writing transaction.
// Throws conflict when `copy` exists or another program changed what was written, denied, unavailable.
void copy_store(const std::filesystem::path& file, const std::filesystem::path& copy);
// The same through a connection that is open, which must not be within a transaction.
void copy_store(Database& from, const std::filesystem::path& copy);

}  // namespace hsmbridge::store
