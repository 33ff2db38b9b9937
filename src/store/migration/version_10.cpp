#include "store/migration/migrate.h"

namespace hsmbridge::store {

// Of what came from elsewhere before nobody wrote down whether it was a CA's, and no CRL was put anywhere.
void to_version_10(Database& database) {
  database.execute(R"sql(
ALTER TABLE certified_elsewhere ADD COLUMN holder TEXT NOT NULL DEFAULT '';
DROP TRIGGER certified_elsewhere_never_changes;
CREATE TRIGGER certified_elsewhere_never_changes BEFORE UPDATE ON certified_elsewhere
  WHEN NEW.issuer <> OLD.issuer OR NEW.serial <> OLD.serial OR NEW.subject <> OLD.subject OR
    NEW.not_after <> OLD.not_after OR (OLD.spki <> '' AND NEW.spki <> OLD.spki) OR
    (OLD.holder <> '' AND NEW.holder <> OLD.holder) BEGIN
  SELECT RAISE(ABORT, 'a certificate is never changed'); END;
CREATE TABLE crls_put (
  issuer TEXT NOT NULL,
  url    TEXT NOT NULL,
  number INTEGER NOT NULL,
  PRIMARY KEY (issuer, url)
) STRICT, WITHOUT ROWID;
)sql");
}

}  // namespace hsmbridge::store
