#include "store/sqlite_store.h"

#include <string>
#include <vector>

namespace hsmbridge::store {

std::size_t SqliteStore::end_leases(const std::function<bool(const std::string& worker)>& gone) {
  std::vector<std::string> dead;
  {
    Query row = database_->query("SELECT DISTINCT owner FROM effects WHERE owner IS NOT NULL AND lease_boot = ?");
    row.bind(boot_id_);
    while (row.row()) {
      if (gone(row.text(0))) dead.push_back(row.text(0));
    }
  }
  if (dead.empty()) return 0;
  Database::Write write(*database_);
  for (const std::string& worker : dead) end_runs_of(worker);
  write.commit();
  return dead.size();
}

}  // namespace hsmbridge::store
