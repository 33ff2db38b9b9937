#include "audit/leaf.h"
#include "base/error.h"
#include "base/json.h"
#include "store/rows.h"
#include "store/sqlite_store.h"

#include <fmt/core.h>

#include <array>
#include <string_view>
#include <utility>

namespace hsmbridge::store {

using workflow::PinRefusal;
using workflow::PinStanding;
using workflow::PinSubject;

namespace {

constexpr std::array<std::pair<PinStanding, std::string_view>, 4> kStandings{{
    {PinStanding::attempt_open, "open"},
    {PinStanding::unclear, "unclear"},
    {PinStanding::second_open, "second-open"},
    {PinStanding::refused, "refused"},
}};

std::string_view word(PinStanding standing) {
  return kStandings.at(static_cast<std::size_t>(standing)).second;
}

PinStanding standing_from(std::string_view text) {
  for (const auto& [standing, word] : kStandings) {
    if (word == text) return standing;
  }
  throw Error{ErrorKind::corrupt, fmt::format("'{}' is not the standing of a login", text)};
}

Json fact_of(const PinSubject& subject) {
  return Json::object({{"token_serial", subject.token_serial},
                       {"user_type", static_cast<std::int64_t>(subject.user_type)},
                       {"distinction", subject.distinction}});
}

}  // namespace

void put_pin(Database& database, const PinRefusal& refusal) {
  database.run(
      "INSERT OR REPLACE INTO pin_attempts (token_serial, user_type, distinction, at, standing, reason, unclear) "
      "VALUES (?, ?, ?, ?, ?, ?, ?)",
      refusal.subject.token_serial, refusal.subject.user_type, refusal.subject.distinction, refusal.at,
      word(refusal.state.standing), refusal.state.reason, refusal.state.unclear);
}

std::vector<PinRefusal> SqliteStore::pins_of(const PinSubject& subject) {
  Query row = database_->query(
      "SELECT distinction, at, standing, reason, unclear FROM pin_attempts WHERE token_serial = ? AND user_type = ?",
      subject.token_serial, subject.user_type);
  std::vector<PinRefusal> found;
  while (row.row()) {
    PinRefusal refusal{.subject = {subject.token_serial, subject.user_type, row.text(0)},
                       .at = row.instant(1),
                       .state = {standing_from(row.text(2)), row.text(3), static_cast<unsigned>(row.integer(4))}};
    if (workflow::may_be_same(refusal.subject, subject)) found.push_back(std::move(refusal));
  }
  return found;
}

std::optional<PinRefusal> SqliteStore::pin_refused(const PinSubject& subject) {
  std::optional<PinRefusal> worst;
  for (PinRefusal& refusal : pins_of(subject)) worst = workflow::worse(std::move(worst), std::move(refusal));
  return worst;
}

// A login that is under way is written down before the PIN is sent, and most end well a moment later: that is no fact
// for an auditor. Its end is one, when it is a refusal or unclear.
void SqliteStore::record_pin(const PinRefusal& refusal) {
  Database::Write write(*database_);
  put_pin(*database_, refusal);
  const PinStanding standing = refusal.state.standing;
  if (standing == PinStanding::refused || standing == PinStanding::unclear) {
    Json fact = fact_of(refusal.subject);
    fact.set("reason", refusal.state.words());
    append_leaf(audit::fact_leaf("pin-refused", fact, "token:" + refusal.subject.token_serial, refusal.at));
  }
  write.commit();
}

bool SqliteStore::clear_pin(const PinSubject& subject, const std::string& actor, Instant at) {
  // A successful login asks this every time: it must not write when there is nothing to forget.
  if (pins_of(subject).empty()) return false;
  Database::Write write(*database_);
  const std::vector<PinRefusal> forgotten = pins_of(subject);
  for (const PinRefusal& refusal : forgotten) {
    const PinSubject& there = refusal.subject;
    database_->run("DELETE FROM pin_attempts WHERE token_serial = ? AND user_type = ? AND distinction = ?",
                   there.token_serial, there.user_type, there.distinction);
    if (refusal.state.standing == PinStanding::attempt_open) continue;
    append_leaf(audit::fact_leaf("pin-refusal-cleared", fact_of(there), actor, at));
  }
  write.commit();
  return !forgotten.empty();
}

}  // namespace hsmbridge::store
