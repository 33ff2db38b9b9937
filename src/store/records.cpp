#include "base/json.h"
#include "store/rows.h"
#include "store/sqlite_store.h"

#include <utility>

namespace hsmbridge::store {

using workflow::CertificateRecord;
using workflow::KeyRecord;

namespace {

CertificateRecord read_certificate(const Query& row) {
  return in_row("certificate", [&] {
    CertificateRecord record;
    record.fingerprint = row.text(0);
    record.der = row.blob(1);
    const Json chain = Json::parse(row.text(2));
    for (const Json& certificate : chain.as_array()) record.chain.push_back(from_base64(certificate.as_string()));
    record.request = RequestId{row.text(3)};
    record.spki = SpkiHash{row.text(4)};
    record.subject = row.text(5);
    record.issuer = row.text(6);
    record.serial = row.text(7);
    record.not_before = row.instant(8);
    record.not_after = row.instant(9);
    record.status = row.text(10);
    record.stored_at = row.instant(11);
    return record;
  });
}

// Keys that their token gave no CKA_ID are told apart by their public keys.
constexpr std::string_view kBySpki = "spki:";

std::string stored_id(const KeyRecord& key) {
  return key.cka_id.empty() && !key.spki.empty() ? std::string(kBySpki) + key.spki.str() : key.cka_id;
}
std::string read_id(const std::string& stored) {
  return stored.starts_with(kBySpki) ? std::string{} : stored;
}

}  // namespace

// The same certificate may be verified again (after a crash, or handed in by a person): the newest word counts.
void SqliteStore::put(const CertificateRecord& certificate) {
  Json::Array chain;
  for (const Bytes& der : certificate.chain) chain.emplace_back(base64(der));
  database_
      ->query(
          "INSERT INTO certificates (fingerprint, der, chain, request, spki, subject, issuer, serial, not_before, "
          "not_after, status, stored_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) "
          "ON CONFLICT (fingerprint) DO UPDATE SET chain = excluded.chain, status = excluded.status")
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
      .run();
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
          "status = CASE WHEN excluded.status = 'planned' "
          "OR keys.status IN ('retired', 'destroyed', 'compromised') AND excluded.status = 'active' "
          "THEN keys.status ELSE excluded.status END, "
          "changed_at = CASE WHEN excluded.status = 'planned' OR excluded.status = keys.status "
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
  Query row = database_->query(
      "SELECT fingerprint, der, chain, request, spki, subject, issuer, serial, not_before, not_after, status, "
      "stored_at FROM certificates WHERE fingerprint = ?");
  row.bind(fingerprint);
  if (!row.row()) return std::nullopt;
  return read_certificate(row);
}

std::vector<CertificateRecord> SqliteStore::certificates() {
  Query row = database_->query(
      "SELECT fingerprint, der, chain, request, spki, subject, issuer, serial, not_before, not_after, status, "
      "stored_at FROM certificates ORDER BY stored_at DESC, fingerprint");
  std::vector<CertificateRecord> records;
  while (row.row()) records.push_back(read_certificate(row));
  return records;
}

std::vector<KeyRecord> SqliteStore::keys() {
  Query row = database_->query(
      "SELECT token, label, cka_id, spec, spki, status, changed_at FROM keys ORDER BY token, label, cka_id");
  std::vector<KeyRecord> records;
  while (row.row()) {
    records.push_back({row.text(0), row.text(1), read_id(row.text(2)), row.text(3), SpkiHash{row.text(4)}, row.text(5),
                       row.instant(6)});
  }
  return records;
}

}  // namespace hsmbridge::store
