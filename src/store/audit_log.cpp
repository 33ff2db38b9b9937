#include "base/error.h"
#include "store/mark.h"
#include "store/sqlite_store.h"
#include "store/tree.h"
#include "store/verify.h"

namespace hsmbridge::store {

// The head is read, checked and written once, however many leaves there are.
void SqliteStore::write_leaves(std::span<const std::string> leaves) {
  audit::TreeHead head = read_tree(*database_, Head::last);
  // What was cut off the end must not be covered up by what comes after it.
  {
    Query last = database_->query("SELECT position, root FROM leaves ORDER BY position DESC LIMIT 1");
    const bool any = last.row();
    if (any ? last.count(0) + 1 != head.size() || read_hash(last, 1) != head.root() : head.size() != 0) {
      throw Error{ErrorKind::corrupt, "the audit log does not end as it was written: somebody changed the store"}
          .with("fault", "store")  // no commit goes through, whatever its request
          .hint("keep a copy of the store, and see `hsmbridge audit verify`; then restore a backup");
    }
  }
  for (const std::string& data : leaves) put_leaf(*database_, head, data);
  write_tree(*database_, Head::last, head);
  database_->after_commit([file = file_, mark = Mark{head.size(), head.root()}] { write_mark(file, mark); });
}

void SqliteStore::append_leaves(std::span<const std::string> leaves) {
  Database::Write write(*database_);
  write_leaves(leaves);
  write.commit();
}

audit::TreeHead SqliteStore::tree_head() {
  return read_tree(*database_, Head::last);
}

AuditReport SqliteStore::verify_audit(AuditDepth depth) {
  AuditReport report = store::verify_audit(*database_, depth);
  if (depth == AuditDepth::news && report.faults.empty() && report.checked > 0) {
    Database::Write write(*database_);
    write_tree(*database_, Head::verified, report.head);
    write.commit();
  }
  return report;
}

std::vector<workflow::Leaf> SqliteStore::leaves(std::uint64_t from, std::uint64_t most) {
  Query row = database_->query("SELECT position, hash, data FROM leaves WHERE position >= ? ORDER BY position LIMIT ?",
                               from, most);
  std::vector<workflow::Leaf> leaves;
  while (row.row()) leaves.push_back({row.count(0), read_hash(row, 1), to_text(row.blob(2))});
  return leaves;
}

}  // namespace hsmbridge::store
