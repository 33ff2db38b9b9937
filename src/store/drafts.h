#pragma once

#include "base/error.h"
#include "store/database.h"
#include "workflow/machine/codec.h"

#include <string>

namespace hsmbridge::store {

// What drafts are made of, a row each by its SHA-256, written in the transaction of the first state that names it.
// Thread rule: that of its database, which must outlive it.
class Drafts final : public workflow::DraftShelf {
 public:
  explicit Drafts(Database& database) : database_(database) {}
  void keep(const std::string& digest, ByteView octets) override {
    // A row that is there stays as it is (the trigger drafts_stay).
    database_.run("INSERT INTO drafts (digest, octets) VALUES (?, ?)", digest, octets);
  }
  Bytes octets(const std::string& digest) override {
    Query row = database_.query("SELECT octets FROM drafts WHERE digest = ?", digest);
    if (row.row()) return row.blob(0);
    throw Error{ErrorKind::corrupt, "draft " + digest + " is not in the store"}.hint(
        "see `hsmbridge audit verify`; then restore a backup");
  }

 private:
  Database& database_;
};

}  // namespace hsmbridge::store
