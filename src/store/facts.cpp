#include "audit/leaf.h"
#include "base/error.h"
#include "base/json.h"
#include "store/mark.h"
#include "store/rows.h"
#include "store/sqlite_store.h"
#include "store/tree.h"
#include "workflow/machine/codec.h"

#include <fmt/core.h>

#include <algorithm>

namespace hsmbridge::store {
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

void SqliteStore::append_leaf(std::string_view data) {
  audit::TreeHead head = read_tree(*database_, Head::last);
  const audit::Hash hash = audit::leaf_hash(as_bytes(data));
  // What was cut off the end must not be covered up by what comes after it.
  {
    Query last = database_->query("SELECT position, root FROM leaves ORDER BY position DESC LIMIT 1");
    const bool any = last.row();
    if (any ? last.count(0) + 1 != head.size() || read_hash(last, 1) != head.root() : head.size() != 0) {
      throw Error{ErrorKind::corrupt, "the audit log does not end as it was written: somebody changed the store"}
          .with("fault", "store")  // no commit goes through, whatever its request
          .hint("keep a copy of the store, and see `hsmbridge audit verify`; then restore a backup");
    }
  }
  head.append(hash);
  database_->query("INSERT INTO leaves (position, hash, data, root) VALUES (?, ?, ?, ?)")
      .bind(static_cast<std::int64_t>(head.size() - 1))
      .bind(ByteView(hash))
      .bind(as_bytes(data))
      .bind(ByteView(head.root()))
      .run();
  write_tree(*database_, Head::last, head);
  database_->after_commit([file = file_, mark = Mark{head.size(), head.root()}] { write_mark(file, mark); });
}

void SqliteStore::append_audit(const std::string& kind, const std::string& json, const std::string& actor, Instant at) {
  const std::string leaf = audit::fact_leaf(kind, Json::parse(json), actor, at);
  Database::Write write(*database_);
  append_leaf(leaf);
  write.commit();
}

void SqliteStore::record_key(const workflow::KeyRecord& key, const std::string& kind, const std::string& json,
                             const std::string& actor, Instant at) {
  const std::string leaf = audit::fact_leaf(kind, Json::parse(json), actor, at);
  Database::Write write(*database_);
  put(key);
  append_leaf(leaf);
  write.commit();
}

void SqliteStore::keep_late_answer(const workflow::LateAnswer& answer, const std::optional<workflow::KeyRecord>& key) {
  const Json body = to_json(answer.event.body);
  const std::string text = body.dump();
  Database::Write write(*database_);
  // A commit that only seemed to fail is repeated by whoever holds the answer.
  if (database_->query("SELECT 1 FROM late_answers WHERE request = ? AND at = ? AND body = ?")
          .bind(answer.request.str())
          .bind(answer.event.at)
          .bind(text)
          .row()) {
    return;
  }
  database_->query("INSERT INTO late_answers (request, at, actor, body, why) VALUES (?, ?, ?, ?, ?)")
      .bind(answer.request.str())
      .bind(answer.event.at)
      .bind(answer.event.actor)
      .bind(text)
      .bind(answer.why)
      .run();
  append_leaf(audit::fact_leaf("late-answer",
                               Json::object({{"request", answer.request.str()}, {"answer", body}, {"why", answer.why}}),
                               answer.event.actor, answer.event.at));
  if (key) put(*key);
  write.commit();
}

std::vector<workflow::LateAnswer> SqliteStore::late_answers(const RequestId& id) {
  Query row = database_->query("SELECT at, actor, body, why FROM late_answers WHERE request = ? ORDER BY position");
  row.bind(id.str());
  std::vector<workflow::LateAnswer> answers;
  while (row.row()) {
    answers.push_back(in_row("late answer", [&] {
      return workflow::LateAnswer{
          id, workflow::Event{row.instant(0), row.text(1), workflow::event_body_from(Json::parse(row.text(2)))},
          row.text(3)};
    }));
  }
  return answers;
}

audit::TreeHead SqliteStore::tree_head() {
  return read_tree(*database_, Head::last);
}

AuditReport SqliteStore::verify_audit(Depth depth) {
  AuditReport report = store::verify_audit(*database_, depth);
  if (depth == Depth::news && report.faults.empty() && report.checked > 0) {
    Database::Write write(*database_);
    write_tree(*database_, Head::verified, report.head);
    write.commit();
  }
  return report;
}

std::vector<Leaf> SqliteStore::leaves(std::uint64_t from, std::uint64_t most) {
  Query row = database_->query("SELECT position, hash, data FROM leaves WHERE position >= ? ORDER BY position LIMIT ?");
  row.bind(static_cast<std::int64_t>(from)).bind(static_cast<std::int64_t>(most));
  std::vector<Leaf> leaves;
  while (row.row()) leaves.push_back({row.count(0), read_hash(row, 1), to_text(row.blob(2))});
  return leaves;
}

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
    Query row = database_->query("SELECT full_at FROM rates WHERE provider = ?");
    row.bind(provider);
    return row.row() ? std::max(row.instant(0), now) : now;
  };
  const auto write_down = [&](Instant full) {
    database_
        ->query(
            "INSERT INTO rates (provider, full_at) VALUES (?, ?) "
            "ON CONFLICT (provider) DO UPDATE SET full_at = excluded.full_at")
        .bind(provider)
        .bind(full)
        .run();
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
