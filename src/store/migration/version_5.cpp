#include "base/error.h"
#include "base/json.h"
#include "base/log.h"
#include "store/drafts.h"
#include "store/migration/migrate.h"
#include "store/rows.h"
#include "workflow/machine/codec.h"
#include "workflow/ports/pin_memory.h"

#include <fmt/core.h>

#include <map>
#include <optional>
#include <string>
#include <tuple>
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
  const auto states = database.query("SELECT id, state_json FROM requests ORDER BY id").all([](const Query& row) {
    return std::pair(row.text(0), row.text(1));
  });
  Drafts drafts(database);
  for (const auto& [id, text] : states) {
    try {
      const workflow::State state = workflow::state_from(Json::parse(text));
      database.run("UPDATE requests SET state_json = ? WHERE id = ?", workflow::to_json(state, &drafts).dump(), id);
    } catch (const Error& error) {
      if (!is_unreadable(error)) throw;
      log::warning(fmt::format("the state of request {} stays as it is: {}", id, error.message()));
    }
  }
}

// What cannot be read is left out: it is asked for by other ways as before.
template <class Read>
void if_readable(const std::string& what, Read&& read) {
  try {
    read();
  } catch (const Error& error) {
    if (!is_unreadable(error)) throw;
    log::warning(fmt::format("{} cannot be read and is left out of the new indexes: {}", what, error.message()));
  }
}

// The key of each request in columns of its own, and what its provider has known it by.
void index_requests(Database& database) {
  database.execute(R"sql(
ALTER TABLE requests ADD COLUMN token TEXT NOT NULL DEFAULT '';
ALTER TABLE requests ADD COLUMN cka_id TEXT NOT NULL DEFAULT '';
ALTER TABLE requests ADD COLUMN spki TEXT NOT NULL DEFAULT '';
CREATE INDEX requests_open_for_key ON requests(spki) WHERE final = 0;
CREATE INDEX requests_by_key_id ON requests(token, cka_id);
CREATE TABLE provider_references (
  provider  TEXT NOT NULL,
  reference TEXT NOT NULL,
  request   TEXT NOT NULL REFERENCES requests(id),
  PRIMARY KEY (provider, reference, request)
) STRICT, WITHOUT ROWID;
)sql");
  const auto requests =
      database.query("SELECT id, order_json, state_json FROM requests ORDER BY id").all([](const Query& row) {
        return std::tuple(row.text(0), row.text(1), row.text(2));
      });
  for (const auto& [id, order_json, state_json] : requests) {
    std::optional<workflow::Order> order;
    if_readable("the order of request " + id,
                [&, &text = order_json] { order = workflow::order_from(Json::parse(text)); });
    if (!order) continue;
    // A state that cannot be read leaves what the order says of the key.
    workflow::State state = workflow::Preparing{};
    if_readable("the state of request " + id,
                [&, &text = state_json] { state = workflow::state_from(Json::parse(text)); });
    database.run("UPDATE requests SET token = ?, cka_id = ?, spki = ? WHERE id = ?", order->token(),
                 order->enrolment() != nullptr ? order->enrolment()->key.cka_id : std::string{},
                 key_in(*order, state).str(), id);
    const std::vector<std::string> events = database
                                                .query(
                                                    "SELECT body FROM events WHERE request = ?1 UNION ALL "
                                                    "SELECT body FROM late_answers WHERE request = ?1",
                                                    id)
                                                .texts();
    for (const std::string& text : events) {
      if_readable("an event of request " + id,
                  [&] { put_references(database, *order, workflow::event_body_from(Json::parse(text))); });
    }
  }
  database.execute(R"sql(
DROP TRIGGER orders_never_change;
CREATE TRIGGER orders_never_change BEFORE UPDATE OF id, order_json, work, predecessor, created_at, token, cka_id
  ON requests BEGIN
  SELECT RAISE(ABORT, 'an order is never changed'); END;
)sql");
}

void index_certificates(Database& database) {
  database.execute(R"sql(
CREATE INDEX certificates_ending ON certificates(not_after);
CREATE TABLE issuers (fingerprint TEXT PRIMARY KEY) STRICT, WITHOUT ROWID;
)sql");
  Query row = database.query("SELECT fingerprint, chain FROM certificates");
  while (row.row()) {
    if_readable("the chain of certificate " + row.text(0), [&] {
      const Json chain = Json::parse(row.text(1));
      for (const Json& der : chain.as_array()) put_issuer(database, from_base64(der.as_string()));
    });
  }
}

// How a login stands was an English sentence. Rows of programs before that one hold the SHA-256 of the source's name
// in place of what tells a token from others: they count for every source, and for each token of that serial number.
void type_pin_attempts(Database& database) {
  database.execute(R"sql(
CREATE TABLE pin_attempts (
  token_serial TEXT NOT NULL,
  user_type    INTEGER NOT NULL,
  distinction  TEXT NOT NULL,
  at           INTEGER NOT NULL,
  standing     TEXT NOT NULL,
  reason       TEXT NOT NULL,
  unclear      INTEGER NOT NULL,
  PRIMARY KEY (token_serial, user_type, distinction)
) STRICT, WITHOUT ROWID;
)sql");
  constexpr std::size_t kHexOfHash = 64;
  std::map<std::tuple<std::string, std::int64_t, std::string>, std::optional<workflow::PinRefusal>> worst;
  {
    Query row = database.query("SELECT token_serial, user_type, source_hash, at, reason FROM pin_refusals");
    while (row.row()) {
      const std::string distinction = row.text(2).size() == kHexOfHash ? "" : row.text(2);
      auto& one = worst[{row.text(0), row.integer(1), distinction}];
      one = workflow::worse(
          std::move(one),
          workflow::PinRefusal{.subject = {row.text(0), static_cast<unsigned long>(row.integer(1)), distinction},
                               .at = row.instant(3),
                               .state = workflow::AttemptState::from_words(row.text(4))});
    }
  }
  for (const auto& [subject, refusal] : worst) put_pin(database, *refusal);
  database.forget_statements();
  database.execute("DROP TABLE pin_refusals");
}

}  // namespace

void to_version_5(Database& database) {
  index_requests(database);
  index_certificates(database);
  database.execute("CREATE INDEX keys_by_status ON keys(status)");
  type_pin_attempts(database);
  shelve_drafts(database);
}

}  // namespace hsmbridge::store
