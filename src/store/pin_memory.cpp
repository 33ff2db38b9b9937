#include "audit/leaf.h"
#include "base/json.h"
#include "store/sqlite_store.h"

namespace hsmbridge::store {

using workflow::PinRefusal;

namespace {

Json refusal_fact(const std::string& token_serial, unsigned long user_type, const std::string& source_hash) {
  return Json::object({{"token_serial", token_serial},
                       {"user_type", static_cast<std::int64_t>(user_type)},
                       {"source_sha256", source_hash}});
}

// A login that is under way is written down before the PIN is sent (pkcs11/login/pin.h says how), and most end well a
// moment later: that is no fact for an auditor. Its end is one, when it is a refusal or unclear.
bool attempt_open(const std::string& reason) {
  return reason == "open" || reason.starts_with("open after ");
}

PinRefusal read_refusal(const Query& row) {
  return {row.text(0), static_cast<unsigned long>(row.integer(1)), row.text(2), row.instant(3), row.text(4)};
}

}  // namespace

void SqliteStore::record_pin_refusal(const PinRefusal& refusal) {
  Json fact = refusal_fact(refusal.token_serial, refusal.user_type, refusal.source_hash);
  fact.set("reason", refusal.reason);
  Database::Write write(*database_);
  database_
      ->query(
          "INSERT INTO pin_refusals (token_serial, user_type, source_hash, at, reason) VALUES (?, ?, ?, ?, ?) "
          "ON CONFLICT (token_serial, user_type, source_hash) DO UPDATE SET at = excluded.at, reason = excluded.reason")
      .bind(refusal.token_serial)
      .bind(static_cast<std::int64_t>(refusal.user_type))
      .bind(refusal.source_hash)
      .bind(refusal.at)
      .bind(refusal.reason)
      .run();
  if (!attempt_open(refusal.reason)) {
    append_leaf(audit::fact_leaf("pin-refused", fact, "token:" + refusal.token_serial, refusal.at));
  }
  write.commit();
}

std::optional<PinRefusal> SqliteStore::pin_refusal(const std::string& token_serial, unsigned long user_type,
                                                   const std::string& source_hash) {
  Query row = database_->query(
      "SELECT token_serial, user_type, source_hash, at, reason FROM pin_refusals "
      "WHERE token_serial = ? AND user_type = ? AND source_hash = ?");
  row.bind(token_serial).bind(static_cast<std::int64_t>(user_type)).bind(source_hash);
  if (!row.row()) return std::nullopt;
  return read_refusal(row);
}

bool SqliteStore::clear_pin_refusal(const std::string& token_serial, unsigned long user_type,
                                    const std::string& source_hash, const std::string& actor, Instant at) {
  // A successful login asks this every time: it must not write when there is nothing to forget.
  const std::optional<PinRefusal> before = pin_refusal(token_serial, user_type, source_hash);
  if (!before) return false;
  Database::Write write(*database_);
  const int changed =
      database_->query("DELETE FROM pin_refusals WHERE token_serial = ? AND user_type = ? AND source_hash = ?")
          .bind(token_serial)
          .bind(static_cast<std::int64_t>(user_type))
          .bind(source_hash)
          .run();
  if (changed == 0) return false;
  if (before->reason != "open") {
    append_leaf(audit::fact_leaf("pin-refusal-cleared", refusal_fact(token_serial, user_type, source_hash), actor, at));
  }
  write.commit();
  return true;
}

std::vector<PinRefusal> SqliteStore::pin_refusals() {
  Query row = database_->query(
      "SELECT token_serial, user_type, source_hash, at, reason FROM pin_refusals "
      "ORDER BY token_serial, user_type, source_hash");
  std::vector<PinRefusal> refusals;
  while (row.row()) refusals.push_back(read_refusal(row));
  return refusals;
}

}  // namespace hsmbridge::store
