#include "audit/leaf.h"
#include "base/error.h"
#include "base/json.h"
#include "base/log.h"
#include "store/rows.h"
#include "store/sqlite_store.h"
#include "workflow/machine/lifecycle.h"

#include <fmt/core.h>

#include <algorithm>
#include <limits>
#include <utility>

namespace hsmbridge::store {

using workflow::CertificateQuery;
using workflow::CertificateRecord;
using workflow::KeyQuery;
using workflow::KeyRecord;
using workflow::StatusChange;

namespace {

constexpr std::string_view kColumns =
    "fingerprint, der, chain, request, spki, subject, issuer, serial, not_before, not_after, status, stored_at, "
    "reference, provider_state, predecessor, installed";

enum class Lookup { one, by_end, by_prefix, by_request, by_key, ending, any };

// The text of a look-up, the same one every time. by_end is the sweep's question: one status of one profile, answered
// by the index certificates_by_end.
const char* sql_of(Lookup lookup) {
  static const auto kSql = [] {
    std::vector<std::string> all;
    for (const std::string_view condition :
         {"fingerprint = ?1",
          "status = ?1 AND profile = ?2 AND not_after <= ?3 "
          "AND (?4 = 0 OR (not_after - ?5) * 100 <= ?4 * (not_after - not_before)) "
          "AND (?6 = 0 OR NOT EXISTS (SELECT 1 FROM requests r WHERE r.predecessor = fingerprint "
          "AND r.predecessor <> '' AND r.final = 0)) "
          "ORDER BY not_after, fingerprint LIMIT ?7",
          "fingerprint >= ?1 AND fingerprint < ?1 || 'g' ORDER BY fingerprint LIMIT ?2",
          "request = ?1 ORDER BY stored_at DESC, fingerprint LIMIT ?2",
          "spki = ?1 ORDER BY stored_at DESC, fingerprint LIMIT ?2",
          "not_after <= ?1 ORDER BY stored_at DESC, fingerprint LIMIT ?2",
          "1 ORDER BY stored_at DESC, fingerprint LIMIT ?1"}) {
      all.push_back(fmt::format("SELECT {} FROM certificates WHERE {}", kColumns, condition));
    }
    return all;
  }();
  return kSql[static_cast<std::size_t>(lookup)].c_str();
}

// Conditions that are not in the text are looked at afterwards (matches).
Lookup lookup_of(const CertificateQuery& query) {
  if (query.profile && query.statuses.size() == 1) return Lookup::by_end;
  if (!query.prefix.empty()) return Lookup::by_prefix;
  if (query.request) return Lookup::by_request;
  if (query.spki) return Lookup::by_key;
  return query.ends_by ? Lookup::ending : Lookup::any;
}

std::vector<std::string> read_texts(const std::string& json) {
  std::vector<std::string> texts;
  const Json array = Json::parse(json);
  for (const Json& text : array.as_array()) texts.push_back(text.as_string());
  return texts;
}

CertificateRecord read_certificate(const Query& row) {
  return in_row("certificate", [&] {
    CertificateRecord record;
    record.fingerprint = row.text(0);
    record.der = row.blob(1);
    for (const std::string& certificate : read_texts(row.text(2))) record.chain.push_back(from_base64(certificate));
    record.request = RequestId{row.text(3)};
    record.spki = SpkiHash{row.text(4)};
    record.subject = row.text(5);
    record.issuer = row.text(6);
    record.serial = row.text(7);
    record.not_before = row.instant(8);
    record.not_after = row.instant(9);
    record.status = row.text(10);
    record.stored_at = row.instant(11);
    record.reference = ProviderReference{row.text(12)};
    record.provider_state = row.text(13);
    record.predecessor = row.text(14);
    record.installed = read_texts(row.text(15));
    return record;
  });
}

std::vector<CertificateRecord> read_certificates(Query& row) {
  std::vector<CertificateRecord> records;
  while (row.row()) {
    try {
      records.push_back(read_certificate(row));
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::corrupt) throw;
      // One damaged certificate must not keep all others from being renewed.
      log::error(fmt::format("certificate {} is left out: {}", row.text(0), error.message()));
    }
  }
  return records;
}

// Keys that their token gave no CKA_ID are told apart by their public keys.
constexpr std::string_view kBySpki = "spki:";

std::string stored_id(const KeyRecord& key) {
  return key.cka_id.empty() && !key.spki.empty() ? std::string(kBySpki) + key.spki.str() : key.cka_id;
}
std::string read_id(const std::string& stored) {
  return stored.starts_with(kBySpki) ? std::string{} : stored;
}

KeyRecord read_key(const Query& row) {
  return {row.text(0),           row.text(1), read_id(row.text(2)), row.text(3),
          SpkiHash{row.text(4)}, row.text(5), row.instant(6)};
}

// What no index answers.
bool matches(const CertificateRecord& record, const CertificateQuery& query) {
  if (!query.statuses.empty() &&
      std::find(query.statuses.begin(), query.statuses.end(), record.status) == query.statuses.end()) {
    return false;
  }
  if (query.request && record.request != *query.request) return false;
  if (query.spki && record.spki != *query.spki) return false;
  if (!record.fingerprint.starts_with(query.prefix)) return false;
  return !query.ends_by || record.not_after <= *query.ends_by;
}

bool applies(const StatusChange& change, const std::string& status) {
  if (status == change.to) return false;
  return change.from.empty() || std::find(change.from.begin(), change.from.end(), status) != change.from.end();
}

// A file holds one certificate, and so does the place beside a key, unless older ones are to stay there: what was there
// is there no more. What a hook did with one is not known.
enum class Holds { one, one_of_a_key, many };
Holds holds(const workflow::InstallTarget& target) {
  if (target.name.starts_with("file:")) return Holds::one;
  return target.name == "token" && target.detail != "keep" ? Holds::one_of_a_key : Holds::many;
}

}  // namespace

// The same certificate may be verified again (after a crash, or handed in by a person): the newest word counts.
void SqliteStore::put(const CertificateRecord& certificate, const std::string& profile) {
  Json::Array chain;
  for (const Bytes& der : certificate.chain) chain.emplace_back(base64(der));
  database_
      ->query(
          "INSERT INTO certificates (fingerprint, der, chain, request, spki, subject, issuer, serial, not_before, "
          "not_after, status, stored_at, reference, provider_state, predecessor, profile) "
          "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) "
          // What was revoked or has ended since is not current because it was judged once more.
          "ON CONFLICT (fingerprint) DO UPDATE SET chain = excluded.chain, "
          "status = CASE WHEN certificates.status IN ('revoking', 'revoked', 'held', 'expired') "
          "THEN certificates.status ELSE excluded.status END, "
          "reference = excluded.reference, provider_state = excluded.provider_state")
      .bind(certificate.fingerprint)
      .bind(ByteView(certificate.der))
      .bind(Json(std::move(chain)).dump())
      .bind(certificate.request.str())
      .bind(certificate.spki.str())
      .bind(certificate.subject)
      .bind(certificate.issuer)
      .bind(certificate.serial)
      .bind(certificate.not_before)
      .bind(certificate.not_after)
      .bind(certificate.status)
      .bind(certificate.stored_at)
      .bind(certificate.reference.str())
      .bind(certificate.provider_state)
      .bind(certificate.predecessor)
      .bind(profile)
      .run();
  for (const Bytes& der : certificate.chain) put_issuer(*database_, der);
}

void put_issuer(Database& database, ByteView der) {
  database.query("INSERT OR IGNORE INTO issuers (fingerprint) VALUES (?)").bind(hex(sha256(der))).run();
}

bool SqliteStore::is_issuer(const std::string& fingerprint) {
  return database_->query("SELECT 1 FROM issuers WHERE fingerprint = ?").bind(fingerprint).row();
}

// Only what is newly known changes a record: a key that is used again keeps the kind that it was made with, its first
// public key stays the pinned one, a plan never undoes a birth, and what is retired, destroyed or compromised is not
// revived by being found in a token.
void SqliteStore::put(const KeyRecord& key) {
  database_
      ->query(
          "INSERT INTO keys (token, cka_id, label, spec, spki, status, changed_at) VALUES (?, ?, ?, ?, ?, ?, ?) "
          "ON CONFLICT (token, cka_id) DO UPDATE SET "
          "label = CASE WHEN excluded.label = '' THEN keys.label ELSE excluded.label END, "
          "spec = CASE WHEN excluded.spec = '' THEN keys.spec ELSE excluded.spec END, "
          "spki = CASE WHEN keys.spki = '' THEN excluded.spki ELSE keys.spki END, "
          "status = CASE WHEN excluded.status LIKE 'planned%' "
          "OR keys.status IN ('retired', 'destroyed', 'compromised') AND excluded.status = 'active' "
          "THEN keys.status ELSE excluded.status END, "
          "changed_at = CASE WHEN excluded.status LIKE 'planned%' OR excluded.status = keys.status "
          "THEN keys.changed_at ELSE excluded.changed_at END")
      .bind(key.token)
      .bind(stored_id(key))
      .bind(key.label)
      .bind(key.spec)
      .bind(key.spki.str())
      .bind(key.status)
      .bind(key.changed_at)
      .run();
}

std::optional<CertificateRecord> SqliteStore::certificate(const std::string& fingerprint) {
  Query row = database_->query(sql_of(Lookup::one));
  row.bind(fingerprint);
  if (!row.row()) return std::nullopt;
  return read_certificate(row);
}

std::vector<CertificateRecord> SqliteStore::certificates(const CertificateQuery& query) {
  const std::int64_t end =
      query.ends_by ? query.ends_by->time_since_epoch().count() : std::numeric_limits<std::int64_t>::max();
  const Lookup lookup = lookup_of(query);
  if (lookup != Lookup::by_end && (query.profile || query.life_left || query.without_request)) {
    throw Error{ErrorKind::internal, "certificates of a profile are asked for by one status"};
  }
  Query row = database_->query(sql_of(lookup));
  if (lookup == Lookup::by_end) {
    const auto left = query.life_left.value_or(CertificateQuery::LifeLeft{});
    row.bind(query.statuses.front()).bind(*query.profile).bind(end).bind(std::int64_t{left.percent}).bind(left.now);
    row.bind(std::int64_t{query.without_request});
  } else if (lookup == Lookup::by_prefix) {
    row.bind(query.prefix);
  } else if (lookup == Lookup::by_request) {
    row.bind(query.request->str());
  } else if (lookup == Lookup::by_key) {
    row.bind(query.spki->str());
  } else if (lookup == Lookup::ending) {
    row.bind(end);
  }
  row.bind(std::int64_t{query.most});
  std::vector<CertificateRecord> records = read_certificates(row);
  std::erase_if(records, [&query](const CertificateRecord& record) { return !matches(record, query); });
  return records;
}

std::vector<std::string> SqliteStore::past_their_end(Instant now) {
  Query row = database_->query(
      "SELECT fingerprint FROM certificates WHERE status IN ('current', 'superseded', 'late') AND not_after < ? "
      "ORDER BY fingerprint");
  row.bind(now);
  std::vector<std::string> fingerprints;
  while (row.row()) fingerprints.push_back(row.text(0));
  return fingerprints;
}

std::vector<CertificateRecord> SqliteStore::not_past_their_end(Instant now) {
  static const std::string kSql =
      fmt::format("SELECT {} FROM certificates WHERE status = 'expired' AND not_after >= ?", kColumns);
  Query row = database_->query(kSql.c_str());
  row.bind(now);
  return read_certificates(row);
}

bool SqliteStore::replaced_at(const std::string& fingerprint, const std::string& target) {
  // A renewal of a renewal may have been put there first. Whatever a damaged store says, this ends.
  constexpr int kMostSteps = 100;
  Query row = database_->query(
      "WITH RECURSIVE later(fingerprint, installed, step) AS ("
      "SELECT fingerprint, installed, 1 FROM certificates WHERE predecessor = ?1 AND predecessor <> '' "
      "UNION SELECT c.fingerprint, c.installed, l.step + 1 FROM certificates c JOIN later l "
      "ON c.predecessor = l.fingerprint AND c.predecessor <> '' WHERE l.step < ?3) "
      "SELECT 1 FROM later, json_each(later.installed) WHERE json_each.value = ?2 LIMIT 1");
  row.bind(fingerprint).bind(target).bind(std::int64_t{kMostSteps});
  return row.row();
}

std::vector<KeyRecord> SqliteStore::keys(const KeyQuery& query) {
  constexpr const char* kWithSpki =
      "SELECT token, label, cka_id, spec, spki, status, changed_at FROM keys WHERE spki = ?1 "
      "AND (?2 = '' OR token = ?2) AND (?3 = '' OR label = ?3) ORDER BY token, label, cka_id";
  constexpr const char* kWithLabel =
      "SELECT token, label, cka_id, spec, spki, status, changed_at FROM keys WHERE token = ?1 AND label = ?2 "
      "ORDER BY cka_id";
  constexpr const char* kAll =
      "SELECT token, label, cka_id, spec, spki, status, changed_at FROM keys WHERE (?1 = '' OR token = ?1) "
      "AND (?2 = '' OR label = ?2) ORDER BY token, label, cka_id";
  constexpr const char* kWithId =
      "SELECT token, label, cka_id, spec, spki, status, changed_at FROM keys WHERE cka_id = ?1 "
      "AND token = ?2 AND (?3 = '' OR label = ?3)";
  if (query.cka_id && (!query.token || query.spki)) throw Error{ErrorKind::internal, "an id belongs to a token"};
  std::vector<KeyRecord> records;
  if (!query.statuses.empty()) {
    if (query.cka_id || query.spki || query.token || query.label) {
      throw Error{ErrorKind::internal, "keys are not asked for by status and another condition"};
    }
    for (const std::string& status : query.statuses) {
      Query row = database_->query(
          "SELECT token, label, cka_id, spec, spki, status, changed_at FROM keys WHERE status = ? "
          "ORDER BY token, label, cka_id");
      row.bind(status);
      while (row.row()) records.push_back(read_key(row));
    }
    return records;
  }
  const bool by_label = query.token && query.label;
  Query row = database_->query(query.cka_id ? kWithId : query.spki ? kWithSpki : by_label ? kWithLabel : kAll);
  if (query.cka_id) row.bind(*query.cka_id);
  if (query.spki) row.bind(query.spki->str());
  row.bind(query.token.value_or("")).bind(query.label.value_or(""));
  while (row.row()) records.push_back(read_key(row));
  return records;
}

bool SqliteStore::has_certificate(const SpkiHash& spki) {
  Query row = database_->query("SELECT 1 FROM certificates WHERE spki = ? LIMIT 1");
  row.bind(spki.str());
  return row.row();
}

std::vector<KeyRecord> SqliteStore::replaced_keys(const std::string& profile, Instant replaced_by) {
  Query row = database_->query(
      "SELECT DISTINCT k.token, k.label, k.cka_id, k.spec, k.spki, k.status, k.changed_at "
      "FROM certificates p JOIN certificates s ON s.predecessor = p.fingerprint AND s.predecessor <> '' "
      "JOIN requests r ON r.id = s.request JOIN keys k ON k.spki = p.spki "
      "WHERE p.status IN ('superseded', 'revoked', 'expired') AND p.profile = ?1 AND s.spki <> p.spki "
      "AND s.status <> 'late' AND s.status <> 'quarantined' "
      "AND r.state = 'Completed' AND r.changed_at <= ?2 AND k.status = 'active' "
      // An open request is for that key, or may be: it is to use one in that token and has not looked yet which.
      "AND NOT EXISTS (SELECT 1 FROM requests o WHERE o.final = 0 AND o.spki = k.spki) "
      "AND NOT EXISTS (SELECT 1 FROM requests o WHERE o.final = 0 AND o.spki = '' AND o.token = k.token "
      "AND o.state = 'Preparing' AND json_extract(o.order_json, '$.kind') <> 'revoke' "
      "AND json_extract(o.order_json, '$.key.source') = 'use') "
      "AND NOT EXISTS (SELECT 1 FROM certificates c WHERE c.spki = p.spki "
      "AND c.status IN ('current', 'revoking', 'held', 'late'))");
  row.bind(profile).bind(replaced_by);
  std::vector<KeyRecord> records;
  while (row.row()) records.push_back(read_key(row));
  return records;
}

// ---- what becomes of them -------------------------------------------------------------------------------------------

// What an order is about may have changed between the look that led to it and this transaction: a certificate that was
// renewed meanwhile is not renewed once more, and a revocation that fails puts back what it was.
void SqliteStore::expect_unchanged(const workflow::Predecessor& predecessor) {
  Query row = database_->query("SELECT status FROM certificates WHERE fingerprint = ?");
  row.bind(predecessor.certificate);
  if (!row.row() || row.text(0) == predecessor.status) return;
  throw Error{ErrorKind::conflict, fmt::format("certificate {} is {} now: somebody else was quicker",
                                               predecessor.certificate.substr(0, 12), row.text(0))}
      .with("status", row.text(0))
      .hint(fmt::format("hsmbridge cert show {}", predecessor.certificate.substr(0, 12)));
}

// By a certificate that is in all its places and fit to be there.
bool SqliteStore::was_replaced(const std::string& fingerprint) {
  Query row = database_->query(
      "SELECT 1 FROM certificates s JOIN requests r ON r.id = s.request WHERE s.predecessor = ?1 "
      "AND s.predecessor <> '' AND s.status NOT IN ('late', 'quarantined', 'revoking', 'revoked', 'held') AND r.state "
      "= 'Completed'");
  row.bind(fingerprint);
  return row.row();
}

bool SqliteStore::would_change(const StatusChange& change) {
  Query row = database_->query(
      "SELECT status FROM certificates WHERE ?1 = 'certificate' AND fingerprint = ?2 "
      "UNION ALL SELECT status FROM keys WHERE ?1 = 'key' AND spki = ?2");
  row.bind(change.of == StatusChange::Of::key ? "key" : "certificate").bind(change.id);
  while (row.row()) {
    if (applies(change, row.text(0))) return true;
  }
  return false;
}

std::size_t SqliteStore::change_record(const StatusChange& change, const Cause& cause) {
  return change.of == StatusChange::Of::key ? change_keys(change, cause) : change_certificate(change, cause);
}

std::size_t SqliteStore::change_certificate(const StatusChange& change, const Cause& cause) {
  std::string before;
  {
    Query row = database_->query("SELECT status FROM certificates WHERE fingerprint = ?");
    row.bind(change.id);
    if (!row.row()) return 0;
    before = row.text(0);
  }
  if (!applies(change, before)) return 0;
  // A renewal that was revoked while it was being installed takes nobody's place.
  if (change.to == workflow::status::kSuperseded && !was_replaced(change.id)) return 0;
  const bool replaced = change.to == workflow::status::kCurrent && was_replaced(change.id);
  const std::string to = replaced ? workflow::status::kSuperseded : change.to;
  database_->query("UPDATE certificates SET status = ? WHERE fingerprint = ?").bind(to).bind(change.id).run();
  Json fact = Json::object({{"certificate", change.id}, {"from", before}, {"to", to}});
  if (!cause.request.empty()) fact.set("request", cause.request);
  append_leaf(audit::fact_leaf("certificate-status", fact, cause.actor, cause.at));
  // Current again (its revocation was refused), it has what it renews superseded, which could not be while it was not.
  if (to == workflow::status::kCurrent) {
    const std::optional<CertificateRecord> record = certificate(change.id);
    if (record && !record->predecessor.empty()) {
      change_certificate({StatusChange::Of::certificate,
                          record->predecessor,
                          {workflow::status::kCurrent},
                          workflow::status::kSuperseded},
                         cause);
    }
  }
  return 1;
}

std::size_t SqliteStore::change_keys(const StatusChange& change, const Cause& cause) {
  std::vector<KeyRecord> keys;
  {
    Query row =
        database_->query("SELECT token, label, cka_id, spec, spki, status, changed_at FROM keys WHERE spki = ?");
    row.bind(change.id);
    while (row.row()) keys.push_back(read_key(row));
  }
  std::size_t changed = 0;
  for (const KeyRecord& key : keys) {
    if (!applies(change, key.status)) continue;
    database_->query("UPDATE keys SET status = ?, changed_at = ? WHERE token = ? AND cka_id = ?")
        .bind(change.to)
        .bind(cause.at)
        .bind(key.token)
        .bind(stored_id(key))
        .run();
    Json fact = Json::object({{"token", key.token},
                              {"label", key.label},
                              {"cka_id", key.cka_id},
                              {"spki", change.id},
                              {"from", key.status},
                              {"to", change.to}});
    if (!cause.request.empty()) fact.set("request", cause.request);
    append_leaf(audit::fact_leaf("key-status", fact, cause.actor, cause.at));
    ++changed;
  }
  return changed;
}

std::size_t SqliteStore::change_records(const std::vector<StatusChange>& changes, const std::string& actor,
                                        Instant at) {
  // Asked every minute by every daemon: nothing is written when there is nothing to change.
  const bool any =
      std::any_of(changes.begin(), changes.end(), [this](const StatusChange& change) { return would_change(change); });
  if (!any) return 0;
  Database::Write write(*database_);
  std::size_t changed = 0;
  for (const StatusChange& change : changes) changed += change_record(change, {actor, at, ""});
  write.commit();
  return changed;
}

void SqliteStore::add_installed(const std::string& fingerprint, const workflow::InstallTarget& target) {
  const std::optional<CertificateRecord> record = certificate(fingerprint);
  if (!record) return;
  const auto write = [this](const std::string& id, const std::vector<std::string>& targets) {
    database_->query("UPDATE certificates SET installed = ? WHERE fingerprint = ?")
        .bind(Json(targets).dump())
        .bind(id)
        .run();
  };
  if (std::find(record->installed.begin(), record->installed.end(), target.name) == record->installed.end()) {
    std::vector<std::string> targets = record->installed;
    targets.push_back(target.name);
    write(fingerprint, targets);
  }
  const Holds place = holds(target);
  if (place == Holds::many) return;
  std::vector<std::pair<std::string, std::vector<std::string>>> others;
  {
    Query row = database_->query(
        "SELECT fingerprint, installed FROM certificates WHERE fingerprint <> ?1 AND (?2 = '' OR spki = ?2) "
        "AND instr(installed, ?3) > 0");
    row.bind(fingerprint);
    row.bind(place == Holds::one ? std::string{} : record->spki.str());
    row.bind(Json(target.name).dump());
    while (row.row()) others.emplace_back(row.text(0), read_texts(row.text(1)));
  }
  for (auto& [other, targets] : others) {
    targets.erase(std::remove(targets.begin(), targets.end(), target.name), targets.end());
    write(other, targets);
  }
}

void SqliteStore::note_installed(const std::string& fingerprint, const workflow::InstallTarget& target,
                                 const std::string& actor, Instant at) {
  Database::Write write(*database_);
  add_installed(fingerprint, target);
  append_leaf(audit::fact_leaf("certificate-installed",
                               Json::object({{"certificate", fingerprint}, {"target", target.name}}), actor, at));
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

}  // namespace hsmbridge::store
