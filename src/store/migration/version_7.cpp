#include "store/migration/migrate.h"

namespace hsmbridge::store {

void to_version_7(Database& database) {
  database.execute(R"sql(
CREATE TABLE serial_numbers (
  issuer   TEXT NOT NULL,
  serial   TEXT NOT NULL,
  request  TEXT NOT NULL,
  taken_at INTEGER NOT NULL,
  PRIMARY KEY (issuer, serial)
) STRICT, WITHOUT ROWID;
CREATE TABLE revocations (
  issuer     TEXT NOT NULL,
  serial     TEXT NOT NULL,
  reason     INTEGER NOT NULL,
  revoked_at INTEGER NOT NULL,
  not_after  INTEGER NOT NULL,
  request    TEXT NOT NULL,
  PRIMARY KEY (issuer, serial)
) STRICT, WITHOUT ROWID;
CREATE TABLE crls (
  issuer      TEXT NOT NULL,
  number      INTEGER NOT NULL,
  taken_at    INTEGER NOT NULL,
  this_update INTEGER NOT NULL DEFAULT 0,
  next_update INTEGER NOT NULL DEFAULT 0,
  sha256      TEXT NOT NULL DEFAULT '',
  PRIMARY KEY (issuer, number)
) STRICT, WITHOUT ROWID;
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
  WHEN NEW.number <> (SELECT COALESCE(MAX(number), 0) + 1 FROM crls WHERE issuer = NEW.issuer) BEGIN
  SELECT RAISE(ABORT, 'the numbers of CRLs follow each other'); END;
CREATE TRIGGER crls_published_once BEFORE UPDATE ON crls
  WHEN OLD.sha256 <> '' OR NEW.issuer <> OLD.issuer OR NEW.number <> OLD.number OR NEW.taken_at <> OLD.taken_at BEGIN
  SELECT RAISE(ABORT, 'a CRL that is published is never changed'); END;
CREATE TRIGGER crls_never_go BEFORE DELETE ON crls BEGIN
  SELECT RAISE(ABORT, 'the number of a CRL is never given again'); END;
)sql");
}

}  // namespace hsmbridge::store
