#include "base/error.h"
#include "base/json.h"
#include "base/log.h"
#include "store/drafts.h"
#include "store/migrate.h"
#include "workflow/machine/codec.h"

#include <fmt/core.h>

#include <string>
#include <utility>
#include <vector>

namespace hsmbridge::store {
namespace {

// Version 4 wrote the octets of a draft anew into each state that had it.
void shelve_drafts(Database& database) {
  database.execute(R"sql(
CREATE TABLE drafts (
  digest TEXT PRIMARY KEY,      -- SHA-256 of the octets, hex
  octets BLOB NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TRIGGER drafts_stay BEFORE INSERT ON drafts
  WHEN EXISTS (SELECT 1 FROM drafts WHERE digest = NEW.digest) BEGIN
  SELECT RAISE(IGNORE); END;
CREATE TRIGGER drafts_never_change BEFORE UPDATE ON drafts BEGIN
  SELECT RAISE(ABORT, 'a draft is never changed'); END;
CREATE TRIGGER drafts_never_go BEFORE DELETE ON drafts BEGIN
  SELECT RAISE(ABORT, 'a draft is never deleted'); END;
)sql");
  std::vector<std::pair<std::string, std::string>> states;
  {
    Query row = database.query("SELECT id, state_json FROM requests ORDER BY id");
    while (row.row()) states.emplace_back(row.text(0), row.text(1));
  }
  Drafts drafts(database);
  for (const auto& [id, text] : states) {
    try {
      const workflow::State state = workflow::state_from(Json::parse(text));
      database.query("UPDATE requests SET state_json = ? WHERE id = ?")
          .bind(workflow::to_json(state, &drafts).dump())
          .bind(id)
          .run();
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::corrupt && error.kind() != ErrorKind::invalid_input) throw;
      log::warning(fmt::format("the state of request {} stays as it is: {}", id, error.message()));
    }
  }
}

}  // namespace

void to_version_5(Database& database) {
  shelve_drafts(database);
}

}  // namespace hsmbridge::store
