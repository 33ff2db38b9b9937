#include "base/json.h"
#include "base/log.h"
#include "store/rows.h"
#include "store/sqlite_store.h"

#include <fmt/core.h>

#include <algorithm>
#include <utility>
#include <vector>

namespace hsmbridge::store {

using workflow::Effect;

namespace {

// A lease holds while it has an owner, counts from this boot (?3), and has not run out on its clock (?4).
constexpr const char* kClaimLane =
    "SELECT e.id, e.name, e.due, e.attempt, e.target, e.runs, "
    "r.order_json, r.state_json, r.sequence, r.changed_at, r.id "
    "FROM effects e JOIN requests r ON r.id = e.request "
    "WHERE e.lane = ?1 AND e.due <= ?2 AND (e.owner IS NULL OR e.lease_boot <> ?3 OR e.lease_until <= ?4) "
    "AND (?5 = '[]' OR e.request IN (SELECT value FROM json_each(?5))) ORDER BY e.due, e.id LIMIT ?6";
constexpr const char* kAnythingDue =
    "SELECT 1 FROM effects "
    "WHERE lane = ?1 AND due <= ?2 AND (owner IS NULL OR lease_boot <> ?3 OR lease_until <= ?4) "
    "AND (?5 = '[]' OR request IN (SELECT value FROM json_each(?5))) LIMIT 1";

Effect read_effect(const Query& row, int first) {
  return in_row("effect", [&] {
    const auto name = workflow::effect_name_from(row.text(first));
    if (!name) throw Error{ErrorKind::corrupt, fmt::format("'{}' is no effect", row.text(first))};
    return Effect{*name, row.instant(first + 1), static_cast<unsigned>(row.integer(first + 2)), row.text(first + 3)};
  });
}

// The requests that the query is about as a JSON array, for json_each; empty for all.
std::string only_of(const workflow::ClaimQuery& query) {
  Json ids = Json::array();
  for (const RequestId& id : query.only) ids.push(id.str());
  return ids.dump();
}

}  // namespace

bool SqliteStore::holds_lease(std::int64_t effect_id, const RequestId& request, const std::string& worker) {
  return database_
      ->query("SELECT 1 FROM effects WHERE id = ? AND request = ? AND owner = ? AND lease_boot = ? AND lease_until > ?")
      .bind(effect_id)
      .bind(request.str())
      .bind(worker)
      .bind(boot_id_)
      .bind(clock_.since_boot())
      .row();
}

void SqliteStore::add_effect(const RequestId& request, const Effect& effect, const workflow::Order& order) {
  database_
      ->query("INSERT INTO effects (request, identity, name, attempt, target, lane, due) VALUES (?, ?, ?, ?, ?, ?, ?)")
      .bind(request.str())
      .bind(effect.identity())
      .bind(to_string(effect.name))
      .bind(std::int64_t{effect.attempt})
      .bind(effect.target)
      .bind(workflow::lane_of(effect, order))
      .bind(effect.due)
      .run();
}

void SqliteStore::replace_effects(const workflow::Step& step, const workflow::Order& order) {
  std::vector<std::int64_t> dropped;
  std::vector<std::string> kept;
  {
    Query row = database_->query(
        "SELECT id, identity, owner IS NOT NULL AND lease_boot = ? AND lease_until > ? FROM effects WHERE request = ?");
    row.bind(boot_id_).bind(clock_.since_boot()).bind(step.request.str());
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
  for (const std::int64_t id : dropped) database_->query("DELETE FROM effects WHERE id = ?").bind(id).run();
  for (const Effect& effect : step.decision.effects) {
    if (std::find(kept.begin(), kept.end(), effect.identity()) == kept.end()) add_effect(step.request, effect, order);
  }
}

// What must not happen before an amount of time has passed is leased for so long on CLOCK_BOOTTIME: a wall clock set
// forward must not declare a call lost that is still being made, nor make two absences of one moment.
void SqliteStore::lease_until_due(const workflow::Step& step) {
  const auto lease = [&](const Effect& effect, const std::string& owner, Duration time) {
    database_->query("UPDATE effects SET owner = ?, lease_until = ?, lease_boot = ? WHERE request = ? AND identity = ?")
        .bind(owner)
        .bind(clock_.since_boot() + time)
        .bind(boot_id_)
        .bind(step.request.str())
        .bind(effect.identity())
        .run();
  };
  if (const auto* started = std::get_if<workflow::AttemptStarted>(&step.event.body)) {
    lease({workflow::EffectName::answer_overdue, {}, started->attempt, {}}, started->worker,
          started->answer_by - step.event.at);
  }
  const bool begins_to_wait = std::holds_alternative<workflow::AnswerLost>(step.event.body) ||
                              std::holds_alternative<workflow::AbsentAtProvider>(step.event.body);
  if (!begins_to_wait) return;
  for (const Effect& effect : step.decision.effects) {
    if (effect.name == workflow::EffectName::look_up && effect.due > step.event.at) {
      lease(effect, "the settle time", effect.due - step.event.at);
    }
  }
}

bool SqliteStore::anything_due(const workflow::ClaimQuery& query, Instant now) {
  return std::any_of(query.lanes.begin(), query.lanes.end(), [&](const auto& lane) {
    return lane.second > 0 && database_->query(kAnythingDue)
                                  .bind(lane.first)
                                  .bind(now)
                                  .bind(boot_id_)
                                  .bind(clock_.since_boot())
                                  .bind(only_of(query))
                                  .row();
  });
}

void SqliteStore::claim_lane(const std::string& lane, unsigned places, const workflow::ClaimQuery& query, Instant now,
                             std::vector<workflow::Claim>& claims) {
  const std::size_t first = claims.size();
  const Duration boot_now = clock_.since_boot();
  const Duration lease_until = boot_now + query.lease_in(lane);
  std::vector<std::int64_t> unreadable;
  {
    Query row = database_->query(kClaimLane);
    row.bind(lane).bind(now).bind(boot_id_).bind(boot_now);
    row.bind(only_of(query)).bind(std::int64_t{places});
    while (row.row()) {
      try {
        workflow::Claim claim;
        claim.effect_id = row.integer(0);
        claim.effect = read_effect(row, 1);
        claim.runs = static_cast<unsigned>(row.integer(5));
        claim.record = read_record(row, 6);
        claim.lease_until = lease_until;
        claims.push_back(std::move(claim));
      } catch (const Error& error) {
        if (error.kind() != ErrorKind::corrupt) throw;
        // One damaged request must not keep all others from being worked on. Leased all the same: it is looked at
        // again when that ends, and not in every round.
        log::error(fmt::format("request {} is left alone: {}", row.text(10), error.message()));
        unreadable.push_back(row.integer(0));
      }
    }
  }
  const auto lease = [&](std::int64_t id) {
    database_->query("UPDATE effects SET owner = ?, lease_until = ?, lease_boot = ?, runs = runs + 1 WHERE id = ?")
        .bind(query.worker)
        .bind(lease_until)
        .bind(boot_id_)
        .bind(id)
        .run();
  };
  for (std::size_t i = first; i < claims.size(); ++i) lease(claims[i].effect_id);
  for (const std::int64_t id : unreadable) lease(id);
}

std::vector<workflow::Claim> SqliteStore::claim(const workflow::ClaimQuery& query, Instant now) {
  std::vector<workflow::Claim> claims;
  if (query.give_back.empty() && !anything_due(query, now)) return claims;
  Database::Write write(*database_);
  for (const workflow::GiveBack& back : query.give_back) {
    Query update = database_->query(
        "UPDATE effects SET owner = NULL, lease_until = NULL, lease_boot = NULL, due = ?1, "
        "trouble = COALESCE(?2, trouble), "
        "runs = CASE WHEN ?2 = '' THEN 0 WHEN ?2 IS NULL OR ?5 THEN MAX(runs - 1, 0) ELSE runs END "
        "WHERE id = ?3 AND owner = ?4");
    update.bind(back.due);
    back.trouble ? update.bind(*back.trouble) : update.bind_null();
    update.bind(back.effect_id).bind(query.worker);
    update.bind(std::int64_t{back.counts == workflow::GiveBack::Counts::no}).run();
  }
  for (const auto& [lane, places] : query.lanes) {
    if (places > 0) claim_lane(lane, places, query, now, claims);
  }
  write.commit();
  return claims;
}

std::optional<Instant> SqliteStore::next_due(const workflow::ClaimQuery& query) {
  const std::string only = only_of(query);
  const Duration boot_now = clock_.since_boot();
  std::optional<Instant> next;
  const auto take = [&next](Instant due) { next = next ? std::min(*next, due) : due; };
  for (const auto& [lane, places] : query.lanes) {
    if (places == 0) continue;
    Query free = database_->query(
        "SELECT due FROM effects WHERE lane = ?1 AND owner IS NULL "
        "AND (?2 = '[]' OR request IN (SELECT value FROM json_each(?2))) ORDER BY due LIMIT 1");
    free.bind(lane).bind(only);
    if (free.row()) take(free.instant(0));
    Query leased = database_->query(
        "SELECT due, lease_boot, lease_until FROM effects "
        "WHERE lane = ?1 AND owner IS NOT NULL AND (?2 = '[]' OR request IN (SELECT value FROM json_each(?2)))");
    leased.bind(lane).bind(only);
    while (leased.row()) {
      const Duration left = leased.text(1) == boot_id_ ? Duration{leased.integer(2)} - boot_now : Duration{0};
      take(left > Duration{0} ? std::max(leased.instant(0), clock_.now() + left) : leased.instant(0));
    }
  }
  return next;
}

std::vector<Effect> SqliteStore::effects(const RequestId& id) {
  std::vector<Effect> effects;
  for (workflow::EffectStatus& status : effect_status(id)) effects.push_back(std::move(status.effect));
  return effects;
}

std::vector<workflow::EffectStatus> SqliteStore::effect_status(const RequestId& id) {
  Query row = database_->query(
      "SELECT name, due, attempt, target, owner IS NOT NULL AND lease_boot = ? AND lease_until > ?, runs, trouble "
      "FROM effects WHERE request = ? ORDER BY due, id");
  row.bind(boot_id_).bind(clock_.since_boot()).bind(id.str());
  std::vector<workflow::EffectStatus> effects;
  while (row.row()) {
    effects.push_back({read_effect(row, 0), row.integer(4) != 0, static_cast<unsigned>(row.integer(5)), row.text(6)});
  }
  return effects;
}

}  // namespace hsmbridge::store
