#include "store/tree.h"

#include "audit/leaf.h"
#include "base/error.h"

#include <algorithm>
#include <string_view>
#include <utility>
#include <vector>

namespace hsmbridge::store {

audit::Hash read_hash(const Query& row, int column) {
  const Bytes stored = row.blob(column);
  audit::Hash hash{};
  if (stored.size() != hash.size()) {
    throw Error{ErrorKind::corrupt, "a stored hash of the audit log is not 32 octets long"};
  }
  std::copy(stored.begin(), stored.end(), hash.begin());
  return hash;
}

void put_leaf(Database& database, audit::TreeHead& head, std::string_view data) {
  const audit::Hash hash = audit::leaf_hash(as_bytes(data));
  head.append(hash);
  database.run("INSERT INTO leaves (position, hash, data, root) VALUES (?, ?, ?, ?)", head.size() - 1, hash,
               as_bytes(data), head.root());
}

namespace {

std::string_view word(Head which) {
  return which == Head::last ? "last" : "verified";
}

}  // namespace

audit::TreeHead read_tree(Database& database, Head which) {
  Query row = database.query("SELECT size, subtrees FROM tree_heads WHERE which = ?", word(which));
  if (!row.row()) return {};
  const Bytes stored = row.blob(1);
  std::vector<audit::Hash> subtrees(stored.size() / sizeof(audit::Hash));
  for (std::size_t i = 0; i < subtrees.size(); ++i) {
    std::copy_n(stored.begin() + static_cast<std::ptrdiff_t>(i * sizeof(audit::Hash)), sizeof(audit::Hash),
                subtrees[i].begin());
  }
  auto head = audit::TreeHead::of(row.count(0), std::move(subtrees));
  if (!head || stored.size() % sizeof(audit::Hash) != 0) {
    throw Error{ErrorKind::corrupt, "the head of the audit log cannot be read"}.hint(
        "`hsmbridge audit verify` says more; keep a copy of the store before you change anything");
  }
  return *head;
}

void write_tree(Database& database, Head which, const audit::TreeHead& head) {
  Bytes subtrees;
  for (const audit::Hash& hash : head.subtrees()) subtrees.insert(subtrees.end(), hash.begin(), hash.end());
  database.run("INSERT OR REPLACE INTO tree_heads (which, size, subtrees) VALUES (?, ?, ?)", word(which), head.size(),
               subtrees);
}

}  // namespace hsmbridge::store
