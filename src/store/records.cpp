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

using workflow::CertificateListQuery;
using workflow::CertificateQuery;
using workflow::CertificateRecord;
using workflow::KeyQuery;
using workflow::KeyRecord;
using workflow::StatusChange;

namespace {

#define HSMBRIDGE_CERTIFICATES                                                                              \
  "SELECT fingerprint, der, chain, request, spki, subject, issuer, serial, not_before, not_after, status, " \
  "stored_at, reference, provider_state, predecessor, installed FROM certificates WHERE "
#define HSMBRIDGE_KEY_COLUMNS "k.token, k.label, k.cka_id, k.spec, k.spki, k.status, k.changed_at "
#define HSMBRIDGE_KEYS "SELECT " HSMBRIDGE_KEY_COLUMNS "FROM keys k WHERE "

constexpr const char* kByFingerprint = HSMBRIDGE_CERTIFICATES "fingerprint = ?1";

CertificateRecord read_certificate(const Query& row) {
  return in_row("certificate", [&] {
    CertificateRecord record;
    std::string chain;
    std::string installed;
    row.into(0, record.fingerprint, record.der, chain, record.request, record.spki, record.subject, record.issuer,
             record.serial, record.not_before, record.not_after, record.status, record.stored_at, record.reference,
             record.provider_state, record.predecessor, installed);
    for (const std::string& certificate : Json::parse(chain).as_strings())
      record.chain.push_back(from_base64(certificate));
    record.installed = Json::parse(installed).as_strings();
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

KeyRecord read_key(const Query& row) {
  KeyRecord key;
  row.into(0, key.token, key.label, key.cka_id, key.spec, key.spki, key.status, key.changed_at);
  if (key.cka_id.starts_with(kBySpki)) key.cka_id.clear();
  return key;
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
void SqliteStore::put(const CertificateRecord& certificate, const workflow::Order& order) {
  database_->run(
      "INSERT INTO certificates (fingerprint, der, chain, request, spki, subject, issuer, serial, not_before, "
      "not_after, status, stored_at, reference, provider_state, predecessor, profile, provider) "
      "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) "
      // What was revoked or has ended since is not current because it was judged once more.
      "ON CONFLICT (fingerprint) DO UPDATE SET chain = excluded.chain, "
      "status = CASE WHEN certificates.status IN ('revoking', 'revoked', 'held', 'expired') "
      "THEN certificates.status ELSE excluded.status END, "
      "reference = excluded.reference, provider_state = excluded.provider_state",
      certificate.fingerprint, certificate.der, Json::list(certificate.chain, base64).dump(), certificate.request,
      certificate.spki, certificate.subject, certificate.issuer, certificate.serial, certificate.not_before,
      certificate.not_after, certificate.status, certificate.stored_at, certificate.reference,
      certificate.provider_state, certificate.predecessor, order.profile, order.provider);
  for (const Bytes& der : certificate.chain) put_issuer(*database_, der);
}

void put_issuer(Database& database, ByteView der) {
  database.run("INSERT OR IGNORE INTO issuers (fingerprint) VALUES (?)", hex(sha256(der)));
}

Instant SqliteStore::latest_known() {
  Query row = database_->query("SELECT coalesce(max(created_at), 0) FROM requests");
  const Instant made = row.row() ? row.instant(0) : Instant{};
  const auto size = tree_head().size();
  if (size == 0) return made;
  try {
    const auto last = leaves(size - 1, 1);
    return std::max<Instant>(made, parse_rfc3339(Json::parse(last.at(0).data).at("at").as_string()));
  } catch (const Error&) {
    return made;  // what is wrong with the log is said where it is verified
  }
}

bool SqliteStore::is_issuer(const std::string& fingerprint) {
  return database_->query("SELECT 1 FROM issuers WHERE fingerprint = ?", fingerprint).row();
}

// Only what is newly known changes a record: a key that is used again keeps the kind that it was made with, its first
// public key stays the pinned one, a plan never undoes a birth, and what is retired or destroyed is not revived by being
// found in a token. What is compromised stays that for ever: somebody else may have it, also when it is destroyed here.
void SqliteStore::put(const KeyRecord& key) {
  database_->run(
      "INSERT INTO keys (token, cka_id, label, spec, spki, status, changed_at) VALUES (?, ?, ?, ?, ?, ?, ?) "
      "ON CONFLICT (token, cka_id) DO UPDATE SET "
      "label = CASE WHEN excluded.label = '' THEN keys.label ELSE excluded.label END, "
      "spec = CASE WHEN excluded.spec = '' THEN keys.spec ELSE excluded.spec END, "
      "spki = CASE WHEN keys.spki = '' THEN excluded.spki ELSE keys.spki END, "
      "status = CASE WHEN excluded.status LIKE 'planned%' OR keys.status = 'compromised' "
      "OR keys.status IN ('retired', 'destroyed') AND excluded.status = 'active' "
      "THEN keys.status ELSE excluded.status END, "
      "changed_at = CASE WHEN excluded.status LIKE 'planned%' OR excluded.status = keys.status "
      "THEN keys.changed_at ELSE excluded.changed_at END",
      key.token, stored_id(key), key.label, key.spec, key.spki, key.status, key.changed_at);
}

std::optional<CertificateRecord> SqliteStore::certificate(const std::string& fingerprint) {
  Query row = database_->query(kByFingerprint, fingerprint);
  if (!row.row()) return std::nullopt;
  return read_certificate(row);
}

Instant SqliteStore::end_of(const std::string& fingerprint) {
  Query row = database_->query("SELECT not_after FROM certificates WHERE fingerprint = ?", fingerprint);
  if (row.row()) return row.instant(0);
  throw Error{ErrorKind::not_found, fmt::format("there is no certificate {}", fingerprint)};
}

// The sweep's question. A damaged one is passed over, so that a page is empty only at the end.
std::vector<CertificateRecord> SqliteStore::of_profile_and_status(const CertificateQuery& query) {
  const auto left = query.life_left.value_or(CertificateQuery::LifeLeft{});
  Instant after_end = query.after ? end_of(*query.after) : Instant::min();
  std::string after = query.after.value_or("");
  std::vector<CertificateRecord> records;
  while (records.size() < query.most) {
    std::vector<std::string> found;
    Query row = database_->query(
        "SELECT fingerprint, not_after FROM certificates WHERE status = ?1 AND profile = ?2 AND not_after <= ?3 "
        "AND (?4 = 0 OR (not_after - ?5) * 100 <= ?4 * (not_after - not_before)) "
        "AND (?6 = 0 OR NOT EXISTS (SELECT 1 FROM requests r WHERE r.predecessor = fingerprint "
        "AND r.predecessor <> '' AND r.final = 0)) AND (not_after, fingerprint) > (?8, ?9) "
        "ORDER BY not_after, fingerprint LIMIT ?7",
        query.statuses.front(), *query.profile, query.ends_by.value_or(Instant::max()), left.percent, left.now,
        query.without_request, query.most - records.size(), after_end, after);
    while (row.row()) {
      row.into(0, after, after_end);
      found.push_back(after);
    }
    if (found.empty()) break;
    for (const std::string& fingerprint : found) {
      Query one = database_->query(kByFingerprint, fingerprint);
      for (CertificateRecord& record : read_certificates(one)) {
        if (matches(record, query)) records.push_back(std::move(record));
      }
    }
  }
  return records;
}

// Each question has an index; what it does not answer is looked at afterwards (matches). Without one they are asked for
// as lists ask for them.
std::vector<CertificateRecord> SqliteStore::certificates(const CertificateQuery& query) {
  const bool of_profile = query.profile && query.statuses.size() == 1;
  if (!of_profile && (query.profile || query.life_left || query.without_request || query.after)) {
    throw Error{ErrorKind::internal, "certificates of a profile are asked for by one status"};
  }
  if (!of_profile && query.prefix.empty() && !query.request && !query.spki) {
    CertificateListQuery wanted;
    wanted.statuses = query.statuses;
    wanted.ends_by = query.ends_by;
    wanted.most = query.most;
    std::vector<CertificateRecord> records;
    for (const workflow::CertificateLine& line : page(wanted)) {
      Query row = database_->query(kByFingerprint, line.record.fingerprint);
      for (CertificateRecord& record : read_certificates(row)) records.push_back(std::move(record));
    }
    return records;
  }
  if (of_profile) return of_profile_and_status(query);
  const auto ask = [&]() -> Query {
    if (!query.prefix.empty()) {
      return database_->query(HSMBRIDGE_CERTIFICATES
                              "fingerprint >= ?1 AND fingerprint < ?1 || 'g' ORDER BY fingerprint LIMIT ?2",
                              query.prefix, query.most);
    }
    if (query.request) {
      return database_->query(HSMBRIDGE_CERTIFICATES "request = ?1 ORDER BY stored_at DESC, fingerprint LIMIT ?2",
                              *query.request, query.most);
    }
    if (query.spki) {
      return database_->query(HSMBRIDGE_CERTIFICATES "spki = ?1 ORDER BY stored_at DESC, fingerprint LIMIT ?2",
                              *query.spki, query.most);
    }
    throw Error{ErrorKind::internal, "certificates are asked for by nothing"};
  };
  Query row = ask();
  std::vector<CertificateRecord> records = read_certificates(row);
  std::erase_if(records, [&query](const CertificateRecord& record) { return !matches(record, query); });
  return records;
}

std::vector<std::string> SqliteStore::past_their_end(Instant now) {
  return database_
      ->query(
          "SELECT fingerprint FROM certificates WHERE status IN ('current', 'superseded', 'late') AND not_after < ? "
          "ORDER BY fingerprint",
          now)
      .texts();
}

std::vector<CertificateRecord> SqliteStore::not_past_their_end(Instant now) {
  Query row = database_->query(HSMBRIDGE_CERTIFICATES "status = 'expired' AND not_after >= ?", now);
  return read_certificates(row);
}

bool SqliteStore::replaced_at(const std::string& fingerprint, const std::string& target) {
  // A renewal of a renewal may have been put there first. Whatever a damaged store says, this ends.
  constexpr int kMostSteps = 100;
  return database_
      ->query(
          "WITH RECURSIVE later(fingerprint, installed, step) AS ("
          "SELECT fingerprint, installed, 1 FROM certificates WHERE predecessor = ?1 AND predecessor <> '' "
          "UNION SELECT c.fingerprint, c.installed, l.step + 1 FROM certificates c JOIN later l "
          "ON c.predecessor = l.fingerprint AND c.predecessor <> '' WHERE l.step < ?3) "
          "SELECT 1 FROM later, json_each(later.installed) WHERE json_each.value = ?2 LIMIT 1",
          fingerprint, target, kMostSteps)
      .row();
}

std::vector<KeyRecord> SqliteStore::keys(const KeyQuery& query) {
  if (query.cka_id && (!query.token || query.spki)) throw Error{ErrorKind::internal, "an id belongs to a token"};
  if (!query.statuses.empty() && (query.cka_id || query.spki || query.token || query.label)) {
    throw Error{ErrorKind::internal, "keys are not asked for by status and another condition"};
  }
  std::vector<KeyRecord> records;
  for (const std::string& status : query.statuses) {
    const auto more = database_->query(HSMBRIDGE_KEYS "status = ? ORDER BY token, label, cka_id", status).all(read_key);
    records.insert(records.end(), more.begin(), more.end());
  }
  if (!query.statuses.empty()) return records;
  const std::string token = query.token.value_or("");
  const std::string label = query.label.value_or("");
  if (query.cka_id) {
    return database_
        ->query(HSMBRIDGE_KEYS "cka_id = ?1 AND token = ?2 AND (?3 = '' OR label = ?3)", *query.cka_id, token, label)
        .all(read_key);
  }
  if (query.spki) {
    return database_
        ->query(HSMBRIDGE_KEYS
                "spki = ?1 AND (?2 = '' OR token = ?2) AND (?3 = '' OR label = ?3) ORDER BY token, label, cka_id",
                *query.spki, token, label)
        .all(read_key);
  }
  if (query.token && !query.label) {
    return database_->query(HSMBRIDGE_KEYS "token = ?1 ORDER BY label, cka_id", token).all(read_key);
  }
  if (query.token && query.label) {
    return database_->query(HSMBRIDGE_KEYS "token = ?1 AND label = ?2 ORDER BY cka_id", token, label).all(read_key);
  }
  return database_->query(HSMBRIDGE_KEYS "?1 = '' OR label = ?1 ORDER BY token, label, cka_id", label).all(read_key);
}

bool SqliteStore::has_certificate(const SpkiHash& spki) {
  return database_->query("SELECT 1 FROM certificates WHERE spki = ? LIMIT 1", spki).row();
}

std::vector<KeyRecord> SqliteStore::replaced_keys(const std::string& profile, Instant replaced_by,
                                                  workflow::KeyPlace& after, std::size_t most) {
  const Database::Read moment(*database_);
  const workflow::KeyPlace begin = std::exchange(after, {});
  {
    Query last = database_->query(
        "SELECT token, cka_id FROM keys WHERE (token, cka_id) > (?, ?) ORDER BY token, cka_id LIMIT 1 OFFSET ?",
        begin.token, begin.cka_id, static_cast<std::int64_t>(most) - 1);
    if (last.row()) after = {last.text(0), last.text(1)};
  }
  // From the keys on, whatever the statistics of the store say.
#define HSMBRIDGE_REPLACED_KEYS(UNTIL)                                                                                                                                                       \
  "SELECT DISTINCT " HSMBRIDGE_KEY_COLUMNS                                                                                                                                                   \
  "FROM keys k CROSS JOIN certificates p ON p.spki = k.spki "                                                                                                                                \
  "CROSS JOIN certificates s ON s.predecessor = p.fingerprint AND s.predecessor <> '' "                                                                                                      \
  "CROSS JOIN requests r ON r.id = s.request "                                                                                                                                               \
  "WHERE (k.token, k.cka_id) > (?3, ?4) " UNTIL                                                                                                                                              \
  "AND p.status IN ('superseded', 'revoked', 'expired') AND p.profile = ?1 AND s.spki <> p.spki "                                                                                            \
  "AND s.status <> 'late' AND s.status <> 'quarantined' "                                                                                                                                    \
  "AND r.state = 'Completed' AND r.changed_at <= ?2 AND k.status = 'active' " /* An open request is for that key, or may be: it is to use one in that token and has not looked yet which. */ \
  "AND NOT EXISTS (SELECT 1 FROM requests o WHERE o.final = 0 AND o.spki = k.spki) "                                                                                                         \
  "AND NOT EXISTS (SELECT 1 FROM requests o WHERE o.final = 0 AND o.spki = '' AND o.token = k.token "                                                                                        \
  "AND o.state = 'Preparing' AND json_extract(o.order_json, '$.kind') <> 'revoke' "                                                                                                          \
  "AND json_extract(o.order_json, '$.key.source') = 'use') "                                                                                                                                 \
  "AND NOT EXISTS (SELECT 1 FROM certificates c WHERE c.spki = p.spki "                                                                                                                      \
  "AND c.status IN ('current', 'revoking', 'held', 'late'))"
  if (after == workflow::KeyPlace{}) {
    return database_->query(HSMBRIDGE_REPLACED_KEYS(""), profile, replaced_by, begin.token, begin.cka_id).all(read_key);
  }
  return database_
      ->query(HSMBRIDGE_REPLACED_KEYS("AND (k.token, k.cka_id) <= (?5, ?6) "), profile, replaced_by, begin.token,
              begin.cka_id, after.token, after.cka_id)
      .all(read_key);
}
#undef HSMBRIDGE_REPLACED_KEYS

// ---- what becomes of them -------------------------------------------------------------------------------------------

// What an order is about may have changed between the look that led to it and this transaction: a certificate that was
// renewed meanwhile is not renewed once more, and a revocation that fails puts back what it was.
void SqliteStore::expect_unchanged(const workflow::Predecessor& predecessor) {
  Query row = database_->query("SELECT status FROM certificates WHERE fingerprint = ?", predecessor.certificate);
  if (!row.row() || row.text(0) == predecessor.status) return;
  throw Error{ErrorKind::conflict,
              fmt::format("certificate {} was changed concurrently by another process and is now {}",
                          predecessor.certificate.substr(0, 12), row.text(0))}
      .with("status", row.text(0))
      .hint(fmt::format("hsmbridge cert show {}", predecessor.certificate.substr(0, 12)));
}

// By a certificate that is in all its places and fit to be there.
bool SqliteStore::was_replaced(const std::string& fingerprint) {
  return database_
      ->query(
          "SELECT 1 FROM certificates s JOIN requests r ON r.id = s.request WHERE s.predecessor = ?1 "
          "AND s.predecessor <> '' AND s.status NOT IN ('late', 'quarantined', 'revoking', 'revoked', 'held') AND "
          "r.state "
          "= 'Completed'",
          fingerprint)
      .row();
}

bool SqliteStore::would_change(const StatusChange& change) {
  Query row = database_->query(
      "SELECT status FROM certificates WHERE ?1 = 'certificate' AND fingerprint = ?2 "
      "UNION ALL SELECT status FROM keys WHERE ?1 = 'key' AND spki = ?2",
      change.of == StatusChange::Of::key ? "key" : "certificate", change.id);
  bool known = false;
  for (; row.row(); known = true) {
    if (applies(change, row.text(0))) return true;
  }
  return !known && change.of == StatusChange::Of::key && change.to == workflow::status::kCompromised;
}

std::size_t SqliteStore::change_record(const StatusChange& change, const Cause& cause) {
  return change.of == StatusChange::Of::key ? change_keys(change, cause) : change_certificate(change, cause);
}

std::size_t SqliteStore::change_certificate(const StatusChange& change, const Cause& cause) {
  std::string before;
  {
    Query row = database_->query("SELECT status FROM certificates WHERE fingerprint = ?", change.id);
    if (!row.row()) return 0;
    before = row.text(0);
  }
  if (!applies(change, before)) return 0;
  // A renewal that was revoked while it was being installed takes nobody's place.
  if (change.to == workflow::status::kSuperseded && !was_replaced(change.id)) return 0;
  const bool replaced = change.to == workflow::status::kCurrent && was_replaced(change.id);
  const std::string to = replaced ? workflow::status::kSuperseded : change.to;
  database_->run("UPDATE certificates SET status = ? WHERE fingerprint = ?", to, change.id);
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
  const std::vector<KeyRecord> keys = database_->query(HSMBRIDGE_KEYS "spki = ?", change.id).all(read_key);
  std::size_t changed = 0;
  for (const KeyRecord& key : keys) {
    if (!applies(change, key.status)) continue;
    database_->run("UPDATE keys SET status = ?, changed_at = ? WHERE token = ? AND cka_id = ?", change.to, cause.at,
                   key.token, stored_id(key));
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
  if (keys.empty() && change.to == workflow::status::kCompromised) {
    put_compromised(SpkiHash(change.id), cause);
    ++changed;
  }
  return changed;
}

// A key that has no record, or has lost it to another key that came under its id: no certificate is issued for it any
// more, wherever it is.
void SqliteStore::put_compromised(const SpkiHash& spki, const Cause& cause) {
  put(KeyRecord{"", "", "", "", spki, workflow::status::kCompromised, cause.at});
  Json fact = Json::object({{"spki", spki.str()}, {"to", std::string(workflow::status::kCompromised)}});
  if (!cause.request.empty()) fact.set("request", cause.request);
  append_leaf(audit::fact_leaf("key-status", fact, cause.actor, cause.at));
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

// In the certificate's row, and by target.
void SqliteStore::set_installed(const std::string& fingerprint, const std::vector<std::string>& targets) {
  database_->run("UPDATE certificates SET installed = ? WHERE fingerprint = ?", Json(targets).dump(), fingerprint);
}

void SqliteStore::add_installed(const std::string& fingerprint, const workflow::InstallTarget& target) {
  const std::optional<CertificateRecord> record = certificate(fingerprint);
  if (!record) return;
  if (std::find(record->installed.begin(), record->installed.end(), target.name) == record->installed.end()) {
    std::vector<std::string> targets = record->installed;
    targets.push_back(target.name);
    set_installed(fingerprint, targets);
  }
  database_->run("INSERT OR IGNORE INTO certificate_places (target, fingerprint) VALUES (?, ?)", target.name,
                 fingerprint);
  const Holds place = holds(target);
  if (place == Holds::many) return;
  std::vector<std::pair<std::string, std::vector<std::string>>> others;
  {
    // Every certificate may be in a token; few are for one key, and few were ever in one file.
    Query row =
        place == Holds::one
            ? database_->query(
                  "SELECT c.fingerprint, c.installed FROM certificate_places p "
                  "JOIN certificates c ON c.fingerprint = p.fingerprint WHERE p.target = ?1 AND p.fingerprint <> ?2",
                  target.name, fingerprint)
            : database_->query(
                  "SELECT c.fingerprint, c.installed FROM certificates c JOIN certificate_places p "
                  "ON p.target = ?1 AND p.fingerprint = c.fingerprint WHERE c.spki = ?3 AND c.fingerprint <> ?2",
                  target.name, fingerprint, record->spki);
    while (row.row()) others.emplace_back(row.text(0), Json::parse(row.text(1)).as_strings());
  }
  for (auto& [other, targets] : others) {
    targets.erase(std::remove(targets.begin(), targets.end(), target.name), targets.end());
    set_installed(other, targets);
    database_->run("DELETE FROM certificate_places WHERE target = ? AND fingerprint = ?", target.name, other);
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
