#include "store/verify.h"

#include "audit/leaf.h"
#include "base/bytes.h"
#include "base/error.h"
#include "base/json.h"
#include "store/schema.h"
#include "store/tree.h"
#include "workflow/machine/codec.h"

#include <fmt/core.h>

#include <algorithm>
#include <cctype>
#include <chrono>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>

namespace hsmbridge::store {
namespace {

constexpr std::size_t kMostFaults = 20;

using Triggers = std::map<std::string, std::string>;  // name -> SQL without white space

Triggers triggers_of(Database& database) {
  Triggers triggers;
  Query row = database.query("SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'");
  while (row.row()) {
    std::string sql = row.text(1);
    std::erase_if(sql, [](unsigned char c) { return std::isspace(c) != 0; });
    triggers[row.text(0)] = std::move(sql);
  }
  return triggers;
}

class Verification {
 public:
  Verification(Database& database, AuditDepth depth) : database_(database), depth_(depth) {}

  AuditReport run() {
    const Database::Read moment(database_);
    try {
      triggers();
      leaves();
      events_without_leaf();
      orders();
      lists();
      states();
      drafts();
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::corrupt) throw;
      fault(error.message());
    }
    return std::move(report_);
  }

 private:
  void fault(std::string text) {
    if (report_.faults.size() < kMostFaults) {
      report_.faults.push_back(std::move(text));
    } else {
      ++report_.faults_left_out;
    }
  }

  void triggers() {
    Database model(":memory:", std::chrono::seconds{1});
    model.execute(tables_sql());
    const Triggers wanted = triggers_of(model);
    const Triggers found = triggers_of(database_);
    for (const auto& [name, sql] : wanted) {
      const auto there = found.find(name);
      if (there == found.end()) {
        fault(fmt::format("the trigger {} is missing: what it protects could be changed without a trace", name));
      } else if (there->second != sql) {
        fault(fmt::format("the trigger {} is not the one that this program made", name));
      }
    }
    for (const auto& [name, sql] : found) {
      if (!wanted.contains(name)) fault(fmt::format("the trigger {} was not made by this program", name));
    }
  }

  // Where to begin: everything before was in order once.
  audit::TreeHead beginning() {
    if (depth_ == AuditDepth::whole) return {};
    audit::TreeHead verified = read_tree(database_, Head::verified);
    if (verified.size() == 0) return verified;
    Query leaf = database_.query("SELECT root FROM leaves WHERE position = ?", verified.size() - 1);
    if (leaf.row() && read_hash(leaf, 0) == verified.root()) return verified;
    fault(fmt::format("the log does not go on from leaf {}, up to which it was in order before", verified.size() - 1));
    return {};
  }

  void leaves() {
    audit::TreeHead head = beginning();
    Query row = database_.query("SELECT position, hash, data, root FROM leaves WHERE position >= ? ORDER BY position",
                                head.size());
    while (row.row()) {
      const std::uint64_t position = row.count(0);
      if (position != head.size()) {
        fault(fmt::format("leaf {} is missing", head.size()));
        return;  // nothing after it can be right
      }
      const Bytes data = row.blob(2);
      const audit::Hash hash = audit::leaf_hash(data);
      if (hash != read_hash(row, 1)) {
        fault(fmt::format("leaf {} was changed: its data does not have its hash", position));
      }
      // Over what the leaf says now: one that was rewritten together with its hash breaks every root after it.
      head.append(hash);
      if (head.root() != read_hash(row, 3) && !std::exchange(broken_, true)) {
        fault(
            fmt::format("the root stored with leaf {} is not the root of the leaves up to it: this leaf or one before "
                        "it was changed",
                        position));
      }
      event_of(position, to_text(data));
      ++report_.checked;
    }
    const audit::TreeHead stored = read_tree(database_, Head::last);
    if (stored.size() != head.size()) {
      fault(fmt::format("the log has {} leaves, and {} were written: its end was cut off or added to", head.size(),
                        stored.size()));
    } else if (stored.root() != head.root() && !broken_) {
      fault("the stored head is not the root of the leaves");
    }
    report_.head = std::move(head);
  }

  // The event that the leaf is about must say the same, octet by octet.
  void event_of(std::uint64_t position, const std::string& data) {
    Json leaf;
    try {
      leaf = Json::parse(data);
    } catch (const Error&) {
      return fault(fmt::format("leaf {} is not JSON", position));
    }
    const Json* request = leaf.find("request");
    const Json* sequence = leaf.find("sequence");
    if (request == nullptr || sequence == nullptr) return;  // a fact outside any request: the leaf is its only record
    if (!request->is_string() || !sequence->is_integer()) {
      return fault(fmt::format("leaf {} names no event: somebody wrote it", position));
    }
    const std::string id = request->as_string();
    const std::int64_t number = sequence->as_integer();
    Query row =
        database_.query("SELECT event, body, actor, at FROM events WHERE request = ? AND sequence = ?", id, number);
    if (!row.row()) {
      fault(fmt::format("leaf {} is about event {} of request {}, which is gone", position, number, id));
    } else if (audit::event_leaf(id, static_cast<std::uint64_t>(number), row.text(0), row.text(1), row.text(2),
                                 row.instant(3)) != data) {
      fault(fmt::format("event {} of request {} is not what leaf {} says: one of them was changed", number, id,
                        position));
    }
    ++events_;
  }

  void events_without_leaf() {
    if (depth_ != AuditDepth::whole) return;
    Query row = database_.query("SELECT count(*) FROM events");
    if (row.row() && row.count(0) != events_) {
      fault(fmt::format("the journal has {} events, and the log has leaves of {}", row.count(0), events_));
    }
  }

  // An order says what may be asked of a provider and what is run where: it is as it was journalled.
  void orders() {
    if (depth_ != AuditDepth::whole) return;
    Query row = database_.query(
        "SELECT r.id FROM requests r LEFT JOIN events e ON e.request = r.id AND e.sequence = 1 "
        "WHERE NOT json_valid(r.order_json) OR e.body IS NULL OR NOT json_valid(e.body) "
        "OR json_extract(e.body, '$.order') IS NOT json(r.order_json) "
        // The columns by which lists find it.
        "OR r.provider IS NOT coalesce(json_extract(r.order_json, '$.provider'), '') "
        "OR r.profile IS NOT coalesce(json_extract(r.order_json, '$.profile'), '') "
        // The columns by which a key's requests are found.
        "OR (json_extract(r.order_json, '$.kind') <> 'revoke' "
        "AND (r.token IS NOT coalesce(json_extract(r.order_json, '$.token'), '') "
        "OR r.cka_id IS NOT coalesce(json_extract(r.order_json, '$.key.cka_id'), '')))");
    while (row.row()) {
      fault(fmt::format("the order of request {} is not the one that its journal begins with", row.text(0)));
      foreign_.insert(row.text(0));
    }
  }

  // What lists show of an order, and find it by, without reading it. One that this program cannot read is compared with
  // its journal alone.
  void lists() {
    if (depth_ != AuditDepth::whole) return;
    std::uint64_t names = 0;
    bool all_read = true;
    Query row = database_.query("SELECT id, order_json, kind, names, created_at FROM requests ORDER BY id");
    while (row.row()) {
      try {
        const workflow::Order order = workflow::order_from(Json::parse(row.text(1)));
        const auto found_by = workflow::search_names(order);
        names += found_by.size();
        const bool found = std::all_of(found_by.begin(), found_by.end(), [&](const std::string& name) {
          return database_
              .query("SELECT 1 FROM request_names WHERE name = ? AND created_at = ? AND request = ?", name,
                     order.created_at, order.id)
              .row();
        });
        if (found && row.text(2) == order.traits().name && row.text(3) == workflow::names_of(order) &&
            row.instant(4) == order.created_at) {
          continue;
        }
      } catch (const Error&) {
        all_read = false;
        continue;
      }
      if (foreign_.contains(row.text(0))) continue;
      fault(fmt::format("lists show request {} with other names, or as another kind, than its order has", row.text(0)));
    }
    Query count = database_.query("SELECT count(*) FROM request_names");
    if (all_read && foreign_.empty() && count.row() && count.count(0) != names) {
      fault(fmt::format("lists find requests by {} names, and their orders have {}", count.count(0), names));
    }
    Query other = database_.query(
        "SELECT c.fingerprint FROM certificates c JOIN requests r ON r.id = c.request "
        "WHERE c.provider IS NOT r.provider ORDER BY c.fingerprint");
    while (other.row()) {
      fault(fmt::format("lists show certificate {} with another provider than its request has", other.text(0)));
    }
  }

  void states() {
    if (depth_ != AuditDepth::whole) return;
    Query row = database_.query(
        "SELECT r.id, r.state, COALESCE(e.after, 'nothing') FROM requests r LEFT JOIN events e ON e.request = r.id AND "
        "e.sequence = (SELECT MAX(sequence) FROM events WHERE request = r.id) "
        "WHERE e.after IS NOT r.state OR e.sequence IS NOT r.sequence "
        "OR CASE WHEN json_valid(r.state_json) THEN json_extract(r.state_json, '$.state') END IS NOT r.state");
    while (row.row()) {
      fault(fmt::format("request {} is {} in the list, and its journal or its state says otherwise ({})", row.text(0),
                        row.text(1), row.text(2)));
    }
  }

  // A draft is what people approved: its octets have their digest, and none that a state names is missing.
  void drafts() {
    if (depth_ != AuditDepth::whole) return;
    Query row = database_.query("SELECT digest, octets FROM drafts ORDER BY digest");
    while (row.row()) {
      if (hex(sha256(row.blob(1))) == row.text(0)) continue;
      fault(fmt::format("draft {} was changed: its octets do not have its digest", row.text(0)));
    }
    Query missing = database_.query(
        "SELECT r.id, j.value FROM requests r, "
        "json_tree(CASE WHEN json_valid(r.state_json) THEN r.state_json ELSE '{}' END) j "
        "WHERE j.key IN ('digest', 'issuer_digest') AND j.value <> '' "
        "AND NOT EXISTS (SELECT 1 FROM drafts d WHERE d.digest = j.value)");
    while (missing.row()) fault(fmt::format("draft {} of request {} is missing", missing.text(1), missing.text(0)));
  }

  Database& database_;
  const AuditDepth depth_;
  AuditReport report_;
  std::uint64_t events_ = 0;
  std::set<std::string> foreign_;  // requests whose order is not the journalled one
  bool broken_ = false;
};

}  // namespace

AuditReport verify_audit(Database& database, AuditDepth depth) {
  return Verification(database, depth).run();
}

}  // namespace hsmbridge::store
