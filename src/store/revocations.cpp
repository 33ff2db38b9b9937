#include "base/error.h"
#include "store/sqlite_store.h"

#include <fmt/core.h>

namespace hsmbridge::store {
namespace {

workflow::RevokedSerial revoked_in(const Query& row) {
  return {row.text(0), row.text(1), static_cast<unsigned>(row.count(2)), row.instant(3), row.instant(4),
          row.text(5), row.text(6)};
}

workflow::PublishedCrl published_in(const Query& row) {
  return {row.count(0), row.instant(1), row.instant(2), row.text(3), row.text(4)};
}

}  // namespace

bool SqliteStore::revoke(const workflow::RevokedSerial& revoked) {
  Database::Write write(*database_);
  const bool is_new = put(revoked);
  if (is_new) write.commit();
  return is_new;
}

bool SqliteStore::put(const workflow::RevokedSerial& revoked) {
  if (revocation(revoked.issuer, revoked.serial)) return false;
  database_->run(
      "INSERT INTO revocations (issuer, serial, reason, revoked_at, not_after, request, distribution_point) "
      "VALUES (?, ?, ?, ?, ?, ?, ?)",
      revoked.issuer, revoked.serial, static_cast<std::int64_t>(revoked.reason), revoked.revoked_at, revoked.not_after,
      revoked.request, revoked.distribution_point);
  return true;
}

std::optional<workflow::RevokedSerial> SqliteStore::revocation(const std::string& issuer, const std::string& serial) {
  Query row = database_->query(
      "SELECT issuer, serial, reason, revoked_at, not_after, request, distribution_point FROM revocations "
      "WHERE issuer = ? AND serial = ?",
      issuer, serial);
  return row.row() ? std::optional(revoked_in(row)) : std::nullopt;
}

std::vector<workflow::RevokedSerial> SqliteStore::revocations(const std::string& issuer,
                                                              const std::string& distribution_point,
                                                              Instant ends_after) {
  if (distribution_point.empty()) {
    return database_
        ->query(
            "SELECT issuer, serial, reason, revoked_at, not_after, request, distribution_point FROM revocations "
            "WHERE issuer = ? AND not_after >= ? ORDER BY serial",
            issuer, ends_after)
        .all(revoked_in);
  }
  return database_
      ->query(
          "SELECT issuer, serial, reason, revoked_at, not_after, request, distribution_point FROM revocations "
          "WHERE issuer = ? AND distribution_point IN (?, ?) AND not_after >= ? ORDER BY serial",
          issuer, distribution_point, workflow::kEveryShard, ends_after)
      .all(revoked_in);
}

std::size_t SqliteStore::count_revocations(const std::string& issuer, const std::string& distribution_point,
                                           Instant ends_after) {
  Query row =
      distribution_point.empty()
          ? database_->query("SELECT count(*) FROM revocations WHERE issuer = ? AND not_after >= ?", issuer, ends_after)
          : database_->query(
                "SELECT count(*) FROM revocations WHERE issuer = ? AND distribution_point IN (?, ?) AND "
                "not_after >= ?",
                issuer, distribution_point, workflow::kEveryShard, ends_after);
  return row.row() ? static_cast<std::size_t>(row.count(0)) : 0;
}

std::vector<std::string> SqliteStore::distribution_points(const std::string& issuer, Instant ends_after) {
  return database_
      ->query(
          "SELECT url FROM distribution_points WHERE issuer = ?1 AND until >= ?2 UNION "
          "SELECT distribution_point FROM revocations WHERE issuer = ?1 AND not_after >= ?2 AND "
          "distribution_point <> ?3 ORDER BY 1",
          issuer, ends_after, workflow::kEveryShard)
      .texts();
}

std::optional<std::uint64_t> SqliteStore::take_crl_number(const std::string& issuer, std::uint64_t published,
                                                          Instant at) {
  Database::Write write(*database_);
  std::uint64_t number = 1;
  {
    Query last = database_->query("SELECT COALESCE(MAX(number), 0) FROM crls WHERE issuer = ?", issuer);
    if (last.row()) number = last.count(0) + 1;
  }
  if (number <= published) return std::nullopt;
  database_->run("INSERT INTO crls (issuer, number, taken_at) VALUES (?, ?, ?)", issuer,
                 static_cast<std::int64_t>(number), at);
  write.commit();
  return number;
}

bool SqliteStore::is_crl_number_taken(const std::string& issuer, std::uint64_t number) {
  return database_
      ->query("SELECT 1 FROM crls WHERE issuer = ? AND number = ? AND sha256 <> ?", issuer,
              static_cast<std::int64_t>(number), workflow::kLostCrl)
      .row();
}

void SqliteStore::crl_published(const std::string& issuer, const workflow::PublishedCrl& crl) {
  Database::Write write(*database_);
  const auto number = static_cast<std::int64_t>(crl.number);
  if (!database_->query("SELECT 1 FROM crls WHERE issuer = ? AND number = ? AND sha256 = ''", issuer, number).row()) {
    throw Error{ErrorKind::conflict, fmt::format("CRL number {} was published before, or was never taken", crl.number)};
  }
  database_->run(
      "UPDATE crls SET this_update = ?, next_update = ?, sha256 = ?, distribution_point = ? "
      "WHERE issuer = ? AND number = ?",
      crl.this_update, crl.next_update, crl.sha256, crl.distribution_point, issuer, number);
  write.commit();
}

std::optional<workflow::PublishedCrl> SqliteStore::last_crl(const std::string& issuer,
                                                            const std::string& distribution_point) {
  Query row = database_->query(
      "SELECT number, this_update, next_update, sha256, distribution_point FROM crls "
      "WHERE issuer = ? AND distribution_point = ? AND sha256 <> '' ORDER BY number DESC LIMIT 1",
      issuer, distribution_point);
  return row.row() ? std::optional(published_in(row)) : std::nullopt;
}

std::optional<workflow::PublishedCrl> SqliteStore::published_crl(const std::string& issuer, std::uint64_t number) {
  Query row = database_->query(
      "SELECT number, this_update, next_update, sha256, distribution_point FROM crls "
      "WHERE issuer = ? AND number = ? AND sha256 <> ''",
      issuer, static_cast<std::int64_t>(number));
  return row.row() ? std::optional(published_in(row)) : std::nullopt;
}

void SqliteStore::crl_put(const std::string& issuer, const std::string& url, std::uint64_t number) {
  Database::Write write(*database_);
  database_->run(
      "INSERT INTO crls_put (issuer, url, number) VALUES (?, ?, ?) ON CONFLICT (issuer, url) DO UPDATE "
      "SET number = excluded.number WHERE excluded.number > crls_put.number",
      issuer, url, static_cast<std::int64_t>(number));
  write.commit();
}

std::uint64_t SqliteStore::number_put(const std::string& issuer, const std::string& url) {
  Query row = database_->query("SELECT number FROM crls_put WHERE issuer = ? AND url = ?", issuer, url);
  return row.row() ? row.count(0) : 0;
}

}  // namespace hsmbridge::store
