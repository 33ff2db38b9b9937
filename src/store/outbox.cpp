#include "base/json.h"
#include "base/log.h"
#include "store/rows.h"
#include "store/sqlite_store.h"
#include "workflow/machine/explain.h"

#include <fmt/core.h>

#include <algorithm>
#include <set>
#include <tuple>
#include <utility>
#include <vector>

namespace hsmbridge::store {

using workflow::Effect;

namespace {

// A restored store submits nothing, and installs nothing: a newer certificate may be there by now
// (SqliteStore::restored).
#define HSMBRIDGE_NOT_HELD "AND (name NOT IN ('submit', 'install') OR NOT EXISTS (SELECT 1 FROM restored)) "

// How long an effect was to wait when its due time was decided. Stores of version 3 did not say when that was, and the
// first programs of version 4 left set_at 0 when they migrated one: it was at the last event of the request or before.
#define HSMBRIDGE_WAIT                             \
  "MAX(0, due - CASE WHEN set_at > 0 THEN set_at " \
  "ELSE (SELECT r.changed_at FROM requests r WHERE r.id = effects.request) END)"

// A lease holds while it has an owner, counts from this boot (?3), and has not run out on its clock (?4).
constexpr const char* kClaimLane =
    "SELECT e.id, e.name, e.due, e.attempt, e.target, e.runs, e.crashes, "
    "r.order_json, r.state_json, r.sequence, r.changed_at, r.id "
    "FROM effects e JOIN requests r ON r.id = e.request "
    "WHERE e.lane = ?1 AND e.due <= ?2 AND (e.owner IS NULL OR e.lease_boot <> ?3 OR e.lease_until <= "
    "?4) " HSMBRIDGE_NOT_HELD
    "AND (?5 = '[]' OR e.request IN (SELECT value FROM json_each(?5))) ORDER BY e.due, e.id LIMIT ?6";
constexpr const char* kAnythingDue =
    "SELECT 1 FROM effects "
    "WHERE lane = ?1 AND due <= ?2 AND (owner IS NULL OR lease_boot <> ?3 OR lease_until <= ?4) " HSMBRIDGE_NOT_HELD
    "AND (?5 = '[]' OR request IN (SELECT value FROM json_each(?5))) LIMIT 1";

// Owners of leases that are no workers: nothing runs.
constexpr const char* kSettleTime = "the settle time";
constexpr const char* kUnreadable = "unreadable";
// A lease that ends without a word was a run that nobody heard of again. What did that three times in a row may be what
// makes the worker die: it is left alone for a growing time, ten seconds to an hour, so that the others get on.
constexpr const char* kEndRun =
    "UPDATE effects SET owner = NULL, lease_until = NULL, lease_boot = NULL, crashes = crashes + 1, set_at = ?2, "
    "due = CASE WHEN crashes < 2 THEN due ELSE MAX(due, ?2 + MIN(3600000, 10000 << MIN(crashes - 2, 20))) END "
    "WHERE id = ?1";

Effect read_effect(const Query& row, int first) {
  return in_row("effect", [&] {
    const auto name = workflow::effect_name_from(row.text(first));
    if (!name) throw Error{ErrorKind::corrupt, fmt::format("'{}' is not a known effect", row.text(first))};
    return Effect{*name, row.instant(first + 1), static_cast<unsigned>(row.integer(first + 2)), row.text(first + 3)};
  });
}

// The requests that the query is about as a JSON array, for json_each; empty for all.
std::string only_of(const workflow::ClaimQuery& query) {
  return Json::list(query.only, &RequestId::str).dump();
}

}  // namespace

bool SqliteStore::holds_lease(std::int64_t effect_id, const RequestId& request, const std::string& worker) {
  return database_
      ->query("SELECT 1 FROM effects WHERE id = ? AND request = ? AND owner = ? AND lease_boot = ? AND lease_until > ?",
              effect_id, request, worker, boot_id_, lease_clock_.now())
      .row();
}

void SqliteStore::add_effect(const RequestId& request, const Effect& effect, const workflow::Order& order) {
  database_->run(
      "INSERT INTO effects (request, identity, name, attempt, target, lane, due, set_at) "
      "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
      request, effect.identity(), to_string(effect.name), effect.attempt, effect.target,
      workflow::lane_of(effect, order), effect.due, clock_.now());
}

void SqliteStore::replace_effects(const workflow::Step& step, const workflow::Order& order) {
  std::vector<std::int64_t> dropped;
  std::vector<std::string> kept;
  {
    Query row = database_->query(
        "SELECT id, identity, owner IS NOT NULL AND lease_boot = ? AND lease_until > ? FROM effects WHERE request = ?",
        boot_id_, lease_clock_.now(), step.request);
    while (row.row()) {
      const std::int64_t id = row.integer(0);
      std::string identity = row.text(1);
      const bool leased = row.integer(2) != 0;
      const bool wanted = std::any_of(step.decision.effects.begin(), step.decision.effects.end(),
                                      [&](const Effect& effect) { return effect.identity() == identity; });
      // An install that waits for its next try keeps its time: the failures of one target must not put off another.
      if ((leased || identity.starts_with("install:")) && wanted && step.finished_effect != id) {
        kept.push_back(std::move(identity));
      } else {
        dropped.push_back(id);
      }
    }
  }
  for (const std::int64_t id : dropped) database_->run("DELETE FROM effects WHERE id = ?", id);
  for (const Effect& effect : step.decision.effects) {
    if (std::find(kept.begin(), kept.end(), effect.identity()) == kept.end()) add_effect(step.request, effect, order);
  }
}

// What must not happen before an amount of time has passed is leased for so long on CLOCK_BOOTTIME: a wall clock set
// forward must not declare a call lost that is still being made, nor make two absences of one moment.
void SqliteStore::lease_until_due(const workflow::Step& step) {
  const auto lease = [&](const Effect& effect, const std::string& owner, Duration time) {
    // set_at: what `due` was decided by, so that the wait can be told from the two.
    database_->run(
        "UPDATE effects SET owner = ?, lease_until = ?, lease_boot = ?, set_at = ? WHERE request = ? AND identity = ?",
        owner, lease_clock_.now() + time, boot_id_, step.event.at, step.request, effect.identity());
  };
  if (const auto* started = std::get_if<workflow::AttemptStarted>(&step.event.body)) {
    lease({workflow::EffectName::answer_overdue, {}, started->attempt, {}}, started->worker,
          started->answer_by - step.event.at);
  }
  const workflow::StatusReport* report = workflow::report_of(step.event.body);
  const bool gone = report != nullptr && report->status == workflow::RequestStatus::gone;
  const bool begins_to_wait = gone || std::holds_alternative<workflow::AnswerLost>(step.event.body) ||
                              std::holds_alternative<workflow::AbsentAtProvider>(step.event.body);
  if (!begins_to_wait) return;
  for (const Effect& effect : step.decision.effects) {
    const auto again = gone ? workflow::EffectName::poll : workflow::EffectName::look_up;
    if (effect.name == again && effect.due > step.event.at) {
      lease(effect, kSettleTime, effect.due - step.event.at);
    }
  }
}

bool SqliteStore::anything_due(const workflow::ClaimQuery& query, Instant now) {
  return std::any_of(query.lanes.begin(), query.lanes.end(), [&](const auto& lane) {
    return lane.second > 0 &&
           database_->query(kAnythingDue, lane.first, now, boot_id_, lease_clock_.now(), only_of(query)).row();
  });
}

void SqliteStore::note_death(const std::string& lane) {
  database_->run(
      "INSERT INTO lanes (lane, deaths, died_at) VALUES (?, 1, ?) "
      "ON CONFLICT (lane) DO UPDATE SET deaths = deaths + 1, died_at = excluded.died_at",
      lane, clock_.now());
}

// The runs of a worker that is no more, counted, and its lanes. An attempt that it had begun left a timer behind.
void SqliteStore::end_runs_of(const std::string& worker) {
  std::vector<std::int64_t> runs;
  std::set<std::string> lanes;
  {
    // The timer of an attempt was set before it is due; one that was claimed to ring was set again when it was.
    Query row = database_->query("SELECT id, name, lane, set_at < due FROM effects WHERE owner = ?", worker);
    while (row.row()) {
      const bool begun = row.text(1) == to_string(workflow::EffectName::answer_overdue) && row.integer(3) != 0;
      const std::string lane = row.text(2);
      if (!begun) runs.push_back(row.integer(0));
      if (begun) lanes.insert("provider:" + lane.substr(lane.find(':') + 1));
      if (lane.starts_with("token:") || lane.starts_with("provider:")) lanes.insert(lane);
    }
  }
  for (const std::int64_t id : runs) database_->run(kEndRun, id, clock_.now());
  for (const std::string& lane : lanes) note_death(lane);
  database_->run("UPDATE effects SET owner = NULL, lease_until = NULL, lease_boot = NULL WHERE owner = ?", worker);
}

std::size_t SqliteStore::end_leases(const std::function<bool(const std::string& worker)>& gone) {
  std::vector<std::string> dead =
      database_->query("SELECT DISTINCT owner FROM effects WHERE owner IS NOT NULL AND lease_boot = ?", boot_id_)
          .texts();
  std::erase_if(dead, std::not_fn(gone));
  if (dead.empty()) return 0;
  Database::Write write(*database_);
  for (const std::string& worker : dead) end_runs_of(worker);
  write.commit();
  return dead.size();
}

// The same where only the lease tells: a worker of another machine or another boot, or one that hangs.
void SqliteStore::end_overdue_runs(const std::string& lane, const std::string& worker, Instant now) {
  if (!lane.starts_with("token:") && !lane.starts_with("provider:") && lane != "local") return;
  const std::vector<std::int64_t> runs =
      database_
          ->query(
              "SELECT id FROM effects WHERE lane = ? AND owner IS NOT NULL AND (lease_boot <> ? OR lease_until <= ?) "
              "AND owner NOT IN (?, ?, ?)",
              lane, boot_id_, lease_clock_.now(), worker, kSettleTime, kUnreadable)
          .integers();
  for (const std::int64_t id : runs) database_->run(kEndRun, id, now);
  if (!runs.empty() && lane != "local") note_death(lane);
}

// A lease that only makes time pass is void after a boot, and how much of it had passed is not known: all of it again.
// None lasts longer than what it is for: the first programs of version 4 made some of many years.
void SqliteStore::settle_anew(const std::string& lane) {
  database_->run("UPDATE effects SET lease_until = ?1 + " HSMBRIDGE_WAIT
                 ", lease_boot = ?2 "
                 "WHERE lane = ?3 AND owner = ?4 AND (lease_boot <> ?2 OR lease_until > ?1 + " HSMBRIDGE_WAIT ")",
                 lease_clock_.now(), boot_id_, lane, kSettleTime);
}

void SqliteStore::claim_lane(const std::string& lane, unsigned places, const workflow::ClaimQuery& query, Instant now,
                             std::vector<workflow::Claim>& claims) {
  end_overdue_runs(lane, query.worker, now);
  settle_anew(lane);
  const std::size_t first = claims.size();
  // Begun before the rows are read: no worker may believe in a lease longer than the store does.
  const workflow::Deadline until{lease_clock_, query.lease_in(lane)};
  const Duration boot_now = lease_clock_.now();
  const Duration lease_until = boot_now + query.lease_in(lane);
  std::vector<std::int64_t> unreadable;
  {
    Query row = database_->query(kClaimLane, lane, now, boot_id_, boot_now, only_of(query), places);
    while (row.row()) {
      try {
        workflow::Claim claim;
        claim.effect_id = row.integer(0);
        claim.effect = read_effect(row, 1);
        claim.failures = static_cast<unsigned>(row.integer(5));
        claim.crashes = static_cast<unsigned>(row.integer(6));
        claim.record = read_record(row, 7, *database_);
        claim.lease = until;
        claims.push_back(std::move(claim));
      } catch (...) {
        const Error error = current_error();
        // Memory that this one takes is its own trouble.
        if (error.kind() != ErrorKind::corrupt && error.kind() != ErrorKind::internal) throw;
        // One damaged request must not keep all others from being worked on. Leased all the same: it is looked at
        // again when that ends, and not in every round.
        log::error(fmt::format("request {} is left alone: {}", row.text(11), error.message()));
        unreadable.push_back(row.integer(0));
      }
    }
  }
  const auto lease = [&](std::int64_t id, const std::string& owner) {
    database_->run("UPDATE effects SET owner = ?, lease_until = ?, lease_boot = ? WHERE id = ?", owner, lease_until,
                   boot_id_, id);
  };
  for (std::size_t i = first; i < claims.size(); ++i) {
    const workflow::Claim& claim = claims[i];
    lease(claim.effect_id, query.worker);
    if (workflow::is_timer(claim.effect.name)) {
      database_->run("UPDATE effects SET set_at = ? WHERE id = ?", now, claim.effect_id);
    }
  }
  for (const std::int64_t id : unreadable) lease(id, kUnreadable);
}

std::vector<workflow::Claim> SqliteStore::claim(const workflow::ClaimQuery& query, Instant now) {
  std::vector<workflow::Claim> claims;
  if (query.give_back.empty() && !anything_due(query, now)) return claims;
  Database::Write write(*database_);
  for (const workflow::GiveBack& back : query.give_back) {
    database_->run(
        "UPDATE effects SET owner = NULL, lease_until = NULL, lease_boot = NULL, due = COALESCE(?1, due), "
        "set_at = CASE WHEN ?1 IS NULL THEN set_at ELSE ?6 END, "
        "trouble = COALESCE(?2, trouble), crashes = CASE WHEN ?2 = '' THEN 0 ELSE crashes END, "
        "runs = CASE WHEN ?2 = '' THEN 0 WHEN ?2 IS NULL OR ?5 THEN runs ELSE runs + 1 END "
        "WHERE id = ?3 AND owner = ?4",
        back.due == Instant{} ? std::nullopt : std::optional(back.due), back.trouble, back.effect_id, query.worker,
        back.counts == workflow::GiveBack::Counts::no, now);
  }
  for (const auto& [lane, places] : query.lanes) {
    if (places > 0) claim_lane(lane, places, query, now, claims);
  }
  write.commit();
  return claims;
}

std::size_t SqliteStore::spread_polls(const std::string& lane, Instant began,
                                      const std::function<Duration(const RequestId& request, Duration late)>& place,
                                      std::size_t most) {
  // Looked for first without a write: most engines that begin find none.
  const auto late = [&](std::size_t limit) {
    return database_
        ->query(
            "SELECT id, request, due FROM effects WHERE lane = ?1 AND due < ?2 AND name = 'poll' "
            "AND (owner IS NULL OR lease_boot <> ?3 OR lease_until <= ?4) ORDER BY due, id LIMIT ?5",
            lane, began, boot_id_, lease_clock_.now(), limit)
        .all([](const Query& row) { return std::tuple(row.integer(0), RequestId{row.text(1)}, row.instant(2)); });
  };
  if (late(1).empty()) return 0;
  Database::Write write(*database_);
  const auto polls = late(most);
  for (const auto& [id, request, due] : polls) {
    database_->run("UPDATE effects SET due = ?, set_at = ? WHERE id = ?", began + place(request, began - due),
                   clock_.now(), id);
  }
  write.commit();
  return polls.size();
}

std::optional<Instant> SqliteStore::next_due(const workflow::ClaimQuery& query) {
  const Database::Read moment(*database_);
  const std::string only = only_of(query);
  const Duration boot_now = lease_clock_.now();
  std::optional<Instant> next;
  const auto take = [&next](Instant due) { next = next ? std::min(*next, due) : due; };
  for (const auto& [lane, places] : query.lanes) {
    if (places == 0) continue;
    Query free =
        database_->query("SELECT due FROM effects WHERE lane = ?1 AND owner IS NULL " HSMBRIDGE_NOT_HELD
                         "AND (?2 = '[]' OR request IN (SELECT value FROM json_each(?2))) ORDER BY due LIMIT 1",
                         lane, only);
    if (free.row()) take(free.instant(0));
    Query leased = database_->query(
        "SELECT due, lease_boot, lease_until FROM effects "
        "WHERE lane = ?1 AND owner IS NOT NULL " HSMBRIDGE_NOT_HELD
        "AND (?2 = '[]' OR request IN (SELECT value FROM json_each(?2)))",
        lane, only);
    while (leased.row()) {
      const Duration left = leased.text(1) == boot_id_ ? Duration{leased.integer(2)} - boot_now : Duration{0};
      take(left > Duration{0} ? std::max(leased.instant(0), clock_.now() + left) : leased.instant(0));
    }
  }
  return next;
}

// A look is one read of a shared page. Being told of every write to the -wal would cost more, and come too early: what
// is in it counts only once its index says so.
bool SqliteStore::wait_for_change(workflow::Wakeup& wakeup, Duration longest) {
  constexpr Duration kLook = std::chrono::milliseconds{500};
  for (;;) {
    const std::int64_t version = [this] {
      Query row = database_->query("PRAGMA data_version");
      return row.row() ? row.integer(0) : 0;
    }();
    if (std::exchange(seen_version_, version) != version) return true;
    if (longest <= Duration::zero() || wakeup.wait(std::min(longest, kLook))) return false;
    longest -= kLook;
  }
}

std::map<std::string, workflow::LaneFacts> SqliteStore::lanes() {
  std::map<std::string, workflow::LaneFacts> lanes;
  Query row = database_->query("SELECT lane, deaths, died_at, came_back FROM lanes");
  while (row.row()) lanes[row.text(0)] = {static_cast<unsigned>(row.integer(1)), row.instant(2), row.count(3)};
  return lanes;
}

void SqliteStore::lane_works(const std::string& lane) {
  Database::Write write(*database_);
  database_->run(
      "INSERT INTO lanes (lane, came_back) VALUES (?, 1) "
      "ON CONFLICT (lane) DO UPDATE SET deaths = 0, came_back = came_back + 1",
      lane);
  write.commit();
}

Duration SqliteStore::follow_clock(Instant now) {
  // A lane whose only lease lasts too long has nothing due, and no claim would look at it.
  const std::vector<std::string> lanes =
      database_
          ->query(
              "SELECT DISTINCT lane FROM effects "
              "WHERE owner = ?3 AND (lease_boot <> ?2 OR lease_until > ?1 + " HSMBRIDGE_WAIT ")",
              lease_clock_.now(), boot_id_, kSettleTime)
          .texts();
  if (!lanes.empty()) {
    Database::Write write(*database_);
    for (const std::string& lane : lanes) settle_anew(lane);
    write.commit();
  }
  // Clocks of one machine agree; what is set back by less is noticed by nobody.
  constexpr Duration kTolerance = std::chrono::seconds{1};
  const auto ahead = [&] {
    Query row = database_->query(
        "SELECT MAX(set_at) FROM effects WHERE name NOT IN ('deadline', 'draft_age', 'approvals_due')");
    return row.row() && !row.null(0) ? row.instant(0) - now : Duration::zero();
  };
  const Duration most = ahead();
  if (most <= kTolerance) return Duration::zero();
  Database::Write write(*database_);
  database_->run(
      "UPDATE effects SET due = due - (set_at - ?1), set_at = ?1 "
      "WHERE set_at > ?2 AND name NOT IN ('deadline', 'draft_age', 'approvals_due')",
      now, now + kTolerance);
  write.commit();
  return most;
}

std::vector<Effect> SqliteStore::effects(const RequestId& id) {
  std::vector<Effect> effects;
  for (workflow::EffectStatus& status : effect_status(id)) effects.push_back(std::move(status.effect));
  return effects;
}

std::vector<workflow::EffectStatus> SqliteStore::effect_status(const RequestId& id) {
  // The last column: how much of its settle time is left, which may end after its due time.
  Query row = database_->query(
      "SELECT name, due, attempt, target, "
      "owner IS NOT NULL AND owner NOT IN (?3, ?4) AND lease_boot = ?1 AND lease_until > ?2, runs, crashes, trouble, "
      "CASE WHEN owner IS NOT ?3 THEN 0 WHEN lease_boot <> ?1 THEN " HSMBRIDGE_WAIT
      " ELSE MIN(lease_until - ?2, " HSMBRIDGE_WAIT
      ") END "
      "FROM effects WHERE request = ?5 ORDER BY due, id",
      boot_id_, lease_clock_.now(), kSettleTime, kUnreadable, id);
  const std::optional<std::string> older = restored();
  const Instant now = clock_.now();
  std::vector<workflow::EffectStatus> effects;
  while (row.row()) {
    effects.push_back({read_effect(row, 0), row.integer(4) != 0, static_cast<unsigned>(row.integer(5)),
                       static_cast<unsigned>(row.integer(6)), row.text(7)});
    Effect& effect = effects.back().effect;
    if (const Duration left{row.integer(8)}; left > Duration::zero()) effect.due = std::max(effect.due, now + left);
    const bool submits = effect.name == workflow::EffectName::submit;
    if (!older || (!submits && effect.name != workflow::EffectName::install)) continue;
    effects.back().trouble = fmt::format(
        "{}the store is an older copy ({}); look whether {}, then `hsmbridge store accept-restored` lets it go",
        workflow::kHeldBack, *older,
        submits ? "the provider has this request" : "a newer certificate is in that place");
  }
  std::stable_sort(effects.begin(), effects.end(),
                   [](const auto& one, const auto& other) { return one.effect.due < other.effect.due; });
  return effects;
}

}  // namespace hsmbridge::store
