#pragma once

#include "audit/merkle.h"
#include "store/database.h"

#include <string_view>

// The head of the audit log's tree as the store keeps it, so that a leaf costs the same however long the log is.
namespace hsmbridge::store {

// A hash in a column. Throws corrupt.
audit::Hash read_hash(const Query& row, int column);

enum class Head { last, verified };

// Writes the next leaf and takes it into `head`, which is written by write_tree.
void put_leaf(Database& database, audit::TreeHead& head, std::string_view data);

// Empty when it was never written. Throws corrupt.
audit::TreeHead read_tree(Database& database, Head which);
void write_tree(Database& database, Head which, const audit::TreeHead& head);

}  // namespace hsmbridge::store
