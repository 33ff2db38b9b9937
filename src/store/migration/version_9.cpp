#include "store/migration/migrate.h"

namespace hsmbridge::store {

// No certificate of an older store names a shard: there were none.
void to_version_9(Database& database) {
  database.execute(R"sql(
ALTER TABLE revocations ADD COLUMN distribution_point TEXT NOT NULL DEFAULT '';
CREATE INDEX revocations_by_point ON revocations(issuer, distribution_point, not_after);
ALTER TABLE crls ADD COLUMN distribution_point TEXT NOT NULL DEFAULT '';
CREATE INDEX crls_by_point ON crls(issuer, distribution_point, number) WHERE sha256 <> '';
ALTER TABLE certified_elsewhere ADD COLUMN spki TEXT NOT NULL DEFAULT '';
CREATE TABLE distribution_points (
  issuer TEXT NOT NULL,
  url    TEXT NOT NULL,
  until  INTEGER NOT NULL,
  PRIMARY KEY (issuer, url)
) STRICT, WITHOUT ROWID;
CREATE TRIGGER distribution_points_last BEFORE UPDATE ON distribution_points
  WHEN NEW.until < OLD.until OR NEW.issuer <> OLD.issuer OR NEW.url <> OLD.url BEGIN
  SELECT RAISE(ABORT, 'a shard is published as long as certificates name it'); END;
CREATE TRIGGER distribution_points_once BEFORE INSERT ON distribution_points
  WHEN EXISTS (SELECT 1 FROM distribution_points WHERE issuer = NEW.issuer AND url = NEW.url) BEGIN
  SELECT RAISE(ABORT, 'a shard is written down once'); END;
CREATE TRIGGER distribution_points_never_go BEFORE DELETE ON distribution_points BEGIN
  SELECT RAISE(ABORT, 'a shard is published as long as certificates name it'); END;
)sql");
}

}  // namespace hsmbridge::store
