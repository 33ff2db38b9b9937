#include "store/sqlite_store.h"

#include <algorithm>

namespace hsmbridge::store {
namespace {

constexpr Duration kMinute = std::chrono::minutes{1};

// A bucket of `burst` permissions that fills by one every `interval`; `full_at` says when it will be full, which is all
// there is to remember. With interval = minute / (per_minute - burst + 1), no 60 seconds see more than per_minute.
struct Bucket {
  explicit Bucket(unsigned per_minute) {
    const unsigned burst = std::max(1U, per_minute / 4);
    // Rounded up, or a minute could see one more.
    interval = Duration{(kMinute.count() + (per_minute - burst)) / (per_minute - burst + 1)};
    size = interval * burst;
  }
  Duration interval{}, size{};
};

Instant full_at(Database& database, const std::string& provider, Instant now) {
  Query row = database.query("SELECT full_at FROM rates WHERE provider = ?", provider);
  return row.row() ? std::max(row.instant(0), now) : now;
}

void write_down(Database& database, const std::string& provider, Instant full) {
  database.run(
      "INSERT INTO rates (provider, full_at) VALUES (?, ?) "
      "ON CONFLICT (provider) DO UPDATE SET full_at = excluded.full_at",
      provider, full);
}

}  // namespace

std::optional<Instant> SqliteStore::take_permission(const std::string& provider, unsigned per_minute, Instant now) {
  if (per_minute == 0) return std::nullopt;
  const Bucket bucket(per_minute);
  const Instant empty = now + bucket.size;
  // Nothing is overdrawn by more than that. A clock that was set back must not stop a provider until it has caught up:
  // what it left behind is cut once, and written down, or it would be cut again at each question and never be over.
  const Instant latest = empty + kMinute;
  const auto next = [&](Instant full) { return full + bucket.interval - bucket.size; };
  const Instant seen = full_at(*database_, provider, now);
  if (seen <= latest && seen + bucket.interval > empty) return next(seen);
  Database::Write write(*database_);
  const Instant full = full_at(*database_, provider, now);
  if (full > latest) {
    write_down(*database_, provider, empty);
    write.commit();
    return now + bucket.interval;
  }
  if (full + bucket.interval > empty) return next(full);
  write_down(*database_, provider, full + bucket.interval);
  write.commit();
  return std::nullopt;
}

void SqliteStore::settle_permissions(const std::string& provider, unsigned per_minute, int more, Instant now) {
  if (per_minute == 0 || more == 0) return;
  const Bucket bucket(per_minute);
  Database::Write write(*database_);
  const Instant full = full_at(*database_, provider, now) + bucket.interval * more;
  write_down(*database_, provider, std::min(full, now + bucket.size + kMinute));
  write.commit();
}

}  // namespace hsmbridge::store
