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
CREATE TRIGGER serial_numbers_never_change BEFORE UPDATE ON serial_numbers BEGIN
  SELECT RAISE(ABORT, 'a serial number is never changed'); END;
CREATE TRIGGER serial_numbers_never_go BEFORE DELETE ON serial_numbers BEGIN
  SELECT RAISE(ABORT, 'a serial number is never given again'); END;
CREATE TRIGGER serial_numbers_once BEFORE INSERT ON serial_numbers
  WHEN EXISTS (SELECT 1 FROM serial_numbers WHERE issuer = NEW.issuer AND serial = NEW.serial) BEGIN
  SELECT RAISE(ABORT, 'a serial number is taken once'); END;
)sql");
}

}  // namespace hsmbridge::store
