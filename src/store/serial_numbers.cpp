#include "audit/leaf.h"
#include "base/error.h"
#include "store/sqlite_store.h"
#include "workflow/machine/codec.h"
#include "x509/objects/certificate.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <utility>
#include <vector>

// What CAs of this bridge have numbered, here and elsewhere.
namespace hsmbridge::store {

using workflow::CertifiedElsewhere;
using workflow::Takeover;

namespace {

constexpr std::pair<ca::Holder, const char*> kHolders[] = {
    {ca::Holder::unknown, ""},
    {ca::Holder::authority, "authority"},
    {ca::Holder::end_entity, "end-entity"},
};

const char* word_of(ca::Holder holder) {
  return std::find_if(std::begin(kHolders), std::end(kHolders), [&](const auto& row) { return row.first == holder; })
      ->second;
}

ca::Holder holder_in(const std::string& word) {
  for (const auto& [holder, known] : kHolders) {
    if (word == known) return holder;
  }
  return ca::Holder::unknown;
}

}  // namespace

bool SqliteStore::take_serial(const workflow::TakenSerial& serial) {
  Database::Write write(*database_);
  if (is_taken(serial.issuer, serial.serial)) return false;
  database_->run("INSERT INTO serial_numbers (issuer, serial, request, taken_at) VALUES (?, ?, ?, ?)", serial.issuer,
                 serial.serial, serial.request, serial.at);
  if (serial.not_after != Instant{}) name_distribution_point(serial);
  write.commit();
  return true;
}

// Committed with the number: a certificate may name this shard, or none, from now on.
void SqliteStore::name_distribution_point(const workflow::TakenSerial& serial) {
  const bool known = database_
                         ->query("SELECT 1 FROM distribution_points WHERE issuer = ? AND url = ?", serial.issuer,
                                 serial.distribution_point)
                         .row();
  if (known) {
    database_->run("UPDATE distribution_points SET until = ?1 WHERE issuer = ?2 AND url = ?3 AND until < ?1",
                   serial.not_after, serial.issuer, serial.distribution_point);
  } else {
    database_->run("INSERT INTO distribution_points (issuer, url, until) VALUES (?, ?, ?)", serial.issuer,
                   serial.distribution_point, serial.not_after);
  }
}

bool SqliteStore::is_taken(const std::string& issuer, const std::string& serial) {
  return taken_for(issuer, serial).has_value();
}

std::optional<std::string> SqliteStore::taken_for(const std::string& issuer, const std::string& serial) {
  Query row = database_->query("SELECT request FROM serial_numbers WHERE issuer = ? AND serial = ?", issuer, serial);
  return row.row() ? std::optional(row.text(0)) : std::nullopt;
}

std::uint64_t SqliteStore::serials_taken(const std::string& issuer) {
  Query row = database_->query("SELECT count(*) FROM serial_numbers WHERE issuer = ?", issuer);
  return row.row() ? row.count(0) : 0;
}

std::optional<ca::OtherThanAuthority> SqliteStore::other_than_authority(const std::string& issuer, Instant ends_after) {
  {
    Query made = database_->query(
        "SELECT c.der FROM serial_numbers n CROSS JOIN certificates c ON c.request = n.request "
        "WHERE n.issuer = ?1 AND n.request <> '' AND c.serial = n.serial AND c.not_after >= ?2",
        issuer, ends_after);
    while (made.row()) {
      const x509::Certificate certificate = x509::parse_certificate(made.blob(0));
      if (ca::holder_of(certificate.content()) == ca::Holder::authority) continue;
      return ca::OtherThanAuthority{x509::serial_text(certificate.serial()), certificate.subject().to_string(),
                                    certificate.tbs.validity.not_after, "", true};
    }
  }
  {
    Query open = database_->query(
        "SELECT r.order_json, n.serial FROM serial_numbers n CROSS JOIN requests r ON r.id = n.request "
        "WHERE n.issuer = ?1 AND n.request <> '' AND r.final = 0",
        issuer);
    while (open.row()) {
      const workflow::Order order = workflow::order_from(Json::parse(open.text(0)));
      const workflow::Enroll* const asked = order.enrolment();
      if (asked == nullptr || ca::holder_of(asked->content.content) == ca::Holder::authority) continue;
      return ca::OtherThanAuthority{open.text(1), "", {}, order.id.str(), true};
    }
  }
  Query elsewhere = database_->query(
      "SELECT serial, subject, not_after, holder FROM certified_elsewhere "
      "WHERE issuer = ?1 AND not_after >= ?2 AND holder <> 'authority'",
      issuer, ends_after);
  std::optional<ca::OtherThanAuthority> unknown;
  while (elsewhere.row()) {
    const bool is_known = !elsewhere.text(3).empty();
    if (unknown && !is_known) continue;
    unknown = {elsewhere.text(0), elsewhere.text(1), elsewhere.instant(2), "", is_known};
    if (is_known) break;
  }
  return unknown;
}

// ---- from elsewhere -------------------------------------------------------------------------------------------------

// Whose it is and its key, of one of which only the index told before. True where any of that was not known.
bool SqliteStore::learn(const std::string& issuer, const CertifiedElsewhere& certificate, const Cause& cause) {
  const bool holder =
      certificate.holder != ca::Holder::unknown &&
      database_->run("UPDATE certified_elsewhere SET holder = ? WHERE issuer = ? AND serial = ? AND holder = ''",
                     word_of(certificate.holder), issuer, certificate.serial) > 0;
  const bool key =
      !certificate.key.empty() &&
      database_->run("UPDATE certified_elsewhere SET spki = ? WHERE issuer = ? AND serial = ? AND spki = ''",
                     certificate.key, issuer, certificate.serial) > 0;
  if (!key) return holder;
  if (const auto revoked = revocation(issuer, certificate.serial)) follow(*revoked, cause);
  return true;
}

// True where it is new.
bool SqliteStore::put(const Takeover& takeover, const CertifiedElsewhere& certificate, Instant at) {
  if (const auto known = certified_elsewhere(takeover.issuer, certificate.serial)) {
    if (known->not_after == certificate.not_after) return false;
    throw Error{ErrorKind::conflict,
                fmt::format("the certificate with the serial number {} was said to end {} before, and {} now",
                            certificate.serial, rfc3339(known->not_after), rfc3339(certificate.not_after))}
        .hint("nothing was taken over");
  }
  const bool taken = is_taken(takeover.issuer, certificate.serial);
  // A lost store may have signed what is only drafted here.
  if (taken && takeover.from == Takeover::From::a_lost_store) {
    if (end_of_certificate(takeover.issuer, certificate.serial)) return false;
  } else if (taken) {
    throw Error{
        ErrorKind::conflict,
        fmt::format("the serial number {} was given here before: two certificates would have it", certificate.serial)}
        .hint("nothing was taken over");
  }
  if (!taken) {
    database_->run("INSERT INTO serial_numbers (issuer, serial, request, taken_at) VALUES (?, ?, '', ?)",
                   takeover.issuer, certificate.serial, at);
  }
  database_->run(
      "INSERT INTO certified_elsewhere (issuer, serial, subject, not_after, spki, holder) VALUES (?, ?, ?, ?, ?, ?)",
      takeover.issuer, certificate.serial, certificate.subject, certificate.not_after, certificate.key,
      word_of(certificate.holder));
  return true;
}

std::uint64_t SqliteStore::highest_crl_number(const std::string& issuer) {
  Query row = database_->query("SELECT COALESCE(MAX(number), 0) FROM crls WHERE issuer = ?", issuer);
  return row.row() ? row.count(0) : 0;
}

void SqliteStore::insert_crl(const std::string& issuer, const workflow::PublishedCrl& crl, Instant at) {
  database_->run(
      "INSERT INTO crls (issuer, number, taken_at, this_update, next_update, sha256, distribution_point) "
      "VALUES (?, ?, ?, ?, ?, ?, ?)",
      issuer, static_cast<std::int64_t>(crl.number), at, crl.this_update, crl.next_update, crl.sha256,
      crl.distribution_point);
}

namespace {

// The distribution point of the last one of the numbers that are skipped: no CRL is asked for by that.
constexpr const char* kSkipped = workflow::kEveryShard;

void expect_higher(std::uint64_t next, std::uint64_t highest) {
  if (next > highest) return;
  throw Error{ErrorKind::conflict,
              fmt::format("the next CRL cannot have the number {}: numbers up to {} were given", next, highest)}
      .hint("name one that is higher than any that was ever published; nothing was taken over");
}

}  // namespace

// True where it is new.
bool SqliteStore::put_crl(const Takeover& takeover, const workflow::PublishedCrl& crl, Instant at) {
  const std::string& issuer = takeover.issuer;
  const std::uint64_t highest = highest_crl_number(issuer);
  Query row = database_->query("SELECT sha256 FROM crls WHERE issuer = ? AND number = ?", issuer,
                               static_cast<std::int64_t>(crl.number));
  const bool there = row.row();
  if (const auto last = last_crl(issuer, crl.distribution_point);
      last && last->number > crl.number && takeover.from == Takeover::From::a_lost_store) {
    throw Error{ErrorKind::conflict,
                fmt::format("the CRL with the number {} is not the last one: the store itself knows number {}",
                            crl.number, last->number)}
        .hint("give the last one that was published; nothing was taken over");
  }
  if (there && row.text(0) == crl.sha256) return false;
  const bool is_last = !database_
                            ->query("SELECT 1 FROM crls WHERE issuer = ? AND number > ? AND distribution_point <> ?",
                                    issuer, static_cast<std::int64_t>(crl.number), kSkipped)
                            .row();
  // Of shards several numbers in a row may have been given and not be known as published.
  const bool may_be_last = is_last || !takeover.shards.empty();
  if (there && row.text(0).empty() && takeover.from == Takeover::From::a_lost_store && may_be_last) {
    database_->run(
        "UPDATE crls SET this_update = ?, next_update = ?, sha256 = ?, distribution_point = ? "
        "WHERE issuer = ? AND number = ?",
        crl.this_update, crl.next_update, crl.sha256, crl.distribution_point, issuer,
        static_cast<std::int64_t>(crl.number));
    return true;
  }
  if (crl.number <= highest) {
    throw Error{ErrorKind::conflict,
                fmt::format("the CRL with the number {} is not the last one, or another one has its number: numbers up "
                            "to {} were given here",
                            crl.number, highest)}
        .hint("nothing was taken over");
  }
  insert_crl(issuer, crl, at);
  return true;
}

// True where it is new.
bool SqliteStore::put_last_crl(const Takeover& takeover, Instant at) {
  const std::string& issuer = takeover.issuer;
  const std::uint64_t highest = highest_crl_number(issuer);
  const auto is_lost = [&](const std::string& whose, std::uint64_t number) {
    return database_
        ->query("SELECT 1 FROM crls WHERE issuer = ? AND number = ? AND sha256 = ? AND distribution_point <> ?", whose,
                static_cast<std::int64_t>(number), workflow::kLostCrl, kSkipped)
        .row();
  };
  // The one that is lost has the number before the next. Where this store gave that one to a CRL, it has the next.
  const auto lost_number = [&] { return std::max(*takeover.next_crl_number - 1, highest + 1); };
  // Typed again after a takeover that is done. One of a later restoration must tell a number of its own.
  const auto is_known = [&] {
    if (takeover.from == Takeover::From::a_lost_store && suspended(issuer)) return false;
    return is_lost(issuer, *takeover.next_crl_number - 1) || is_lost(issuer, *takeover.next_crl_number);
  };
  if (takeover.next_crl_number && !takeover.shards.empty()) {
    if (is_known()) return false;
    expect_higher(*takeover.next_crl_number, highest);
    std::uint64_t number = lost_number();
    for (workflow::PublishedCrl one : takeover.shards) {
      const auto last = last_crl(issuer, one.distribution_point);
      one.this_update = one.next_update = last ? last->this_update : Instant{};
      one.number = number++;
      insert_crl(issuer, one, at);
    }
    return true;
  }
  if (takeover.next_crl_number) {
    // None was published elsewhere: the numbers here go on, or begin.
    const bool none = *takeover.next_crl_number == 1;
    if (none && (highest == 0 || takeover.from == Takeover::From::another_program)) return false;
    if (is_known()) return false;
    expect_higher(*takeover.next_crl_number, highest);
    // What the last one that is known says is kept on the next one.
    const auto last = last_crl(issuer, "");
    const Instant known = last ? last->this_update : Instant{};
    insert_crl(issuer, {lost_number(), known, known, workflow::kLostCrl}, at);
    return true;
  }
  std::vector<workflow::PublishedCrl> all = takeover.shards;
  if (takeover.crl) all.push_back(*takeover.crl);
  std::sort(all.begin(), all.end(), [](const auto& one, const auto& other) { return one.number < other.number; });
  bool is_new = false;
  for (const workflow::PublishedCrl& crl : all) is_new = put_crl(takeover, crl, at) || is_new;
  return is_new;
}

void SqliteStore::skip_crl_numbers(const Takeover& takeover, Instant at) {
  const std::uint64_t last = highest_crl_number(takeover.issuer) + takeover.crl_numbers_to_skip;
  insert_crl(takeover.issuer, {last, {}, {}, workflow::kLostCrl, kSkipped}, at);
}

// What a revocation that came from elsewhere means for the records.
void SqliteStore::follow(const workflow::RevokedSerial& revoked, const Cause& cause) {
  using Of = workflow::StatusChange::Of;
  constexpr unsigned kOnHold = 6;  // RFC 5280 §5.3.1
  SpkiHash key;
  std::string here;
  {
    Query row = database_->query(
        "SELECT c.fingerprint, c.spki FROM serial_numbers n JOIN certificates c ON c.request = n.request "
        "WHERE n.issuer = ?1 AND n.serial = ?2 AND n.request <> '' AND c.serial = ?2",
        revoked.issuer, revoked.serial);
    if (row.row()) row.into(0, here, key);
  }
  if (!here.empty()) {
    change_record(
        {Of::certificate, here, {}, revoked.reason == kOnHold ? workflow::status::kHeld : workflow::status::kRevoked},
        cause);
  } else if (const auto elsewhere = certified_elsewhere(revoked.issuer, revoked.serial)) {
    key = elsewhere->key;
  }
  const workflow::RevocationReason* const reason = workflow::revocation_reason(revoked.reason);
  if (reason == nullptr || !reason->compromise || key.empty()) return;
  change_record({Of::key, key.str(), {}, workflow::status::kCompromised}, cause);
}

workflow::TakenOver SqliteStore::take_over(const Takeover& takeover, const std::string& kind, const Json& fact,
                                           const std::string& actor, Instant at) {
  Database::Write write(*database_);
  const bool is_new_here = serials_taken(takeover.issuer) == 0 && highest_crl_number(takeover.issuer) == 0;
  const bool tells_everything = takeover.from == Takeover::From::a_lost_store || is_new_here;
  workflow::TakenOver taken;
  for (const CertifiedElsewhere& one : takeover.certificates) {
    if (put(takeover, one, at)) {
      ++taken.certificates;
    } else if (learn(takeover.issuer, one, {actor, at, ""})) {
      ++taken.learnt;
    }
  }
  for (const workflow::RevokedSerial& one : takeover.revoked) {
    if (!put(one)) continue;
    ++taken.revoked;
    follow(one, {actor, at, ""});
  }
  taken.crl = put_last_crl(takeover, at);
  // What was issued elsewhere names one of its shards.
  Instant until{};
  for (const CertifiedElsewhere& one : takeover.certificates) until = std::max(until, one.not_after);
  for (const workflow::PublishedCrl& one : takeover.shards) {
    if (!one.distribution_point.empty())
      name_distribution_point({takeover.issuer, "", "", at, one.distribution_point, until});
  }
  const bool resumed = tells_everything && resume(takeover.issuer, at);
  if (takeover.crl_numbers_to_skip > 0) {
    skip_crl_numbers(takeover, at);
  } else if (taken.nothing() && !resumed) {
    return taken;
  }
  append_leaf(audit::fact_leaf(kind, fact, actor, at));
  write.commit();
  return taken;
}

std::optional<CertifiedElsewhere> SqliteStore::certified_elsewhere(const std::string& issuer,
                                                                   const std::string& serial) {
  Query row = database_->query(
      "SELECT serial, subject, not_after, spki, holder FROM certified_elsewhere WHERE issuer = ? AND serial = ?",
      issuer, serial);
  if (!row.row()) return std::nullopt;
  CertifiedElsewhere there;
  row.into(0, there.serial, there.subject, there.not_after, there.key);
  there.holder = holder_in(row.text(4));
  return there;
}

std::optional<Instant> SqliteStore::end_of_certificate(const std::string& issuer, const std::string& serial) {
  if (const auto elsewhere = certified_elsewhere(issuer, serial)) return elsewhere->not_after;
  Query row = database_->query(
      "SELECT c.not_after FROM serial_numbers n JOIN certificates c ON c.request = n.request "
      "WHERE n.issuer = ?1 AND n.serial = ?2 AND n.request <> '' AND c.serial = ?2",
      issuer, serial);
  return row.row() ? std::optional(row.instant(0)) : std::nullopt;
}

}  // namespace hsmbridge::store
