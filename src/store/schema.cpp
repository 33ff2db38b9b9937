#include "store/schema.h"

#include "base/error.h"
#include "store/mark.h"
#include "store/migration/migrate.h"

#include <fmt/core.h>
#include <sys/file.h>
#include <time.h>

#include <memory>
#include <string>

namespace hsmbridge::store {
namespace {

// Times are milliseconds since 1970 UTC. JSON is what workflow/machine/codec.h writes.
constexpr const char* kTables = R"sql(
CREATE TABLE requests (
  id         TEXT PRIMARY KEY,
  order_json TEXT NOT NULL,
  state_json TEXT NOT NULL,
  state      TEXT NOT NULL,     -- its name, for lists
  final      INTEGER NOT NULL,
  work       TEXT NOT NULL,     -- digest of what must not be ordered twice at the same time
  predecessor TEXT NOT NULL,    -- the certificate that it renews or revokes; '' for none
  sequence   INTEGER NOT NULL,  -- of the last event: the compare-and-set value
  created_at INTEGER NOT NULL,
  changed_at INTEGER NOT NULL,
  token      TEXT NOT NULL DEFAULT '',  -- of its key, and the CKA_ID that it is to be made under
  cka_id     TEXT NOT NULL DEFAULT '',
  spki       TEXT NOT NULL DEFAULT '',  -- of its key; '' while it is not known which
  -- For lists, which read no JSON.
  kind       TEXT NOT NULL DEFAULT '',
  provider   TEXT NOT NULL DEFAULT '',
  profile    TEXT NOT NULL DEFAULT '',
  names      TEXT NOT NULL DEFAULT '',
  key_name   TEXT NOT NULL DEFAULT ''   -- the label of its key; what the order calls it while that is not known
) STRICT;
CREATE INDEX requests_by_age ON requests(created_at, id);
CREATE INDEX requests_by_class ON requests(final, state, provider, profile, created_at, id);
CREATE UNIQUE INDEX requests_same_work ON requests(work) WHERE final = 0;
CREATE INDEX requests_open_for_key ON requests(spki) WHERE final = 0;
CREATE INDEX requests_by_key_id ON requests(token, cka_id);
CREATE INDEX requests_about ON requests(predecessor, created_at) WHERE predecessor <> '';

-- The names that each request is about: lower case, without their kinds.
CREATE TABLE request_names (
  name       TEXT NOT NULL,
  created_at INTEGER NOT NULL,  -- of the request
  request    TEXT NOT NULL REFERENCES requests(id),
  PRIMARY KEY (name, created_at, request)
) STRICT, WITHOUT ROWID;

CREATE TABLE events (
  request  TEXT NOT NULL REFERENCES requests(id),
  sequence INTEGER NOT NULL,
  at       INTEGER NOT NULL,
  actor    TEXT NOT NULL,
  event    TEXT NOT NULL,
  body     TEXT NOT NULL,
  after    TEXT NOT NULL,       -- the state's name after it
  PRIMARY KEY (request, sequence)
) STRICT, WITHOUT ROWID;

-- What drafts are made of, once each: states name them.
CREATE TABLE drafts (
  digest TEXT PRIMARY KEY,      -- SHA-256 of the octets, hex
  octets BLOB NOT NULL
) STRICT, WITHOUT ROWID;

-- What providers know requests by, or knew: lower case.
CREATE TABLE provider_references (
  provider  TEXT NOT NULL,
  reference TEXT NOT NULL,
  request   TEXT NOT NULL REFERENCES requests(id),
  PRIMARY KEY (provider, reference, request)
) STRICT, WITHOUT ROWID;

-- Answers that their requests did not take any more.
CREATE TABLE late_answers (
  position INTEGER PRIMARY KEY,
  request  TEXT NOT NULL REFERENCES requests(id),
  at       INTEGER NOT NULL,
  actor    TEXT NOT NULL,
  body     TEXT NOT NULL,       -- as in events
  why      TEXT NOT NULL
) STRICT;
CREATE INDEX late_answers_by_request ON late_answers(request);

-- The outbox. AUTOINCREMENT: a number that a worker still holds never names another effect later.
CREATE TABLE effects (
  id          INTEGER PRIMARY KEY AUTOINCREMENT,
  request     TEXT NOT NULL REFERENCES requests(id),
  identity    TEXT NOT NULL,
  name        TEXT NOT NULL,
  attempt     INTEGER NOT NULL,
  target      TEXT NOT NULL,
  lane        TEXT NOT NULL,
  due         INTEGER NOT NULL,
  owner       TEXT,             -- the worker that holds the lease; null: free
  lease_until INTEGER,          -- milliseconds of CLOCK_BOOTTIME
  lease_boot  TEXT,             -- the boot it counts from: a lease of another boot is void
  runs        INTEGER NOT NULL DEFAULT 0,  -- failures in a row
  crashes     INTEGER NOT NULL DEFAULT 0,  -- runs that ended without an outcome since the last good one
  set_at      INTEGER NOT NULL DEFAULT 0,  -- when `due` was decided, by the wall clock
  trouble     TEXT NOT NULL DEFAULT '',  -- why the last run has to be repeated
  UNIQUE (request, identity)
) STRICT;
CREATE INDEX effects_by_lane ON effects(lane, due, id);
CREATE INDEX effects_leased ON effects(lane) WHERE owner IS NOT NULL;

-- What processes tell each other about lanes.
CREATE TABLE lanes (
  lane        TEXT PRIMARY KEY,
  deaths      INTEGER NOT NULL DEFAULT 0,  -- workers that died with a call of it in hand since one last came through
  died_at     INTEGER NOT NULL DEFAULT 0,  -- the last of them
  came_back   INTEGER NOT NULL DEFAULT 0   -- how often it was seen to work again
) STRICT, WITHOUT ROWID;

CREATE TABLE certificates (
  fingerprint TEXT PRIMARY KEY,
  der         BLOB NOT NULL,
  chain       TEXT NOT NULL,    -- JSON array of base64 DER
  request     TEXT NOT NULL REFERENCES requests(id),
  spki        TEXT NOT NULL,
  subject     TEXT NOT NULL,
  issuer      TEXT NOT NULL,
  serial      TEXT NOT NULL,
  not_before  INTEGER NOT NULL,
  not_after   INTEGER NOT NULL,
  status      TEXT NOT NULL,
  stored_at   INTEGER NOT NULL,
  reference   TEXT NOT NULL,    -- of the submission that brought it; '' when unknown
  provider_state TEXT NOT NULL, -- of that submission; '' for none
  predecessor TEXT NOT NULL,    -- the certificate that it renews; '' for none
  profile     TEXT NOT NULL,    -- of its request
  installed   TEXT NOT NULL DEFAULT '[]', -- JSON array: the targets where it was put
  provider    TEXT NOT NULL DEFAULT ''    -- of its request
) STRICT;
CREATE INDEX certificates_by_request ON certificates(request);
CREATE INDEX certificates_by_key ON certificates(spki);
CREATE INDEX certificates_renewed ON certificates(predecessor) WHERE predecessor <> '';
-- What the sweep asks once a minute: answered from the index alone.
CREATE INDEX certificates_by_end ON certificates(status, profile, not_after, fingerprint, not_before);
CREATE INDEX certificates_past ON certificates(status, not_after);
CREATE INDEX certificates_by_class ON certificates(status, provider, profile, not_after, fingerprint);
CREATE INDEX certificates_by_age ON certificates(status, provider, profile, stored_at, fingerprint);
-- By target, what `installed` says by certificate.
CREATE TABLE certificate_places (
  target      TEXT NOT NULL,
  fingerprint TEXT NOT NULL REFERENCES certificates(fingerprint),
  PRIMARY KEY (target, fingerprint)
) STRICT, WITHOUT ROWID;
-- What was in the chain of one of them: SHA-256, hex.
CREATE TABLE issuers (fingerprint TEXT PRIMARY KEY) STRICT, WITHOUT ROWID;

CREATE TABLE keys (
  token      TEXT NOT NULL,
  cka_id     TEXT NOT NULL,
  label      TEXT NOT NULL,
  spec       TEXT NOT NULL,
  spki       TEXT NOT NULL,
  status     TEXT NOT NULL,
  changed_at INTEGER NOT NULL,
  PRIMARY KEY (token, cka_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX keys_by_spki ON keys(spki);
CREATE INDEX keys_by_label ON keys(token, label);
CREATE INDEX keys_by_status ON keys(status);

CREATE TABLE leaves (
  position INTEGER PRIMARY KEY, -- from 0, without a gap
  hash     BLOB NOT NULL,       -- RFC 6962: SHA-256(0x00 || data)
  data     BLOB NOT NULL,
  root     BLOB NOT NULL        -- of the tree that ends with this leaf
) STRICT;
-- What the next root is computed from, and from where a check may go on.
CREATE TABLE tree_heads (
  which    TEXT PRIMARY KEY,    -- 'last': of all leaves; 'verified': as far as a check found everything in order
  size     INTEGER NOT NULL,    -- leaves
  subtrees BLOB NOT NULL        -- roots of the full subtrees over them, the largest first, 32 octets each
) STRICT;
-- A row: the store was taken back to an older copy, and nothing is submitted or installed before a person accepts that.
CREATE TABLE restored (
  only INTEGER PRIMARY KEY CHECK (only = 1),
  at   INTEGER NOT NULL,
  why  TEXT NOT NULL
) STRICT;

CREATE TABLE pin_attempts (
  token_serial TEXT NOT NULL,
  user_type    INTEGER NOT NULL,
  distinction  TEXT NOT NULL,    -- what tells the token from others of its serial number; '' while it is the only one
  at           INTEGER NOT NULL,
  standing     TEXT NOT NULL,    -- 'open', 'unclear', 'second-open', 'refused': workflow/ports/pin_memory.h
  reason       TEXT NOT NULL,
  unclear      INTEGER NOT NULL, -- attempts in a row without a clear answer
  PRIMARY KEY (token_serial, user_type, distinction)
) STRICT, WITHOUT ROWID;

CREATE TABLE rates (
  provider TEXT PRIMARY KEY,
  full_at  INTEGER NOT NULL     -- when the bucket of permissions is full again, milliseconds since 1970 UTC
) STRICT;

-- The serial numbers that CAs of this bridge have given, each before anything was built with it.
CREATE TABLE serial_numbers (
  issuer   TEXT NOT NULL,       -- SHA-256 of the DER of its name, hex
  serial   TEXT NOT NULL,       -- hex
  request  TEXT NOT NULL,       -- '' outside any request
  taken_at INTEGER NOT NULL,
  PRIMARY KEY (issuer, serial)
) STRICT, WITHOUT ROWID;

-- What CAs of this bridge have revoked, and the numbers that their CRLs had.
CREATE TABLE revocations (
  issuer     TEXT NOT NULL,     -- as in serial_numbers
  serial     TEXT NOT NULL,
  reason     INTEGER NOT NULL,  -- CRLReason
  revoked_at INTEGER NOT NULL,
  not_after  INTEGER NOT NULL,  -- of the certificate
  request    TEXT NOT NULL,     -- that asked for it
  -- The URL of the shard that the certificate names; '' where it names none, '*' where nobody knows.
  distribution_point TEXT NOT NULL DEFAULT '',
  PRIMARY KEY (issuer, serial)
) STRICT, WITHOUT ROWID;
CREATE INDEX revocations_by_point ON revocations(issuer, distribution_point, not_after);
CREATE TABLE crls (
  issuer      TEXT NOT NULL,
  number      INTEGER NOT NULL,
  taken_at    INTEGER NOT NULL,
  this_update INTEGER NOT NULL DEFAULT 0,
  next_update INTEGER NOT NULL DEFAULT 0,
  sha256      TEXT NOT NULL DEFAULT '',  -- of the DER, once it is published
  distribution_point TEXT NOT NULL DEFAULT '',  -- the URL of the shard; '' of the complete CRL
  PRIMARY KEY (issuer, number)
) STRICT, WITHOUT ROWID;
CREATE INDEX crls_by_point ON crls(issuer, distribution_point, number) WHERE sha256 <> '';
-- The last CRL that was seen at each URL where CRLs are put.
CREATE TABLE crls_put (
  issuer TEXT NOT NULL,
  url    TEXT NOT NULL,
  number INTEGER NOT NULL,
  PRIMARY KEY (issuer, url)
) STRICT, WITHOUT ROWID;
-- The shards that certificates name ('': those that name none), and until when the last of these is valid: so long each
-- is published.
CREATE TABLE distribution_points (
  issuer TEXT NOT NULL,
  url    TEXT NOT NULL,
  until  INTEGER NOT NULL,
  PRIMARY KEY (issuer, url)
) STRICT, WITHOUT ROWID;
-- What CAs of this bridge had certified before they came here, or in a store that was lost.
CREATE TABLE certified_elsewhere (
  issuer    TEXT NOT NULL,      -- as in serial_numbers
  serial    TEXT NOT NULL,
  subject   TEXT NOT NULL,
  not_after INTEGER NOT NULL,
  spki      TEXT NOT NULL DEFAULT '',  -- of its key; '' where the certificate itself was not there
  holder    TEXT NOT NULL DEFAULT '',  -- 'authority' or 'end-entity'; likewise
  PRIMARY KEY (issuer, serial)
) STRICT, WITHOUT ROWID;
-- Each time that a store which was an older copy of itself was accepted.
CREATE TABLE restorations (
  number INTEGER PRIMARY KEY,
  at     INTEGER NOT NULL,
  why    TEXT NOT NULL
) STRICT;
-- Up to which of them each CA was told what the lost store did.
CREATE TABLE resumptions (
  issuer      TEXT NOT NULL,
  restoration INTEGER NOT NULL,
  at          INTEGER NOT NULL,
  PRIMARY KEY (issuer, restoration)
) STRICT, WITHOUT ROWID;

-- What was written stays. INSERT OR REPLACE deletes without asking a delete trigger, so inserting is guarded too.
CREATE TRIGGER events_never_change BEFORE UPDATE ON events BEGIN
  SELECT RAISE(ABORT, 'an event is never changed'); END;
CREATE TRIGGER events_never_go BEFORE DELETE ON events BEGIN
  SELECT RAISE(ABORT, 'an event is never deleted'); END;
CREATE TRIGGER events_follow BEFORE INSERT ON events
  WHEN NEW.sequence <> (SELECT COALESCE(MAX(sequence), 0) + 1 FROM events WHERE request = NEW.request) BEGIN
  SELECT RAISE(ABORT, 'events follow each other'); END;
CREATE TRIGGER drafts_stay BEFORE INSERT ON drafts
  WHEN EXISTS (SELECT 1 FROM drafts WHERE digest = NEW.digest) BEGIN
  SELECT RAISE(IGNORE); END;
CREATE TRIGGER drafts_never_change BEFORE UPDATE ON drafts BEGIN
  SELECT RAISE(ABORT, 'a draft is never changed'); END;
CREATE TRIGGER drafts_never_go BEFORE DELETE ON drafts BEGIN
  SELECT RAISE(ABORT, 'a draft is never deleted'); END;
CREATE TRIGGER late_answers_never_change BEFORE UPDATE ON late_answers BEGIN
  SELECT RAISE(ABORT, 'an answer is never changed'); END;
CREATE TRIGGER late_answers_never_go BEFORE DELETE ON late_answers BEGIN
  SELECT RAISE(ABORT, 'an answer is never deleted'); END;
CREATE TRIGGER leaves_never_change BEFORE UPDATE ON leaves BEGIN
  SELECT RAISE(ABORT, 'a leaf is never changed'); END;
CREATE TRIGGER leaves_never_go BEFORE DELETE ON leaves BEGIN
  SELECT RAISE(ABORT, 'a leaf is never deleted'); END;
CREATE TRIGGER leaves_follow BEFORE INSERT ON leaves
  WHEN NEW.position <> (SELECT COALESCE(MAX(position) + 1, 0) FROM leaves) BEGIN
  SELECT RAISE(ABORT, 'leaves follow each other'); END;
CREATE TRIGGER certificates_never_change BEFORE UPDATE OF fingerprint, der, request, spki, predecessor ON certificates
  BEGIN SELECT RAISE(ABORT, 'a certificate is never changed'); END;
CREATE TRIGGER certificates_never_go BEFORE DELETE ON certificates BEGIN
  SELECT RAISE(ABORT, 'a certificate is never deleted'); END;
CREATE TRIGGER orders_never_change BEFORE UPDATE OF id, order_json, work, predecessor, created_at, token, cka_id, kind,
  provider, profile, names ON requests BEGIN
  SELECT RAISE(ABORT, 'an order is never changed'); END;
CREATE TRIGGER requests_never_go BEFORE DELETE ON requests BEGIN
  SELECT RAISE(ABORT, 'a request is never deleted'); END;
CREATE TRIGGER serial_numbers_never_change BEFORE UPDATE ON serial_numbers BEGIN
  SELECT RAISE(ABORT, 'a serial number is never changed'); END;
CREATE TRIGGER serial_numbers_never_go BEFORE DELETE ON serial_numbers BEGIN
  SELECT RAISE(ABORT, 'a serial number is never given again'); END;
CREATE TRIGGER serial_numbers_once BEFORE INSERT ON serial_numbers
  WHEN EXISTS (SELECT 1 FROM serial_numbers WHERE issuer = NEW.issuer AND serial = NEW.serial) BEGIN
  SELECT RAISE(ABORT, 'a serial number is taken once'); END;
CREATE TRIGGER revocations_never_change BEFORE UPDATE ON revocations BEGIN
  SELECT RAISE(ABORT, 'a revocation is never changed'); END;
CREATE TRIGGER revocations_never_go BEFORE DELETE ON revocations BEGIN
  SELECT RAISE(ABORT, 'a revocation is never taken back'); END;
CREATE TRIGGER revocations_once BEFORE INSERT ON revocations
  WHEN EXISTS (SELECT 1 FROM revocations WHERE issuer = NEW.issuer AND serial = NEW.serial) BEGIN
  SELECT RAISE(ABORT, 'a certificate is revoked once'); END;
CREATE TRIGGER crls_follow BEFORE INSERT ON crls
  WHEN NEW.number <= (SELECT COALESCE(MAX(number), 0) FROM crls WHERE issuer = NEW.issuer) OR
    (NEW.sha256 = '' AND NEW.number <> (SELECT COALESCE(MAX(number), 0) + 1 FROM crls WHERE issuer = NEW.issuer)) BEGIN
  SELECT RAISE(ABORT, 'the numbers of CRLs follow each other, but after one that was published elsewhere'); END;
CREATE TRIGGER crls_published_once BEFORE UPDATE ON crls
  WHEN OLD.sha256 <> '' OR NEW.issuer <> OLD.issuer OR NEW.number <> OLD.number OR NEW.taken_at <> OLD.taken_at BEGIN
  SELECT RAISE(ABORT, 'a CRL that is published is never changed'); END;
CREATE TRIGGER crls_never_go BEFORE DELETE ON crls BEGIN
  SELECT RAISE(ABORT, 'the number of a CRL is never given again'); END;
CREATE TRIGGER distribution_points_last BEFORE UPDATE ON distribution_points
  WHEN NEW.until < OLD.until OR NEW.issuer <> OLD.issuer OR NEW.url <> OLD.url BEGIN
  SELECT RAISE(ABORT, 'a shard is published as long as certificates name it'); END;
CREATE TRIGGER distribution_points_once BEFORE INSERT ON distribution_points
  WHEN EXISTS (SELECT 1 FROM distribution_points WHERE issuer = NEW.issuer AND url = NEW.url) BEGIN
  SELECT RAISE(ABORT, 'a shard is written down once'); END;
CREATE TRIGGER distribution_points_never_go BEFORE DELETE ON distribution_points BEGIN
  SELECT RAISE(ABORT, 'a shard is published as long as certificates name it'); END;
CREATE TRIGGER certified_elsewhere_never_changes BEFORE UPDATE ON certified_elsewhere
  WHEN NEW.issuer <> OLD.issuer OR NEW.serial <> OLD.serial OR NEW.subject <> OLD.subject OR
    NEW.not_after <> OLD.not_after OR (OLD.spki <> '' AND NEW.spki <> OLD.spki) OR
    (OLD.holder <> '' AND NEW.holder <> OLD.holder) BEGIN
  SELECT RAISE(ABORT, 'a certificate is never changed'); END;
CREATE TRIGGER certified_elsewhere_never_goes BEFORE DELETE ON certified_elsewhere BEGIN
  SELECT RAISE(ABORT, 'a certificate is never deleted'); END;
CREATE TRIGGER certified_elsewhere_once BEFORE INSERT ON certified_elsewhere
  WHEN EXISTS (SELECT 1 FROM certified_elsewhere WHERE issuer = NEW.issuer AND serial = NEW.serial) BEGIN
  SELECT RAISE(ABORT, 'a serial number has one certificate'); END;
CREATE TRIGGER restorations_never_go BEFORE DELETE ON restorations BEGIN
  SELECT RAISE(ABORT, 'a restoration is never forgotten'); END;
)sql";

// The version of the store in this file, 0 for an empty file. Asked within one transaction: another process that makes
// the tables between two of these questions would be taken for another program.
int version_in(Database& database, const std::filesystem::path& file) {
  std::int64_t application = 0;
  std::int64_t version = 0;
  std::int64_t tables = 0;
  try {
    application = database.pragma("application_id");
    version = database.pragma("user_version");
    tables = database.pragma("schema_version");
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::corrupt && error.detail("sqlite").find("not a database") != std::string_view::npos) {
      throw Error{ErrorKind::invalid_input, fmt::format("{} is not an hsmbridge store", file.string())}.hint(
          "name another file in 'store: {path: …}'; this one was not touched");
    }
    throw;
  }
  if (application == 0 && version == 0 && tables == 0) return 0;
  if (application != kApplicationId) {
    throw Error{ErrorKind::invalid_input,
                fmt::format("{} is a database of another program, not an hsmbridge store", file.string())}
        .hint("name another file in 'store: {path: …}'; this one was not touched");
  }
  if (version > kSchemaVersion) {
    throw Error{
        ErrorKind::conflict,
        fmt::format("the store {} is of version {}, written by a newer hsmbridge; this one reads up to version {}",
                    file.string(), version, kSchemaVersion)}
        .hint("use the newer hsmbridge; nothing was changed");
  }
  if (version < 1) {
    throw Error{ErrorKind::corrupt, fmt::format("the store {} has no version", file.string())}.hint(
        "restore a backup; nothing was changed");
  }
  if (version < kOldestVersion) {
    throw Error{ErrorKind::conflict,
                fmt::format("the store {} is of version {}, written by an hsmbridge of before its first release; this "
                            "one reads versions {} to {}",
                            file.string(), version, kOldestVersion, kSchemaVersion)}
        .hint("finish its requests with the program that wrote it; nothing was changed");
  }
  return static_cast<int>(version);
}

// The switch to WAL wants the file alone, and SQLite does not always ask the busy handler for it. Nothing happens to a
// file that is in that mode.
void use_write_ahead_log(Database& database) {
  for (int tries = 0;; ++tries) {
    try {
      return database.execute("PRAGMA journal_mode = WAL");
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::unavailable || tries == 200) throw;
      const timespec pause{0, 5'000'000};
      ::nanosleep(&pause, nullptr);
    }
  }
}

void make_tables(Database& database) {
  database.execute(kTables);
  database.execute(fmt::format("PRAGMA application_id = {}; PRAGMA user_version = {}", kApplicationId, kSchemaVersion));
}

}  // namespace

const char* tables_sql() {
  return kTables;
}

int version_of(Database& database, const std::filesystem::path& file) {
  const Database::Read moment(database);
  return version_in(database, file);
}

void set_up_connection(Database& database) {
  // FULL: an intent that is reported as written survives a power cut (NORMAL may lose the last ones in WAL mode).
  database.execute("PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA trusted_schema = OFF");
}

std::unique_ptr<Database> open_current(const std::filesystem::path& file, Duration wait, Access access, Missing missing,
                                       std::optional<Turn> making) {
  auto database = std::make_unique<Database>(file, wait, access);
  // Nothing is written before the file is known to be ours or empty.
  int found = 0;
  try {
    found = version_of(*database, file);
  } catch (const Error& error) {
    making.reset();  // or this process would wait for itself
    // Whoever migrates it has it alone.
    if (error.kind() != ErrorKind::unavailable || !wait_for_others(file, LOCK_SH)) throw;
    found = version_of(*database, file);
  }
  if (found != 0) making.reset();
  if (found == 0 && missing == Missing::refuse) {
    database.reset();  // it knows the file as it was
    wait_for_others(file, LOCK_EX);
    database = std::make_unique<Database>(file, wait, access);
    found = version_of(*database, file);
  }
  if (access == Access::read_only) {
    set_up_connection(*database);
    if (found == kSchemaVersion) return database;
    throw Error{ErrorKind::conflict,
                found == 0 ? fmt::format("{} is empty: it does not hold a store yet", file.string())
                           : fmt::format("the store {} is of version {} and is opened for reading only; this hsmbridge "
                                         "reads version {}",
                                         file.string(), found, kSchemaVersion)}
        .with("migrated", found == 0 ? "" : std::to_string(found))
        .hint("let the user who owns the store run any command once, for example hsmbridge request list");
  }
  if (found > 0 && found < kSchemaVersion) {
    database.reset();  // an open connection would keep the file from whoever migrates it
    migrate(file, wait);
    database = std::make_unique<Database>(file, wait, access);
  }
  if (found == 0 && missing == Missing::refuse) {
    throw Error{ErrorKind::not_found, fmt::format("the store {} is empty", file.string())}.hint(
        "if one was there, mount its disk or restore a backup; to begin a new one: hsmbridge store init");
  }
  set_up_connection(*database);
  // A copy of a store (VACUUM INTO) is in another mode until it is used.
  use_write_ahead_log(*database);
  if (found > 0) return database;
  Database::Write write(*database);
  // Several processes may be here at once: one of them makes the tables.
  if (version_in(*database, file) != 0) return database;
  make_tables(*database);
  begin_mark(file);
  write.commit();
  return database;
}

}  // namespace hsmbridge::store
