#include "audit/leaf.h"
#include "base/error.h"
#include "base/json.h"
#include "base/log.h"
#include "store/backup.h"
#include "store/mark.h"
#include "store/sqlite_store.h"
#include "store/tree.h"

#include <fmt/core.h>

#include <cstdint>
#include <optional>
#include <string>

namespace hsmbridge::store {

// The mark is read first: it never runs ahead of what a later look at the store finds.
std::optional<std::string> SqliteStore::older_than_its_mark() {
  std::optional<Mark> mark;
  try {
    mark = read_mark(file_);
  } catch (const Error& error) {
    // Only a reader gets here: for it the store's own word (restored) must do.
    if (error.kind() == ErrorKind::denied) return std::nullopt;
    throw;
  }
  const audit::TreeHead head = read_tree(*database_, Head::last);
  if (!mark) {
    if (head.size() == 0) return std::nullopt;
    return fmt::format("there is no {} next to it, so it was copied here", mark_of(file_).filename().string());
  }
  if (mark->size == 0) return std::nullopt;
  if (mark->size > head.size()) {
    return fmt::format("it has {} audit entries, and {} had been written", head.size(), mark->size);
  }
  Query leaf = database_->query("SELECT root FROM leaves WHERE position = ?", mark->size - 1);
  if (leaf.row() && read_hash(leaf, 0) == mark->root) return std::nullopt;
  return fmt::format("its audit entry {} is not the one that had been written", mark->size - 1);
}

void SqliteStore::look_at_mark() {
  try {
    if (!older_than_its_mark()) return;
    Database::Write write(*database_);
    // Another process may have been here meanwhile.
    const auto why = older_than_its_mark();
    if (!why) return;
    const Instant now = clock_.now();
    database_->run("INSERT OR IGNORE INTO restored (only, at, why) VALUES (1, ?, ?)", now, *why);
    append_leaf(audit::fact_leaf("store-restored", Json::object({{"why", *why}}), "hsmbridge", now));
    write.commit();
  } catch (const Error& error) {
    // A log whose end was cut off or changed is no older copy. It takes no entry, so nothing can be done with the store
    // but look at it, which must still be possible.
    if (error.kind() != ErrorKind::corrupt) throw;
    log::error(fmt::format("store {}: {}; {}", file_.string(), error.message(), error.hint()));
  }
}

std::optional<std::string> SqliteStore::restored() {
  Query row = database_->query("SELECT why FROM restored");
  if (row.row()) return row.text(0);
  // A reader cannot write it down, and sees it before the next worker does.
  if (access_ != Access::read_only) return std::nullopt;
  try {
    return older_than_its_mark();
  } catch (const Error& error) {
    // As above: a damaged log is no older copy, and may be looked at.
    if (error.kind() != ErrorKind::corrupt) throw;
    log::error(fmt::format("store {}: {}; {}", file_.string(), error.message(), error.hint()));
    return std::nullopt;
  }
}

bool SqliteStore::accept_restored(const std::string& actor, Instant at) {
  Database::Write write(*database_);
  database_->run("INSERT INTO restorations (at, why) SELECT ?, why FROM restored", at);
  if (database_->run("DELETE FROM restored") == 0) return false;
  append_leaf(audit::fact_leaf("restored-store-accepted", Json::object({}), actor, at));
  write.commit();
  return true;
}

namespace {

struct Restoration {
  std::int64_t number = 0;
  Instant at{};
  std::string why;
};
std::optional<Restoration> last_restoration(Database& database) {
  Query row = database.query("SELECT number, at, why FROM restorations ORDER BY number DESC LIMIT 1");
  if (!row.row()) return std::nullopt;
  return Restoration{row.integer(0), row.instant(1), row.text(2)};
}

bool has_resumed(Database& database, const std::string& issuer, std::int64_t restoration) {
  return database.query("SELECT 1 FROM resumptions WHERE issuer = ? AND restoration = ?", issuer, restoration).row();
}

}  // namespace

std::optional<std::string> SqliteStore::suspended(const std::string& issuer) {
  if (const auto why = restored()) return fmt::format("the store is an older copy of itself ({})", *why);
  const auto last = last_restoration(*database_);
  if (!last || has_resumed(*database_, issuer, last->number)) return std::nullopt;
  return fmt::format(
      "the store was an older copy of itself when it was accepted {} ({}), and nobody has said what the CA did since "
      "the copy was made",
      rfc3339(last->at), last->why);
}

// True where it was suspended.
bool SqliteStore::resume(const std::string& issuer, Instant at) {
  const auto last = last_restoration(*database_);
  if (!last || has_resumed(*database_, issuer, last->number)) return false;
  database_->run("INSERT INTO resumptions (issuer, restoration, at) VALUES (?, ?, ?)", issuer, last->number, at);
  return true;
}

void SqliteStore::back_up(const std::filesystem::path& copy) {
  copy_store(file_, copy);
}

}  // namespace hsmbridge::store
