#include "base/error.h"
#include "base/json.h"
#include "base/log.h"
#include "store/drafts.h"
#include "store/migration/migrate.h"
#include "store/rows.h"
#include "workflow/machine/codec.h"

#include <fmt/core.h>

#include <string>
#include <tuple>

namespace hsmbridge::store {
namespace {

// What lists show of a request, and what it is found by. An order that cannot be read has no names to be found by; the
// columns that `audit verify` compares with it are taken from its text.
void describe(Database& database, const std::string& id, const std::string& order_json, const std::string& state_json) {
  Drafts drafts(database);
  try {
    const workflow::Order order = workflow::order_from(Json::parse(order_json));
    workflow::State state = workflow::Preparing{};
    try {
      state = workflow::state_from(Json::parse(state_json), &drafts);
    } catch (const Error& error) {
      if (!is_unreadable(error)) throw;
      log::warning(fmt::format("the state of request {} cannot be read: {}", id, error.message()));
    }
    database.run("UPDATE requests SET kind = ?, provider = ?, profile = ?, names = ?, key_name = ? WHERE id = ?",
                 order.traits().name, order.provider, order.profile, workflow::names_of(order),
                 key_name_in(order, state), id);
    put_names(database, order);
  } catch (const Error& error) {
    if (!is_unreadable(error)) throw;
    log::warning(fmt::format("request {} cannot be read and is left out of lists: {}", id, error.message()));
    database.run(
        "UPDATE requests SET provider = coalesce(json_extract(order_json, '$.provider'), ''), "
        "profile = coalesce(json_extract(order_json, '$.profile'), '') WHERE id = ? AND json_valid(order_json)",
        id);
  }
}

// A page at a time: a store may be larger than the memory.
void describe_requests(Database& database) {
  constexpr int kPage = 256;
  std::string last;
  for (;;) {
    const auto page =
        database.query("SELECT id, order_json, state_json FROM requests WHERE id > ? ORDER BY id LIMIT ?", last, kPage)
            .all([](const Query& row) { return std::tuple(row.text(0), row.text(1), row.text(2)); });
    if (page.empty()) return;
    for (const auto& [id, order_json, state_json] : page) describe(database, id, order_json, state_json);
    last = std::get<0>(page.back());
  }
}

}  // namespace

void to_version_6(Database& database) {
  database.execute(R"sql(
DROP TRIGGER IF EXISTS orders_never_change;
DROP INDEX requests_by_age;
DROP INDEX requests_open;
DROP INDEX certificates_by_end;
DROP INDEX certificates_ending;
ALTER TABLE requests ADD COLUMN kind TEXT NOT NULL DEFAULT '';
ALTER TABLE requests ADD COLUMN provider TEXT NOT NULL DEFAULT '';
ALTER TABLE requests ADD COLUMN profile TEXT NOT NULL DEFAULT '';
ALTER TABLE requests ADD COLUMN names TEXT NOT NULL DEFAULT '';
ALTER TABLE requests ADD COLUMN key_name TEXT NOT NULL DEFAULT '';
CREATE TABLE request_names (
  name       TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  request    TEXT NOT NULL REFERENCES requests(id),
  PRIMARY KEY (name, created_at, request)
) STRICT, WITHOUT ROWID;
ALTER TABLE certificates ADD COLUMN provider TEXT NOT NULL DEFAULT '';
CREATE TABLE certificate_places (
  target      TEXT NOT NULL,
  fingerprint TEXT NOT NULL REFERENCES certificates(fingerprint),
  PRIMARY KEY (target, fingerprint)
) STRICT, WITHOUT ROWID;
)sql");
  describe_requests(database);
  database.execute(R"sql(
UPDATE certificates SET provider = coalesce((SELECT provider FROM requests WHERE id = request), '');
INSERT INTO certificate_places (target, fingerprint)
  SELECT DISTINCT j.value, fingerprint FROM certificates,
    json_each(CASE WHEN json_valid(installed) THEN installed ELSE '[]' END) j WHERE j.type = 'text';
CREATE INDEX requests_by_age ON requests(created_at, id);
CREATE INDEX requests_by_class ON requests(final, state, provider, profile, created_at, id);
CREATE INDEX certificates_by_end ON certificates(status, profile, not_after, fingerprint, not_before);
CREATE INDEX certificates_by_class ON certificates(status, provider, profile, not_after, fingerprint);
CREATE INDEX certificates_by_age ON certificates(status, provider, profile, stored_at, fingerprint);
CREATE TRIGGER orders_never_change BEFORE UPDATE OF id, order_json, work, predecessor, created_at, token, cka_id, kind,
  provider, profile, names ON requests BEGIN
  SELECT RAISE(ABORT, 'an order is never changed'); END;
)sql");
}

}  // namespace hsmbridge::store
