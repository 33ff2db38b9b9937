#include "store/sqlite_store.h"

#include "store/migration/migrate.h"

#include <fmt/core.h>

#include <utility>

namespace hsmbridge::store {

std::unique_ptr<SqliteStore> SqliteStore::open(const std::filesystem::path& file, const Clock& clock,
                                               const OpenOptions& options) {
  const Missing missing = options.access == Access::read_only ? Missing::refuse : options.missing;
  auto making = make_file(file, missing);
  expect_usable(file, options.access);
  auto database = open_current(file, options.wait, options.access, missing, std::move(making));
  if (options.page_cache) database->execute(fmt::format("PRAGMA cache_size = -{}", *options.page_cache));
  std::unique_ptr<SqliteStore> store(new SqliteStore(file, std::move(database), clock, options));
  if (options.access == Access::read_write) store->look_at_mark();
  return store;
}

SqliteStore::SqliteStore(std::filesystem::path file, std::unique_ptr<Database> database, const Clock& clock,
                         OpenOptions options)
    : file_(std::move(file)),
      database_(std::move(database)),
      clock_(clock),
      access_(options.access),
      boot_id_(options.boot_id.empty() ? running_boot_id() : std::move(options.boot_id)) {}

SqliteStore::~SqliteStore() = default;

}  // namespace hsmbridge::store
