#include "audit/merkle.h"
#include "base/json.h"
#include "base/log.h"
#include "store/migration/migrate.h"
#include "store/rows.h"
#include "store/tree.h"
#include "workflow/machine/codec.h"
#include "workflow/machine/upgrade.h"

#include <fmt/core.h>

#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace hsmbridge::store {
namespace {

// Each leaf gets the root of the tree that it ends.
void add_roots(Database& database) {
  database.execute(R"sql(
DROP TRIGGER leaves_never_change; DROP TRIGGER leaves_never_go; DROP TRIGGER leaves_follow;
ALTER TABLE leaves RENAME TO leaves_3;
CREATE TABLE leaves (
  position INTEGER PRIMARY KEY, -- from 0, without a gap
  hash     BLOB NOT NULL,       -- RFC 6962: SHA-256(0x00 || data)
  data     BLOB NOT NULL,
  root     BLOB NOT NULL        -- of the tree that ends with this leaf
) STRICT;
CREATE TABLE tree_heads (
  which    TEXT PRIMARY KEY,    -- 'last': of all leaves; 'verified': as far as a check found everything in order
  size     INTEGER NOT NULL,    -- leaves
  subtrees BLOB NOT NULL        -- roots of the full subtrees over them, the largest first, 32 octets each
) STRICT;
CREATE TABLE restored (
  only INTEGER PRIMARY KEY CHECK (only = 1),
  at   INTEGER NOT NULL,
  why  TEXT NOT NULL
) STRICT;
)sql");
  audit::TreeHead head;
  {
    Query old = database.query("SELECT position, hash, data FROM leaves_3 ORDER BY position");
    while (old.row()) {
      const audit::Hash hash = read_hash(old, 1);
      head.append(hash);
      database.run("INSERT INTO leaves (position, hash, data, root) VALUES (?, ?, ?, ?)", old.integer(0), hash,
                   old.blob(2), head.root());
    }
  }
  write_tree(database, Head::last, head);
  database.forget_statements();  // a prepared statement would keep leaves_3 from going
  database.execute(R"sql(
DROP TABLE leaves_3;
CREATE TRIGGER leaves_never_change BEFORE UPDATE ON leaves BEGIN
  SELECT RAISE(ABORT, 'a leaf is never changed'); END;
CREATE TRIGGER leaves_never_go BEFORE DELETE ON leaves BEGIN
  SELECT RAISE(ABORT, 'a leaf is never deleted'); END;
CREATE TRIGGER leaves_follow BEFORE INSERT ON leaves
  WHEN NEW.position <> (SELECT COALESCE(MAX(position) + 1, 0) FROM leaves) BEGIN
  SELECT RAISE(ABORT, 'leaves follow each other'); END;
)sql");
}

// Version 3 ended a request whose certificate was quarantined and kept neither key nor draft in its state. Its journal
// has them, so it is open again, unless the same work was ordered once more since.
void reopen_quarantined(Database& database) {
  const auto quarantined = database.query("SELECT id, state_json FROM requests WHERE state = 'Quarantined' ORDER BY id")
                               .all([](const Query& row) { return std::pair(row.text(0), row.text(1)); });
  for (const auto& [id, state_json] : quarantined) {
    workflow::Quarantined whole;
    try {
      const workflow::State state = workflow::state_from(Json::parse(state_json));
      const auto* bare = std::get_if<workflow::Quarantined>(&state);
      if (bare == nullptr) throw Error{ErrorKind::corrupt, "its state is another one than the list says"};
      whole = workflow::completed_from(*bare, read_history(database, RequestId{id}, workflow::StateName::preparing));
      if (whole == *bare) continue;
    } catch (const Error& error) {
      log::warning(fmt::format("request {} stays quarantined: its journal cannot be read: {}", id, error.message()));
      continue;
    }
    database.run(
        "UPDATE requests SET state_json = ?1, final = EXISTS (SELECT 1 FROM requests o WHERE o.work = "
        "requests.work "
        "AND o.id <> requests.id AND (o.final = 0 OR o.created_at > requests.created_at)) WHERE id = ?2",
        workflow::to_json(workflow::State(std::move(whole))).dump(), id);
  }
}

// Version 3 counted a run when it began, so that crashes were failures too: what nobody called a failure is none. It
// did not say when a due time was decided: that was at the last event of the request or before.
void count_failures_alone(Database& database) {
  database.execute(R"sql(
ALTER TABLE effects ADD COLUMN crashes INTEGER NOT NULL DEFAULT 0;
ALTER TABLE effects ADD COLUMN set_at INTEGER NOT NULL DEFAULT 0;
UPDATE effects SET set_at = MIN(due, (SELECT r.changed_at FROM requests r WHERE r.id = effects.request));
UPDATE effects SET runs = MAX(runs - 1, 0) WHERE owner IS NOT NULL;
UPDATE effects SET runs = 0 WHERE trouble = '';
CREATE TABLE lanes (
  lane        TEXT PRIMARY KEY,
  deaths      INTEGER NOT NULL DEFAULT 0,
  died_at     INTEGER NOT NULL DEFAULT 0,
  came_back   INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;
)sql");
}

}  // namespace

void to_version_4(Database& database) {
  add_roots(database);
  reopen_quarantined(database);
  count_failures_alone(database);
}

}  // namespace hsmbridge::store
