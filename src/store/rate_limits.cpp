#include "store/sqlite_store.h"

#include <algorithm>

namespace hsmbridge::store {

// A bucket of `burst` permissions that fills by one every `interval`; `full_at` says when it will be full, which is all
// there is to remember. With interval = minute / (per_minute - burst + 1), no 60 seconds see more than per_minute.
std::optional<Instant> SqliteStore::take_permission(const std::string& provider, unsigned per_minute, Instant now) {
  if (per_minute == 0) return std::nullopt;
  constexpr Duration kMinute = std::chrono::minutes{1};
  const unsigned burst = std::max(1U, per_minute / 4);
  // Rounded up, or a minute could see one more.
  const Duration interval{(kMinute.count() + (per_minute - burst)) / (per_minute - burst + 1)};
  const Duration bucket = interval * burst;

  const auto full_at = [&] {
    Query row = database_->query("SELECT full_at FROM rates WHERE provider = ?", provider);
    return row.row() ? std::max(row.instant(0), now) : now;
  };
  const auto write_down = [&](Instant full) {
    database_->run(
        "INSERT INTO rates (provider, full_at) VALUES (?, ?) "
        "ON CONFLICT (provider) DO UPDATE SET full_at = excluded.full_at",
        provider, full);
  };
  // None is used up for longer than that. A clock that was set back must not stop a provider until it has caught up:
  // what it left behind is cut once, and written down, or it would be cut again at each question and never be over.
  const Instant latest = now + bucket;
  if (const Instant full = full_at(); full <= latest && full + interval > latest) return full + interval - bucket;
  Database::Write write(*database_);
  const Instant full = full_at();
  if (full > latest) {
    write_down(latest);
    write.commit();
    return now + interval;
  }
  if (full + interval > latest) return full + interval - bucket;
  write_down(full + interval);
  write.commit();
  return std::nullopt;
}

}  // namespace hsmbridge::store
