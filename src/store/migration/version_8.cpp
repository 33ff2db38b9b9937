#include "store/migration/migrate.h"

namespace hsmbridge::store {

void to_version_8(Database& database) {
  database.execute(R"sql(
CREATE TABLE certified_elsewhere (
  issuer    TEXT NOT NULL,
  serial    TEXT NOT NULL,
  subject   TEXT NOT NULL,
  not_after INTEGER NOT NULL,
  PRIMARY KEY (issuer, serial)
) STRICT, WITHOUT ROWID;
CREATE TABLE restorations (
  number INTEGER PRIMARY KEY,
  at     INTEGER NOT NULL,
  why    TEXT NOT NULL
) STRICT;
CREATE TABLE resumptions (
  issuer      TEXT NOT NULL,
  restoration INTEGER NOT NULL,
  at          INTEGER NOT NULL,
  PRIMARY KEY (issuer, restoration)
) STRICT, WITHOUT ROWID;
DROP TRIGGER crls_follow;
CREATE TRIGGER crls_follow BEFORE INSERT ON crls
  WHEN NEW.number <= (SELECT COALESCE(MAX(number), 0) FROM crls WHERE issuer = NEW.issuer) OR
    (NEW.sha256 = '' AND NEW.number <> (SELECT COALESCE(MAX(number), 0) + 1 FROM crls WHERE issuer = NEW.issuer)) BEGIN
  SELECT RAISE(ABORT, 'the numbers of CRLs follow each other, but after one that was published elsewhere'); END;
CREATE TRIGGER certified_elsewhere_never_changes BEFORE UPDATE ON certified_elsewhere BEGIN
  SELECT RAISE(ABORT, 'a certificate is never changed'); END;
CREATE TRIGGER certified_elsewhere_never_goes BEFORE DELETE ON certified_elsewhere BEGIN
  SELECT RAISE(ABORT, 'a certificate is never deleted'); END;
CREATE TRIGGER certified_elsewhere_once BEFORE INSERT ON certified_elsewhere
  WHEN EXISTS (SELECT 1 FROM certified_elsewhere WHERE issuer = NEW.issuer AND serial = NEW.serial) BEGIN
  SELECT RAISE(ABORT, 'a serial number has one certificate'); END;
CREATE TRIGGER restorations_never_go BEFORE DELETE ON restorations BEGIN
  SELECT RAISE(ABORT, 'a restoration is never forgotten'); END;
)sql");
}

}  // namespace hsmbridge::store
