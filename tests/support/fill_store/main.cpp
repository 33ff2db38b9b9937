// Fills a store with copies of requests that the program has made, so that it can be measured with a million of them:
//   fill_store STORE REQUEST=COUNT…
// Each copy has an id, a key, names, a journal with its audit leaves, effects, references and certificates of its own,
// written by the store's own functions under its own rules (`hsmbridge audit verify` finds nothing); what its provider
// knows it by is that of the request that it is a copy of. So one request at a simulated provider stands for all of
// them. Polls of the copies fall due within the next half minute. The bytes of drafts and certificates are shared.
// No hsmbridge may have the store open. Not durable until it ends: only for stores that can be made again.
#include "audit/leaf.h"
#include "base/bytes.h"
#include "base/error.h"
#include "base/json.h"
#include "store/mark.h"
#include "store/rows.h"
#include "store/schema.h"
#include "store/tree.h"
#include "workflow/machine/codec.h"

#include <fmt/core.h>

#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <string>
#include <utility>
#include <vector>

using namespace hsmbridge;
using namespace hsmbridge::store;

namespace {

constexpr std::uint64_t kBatch = 20000;  // requests a transaction
constexpr Duration kDueWithin = std::chrono::seconds{30};
constexpr Duration kHistory = std::chrono::hours{24 * 90};  // over which finished ones are spread

// Texts of the original and what the copy has in their place.
using Replacements = std::vector<std::pair<std::string, std::string>>;

std::string replaced(std::string text, const Replacements& replacements) {
  for (const auto& [from, to] : replacements) {
    for (std::size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size()) {
      text.replace(at, from.size(), to);
    }
  }
  return text;
}

struct Original {
  struct Event {
    std::int64_t at = 0;
    std::string actor, event, body, after;
  };
  struct Effect {
    std::string identity, name, target, lane;
    std::int64_t attempt = 0;
  };
  workflow::Record record;
  std::string state_json;
  std::vector<Event> events;
  std::vector<Effect> effects;
  std::vector<std::string> certificates, references;
};

Original read_original(Database& database, const RequestId& id) {
  Original original;
  {
    Query row = database.query("SELECT order_json, state_json, sequence, changed_at FROM requests WHERE id = ?", id);
    if (!row.row()) throw Error{ErrorKind::not_found, fmt::format("there is no request {}", id.str())};
    original.record = read_record(row, 0, database);
    original.state_json = row.text(1);
  }
  original.events =
      database.query("SELECT at, actor, event, body, after FROM events WHERE request = ? ORDER BY sequence", id)
          .all([](const Query& row) {
            return Original::Event{row.integer(0), row.text(1), row.text(2), row.text(3), row.text(4)};
          });
  original.effects = database.query("SELECT identity, name, target, lane, attempt FROM effects WHERE request = ?", id)
                         .all([](const Query& row) {
                           return Original::Effect{row.text(0), row.text(1), row.text(2), row.text(3), row.integer(4)};
                         });
  original.certificates = database.query("SELECT fingerprint FROM certificates WHERE request = ?", id).texts();
  original.references = database.query("SELECT reference FROM provider_references WHERE request = ?", id).texts();
  return original;
}

class Filler {
 public:
  explicit Filler(const std::string& file)
      : file_(file), database_(open_current(file, std::chrono::seconds{1}, Access::read_write, Missing::refuse, {})) {
    // Rows with random ids land all over the indexes: with SQLite's 2 MB each page is written many times.
    database_->execute("PRAGMA synchronous = OFF; PRAGMA cache_size = -2000000; PRAGMA wal_autocheckpoint = 400000");
    head_ = read_tree(*database_, Head::last);
  }

  void copy(const RequestId& id, std::uint64_t count) {
    const Original original = read_original(*database_, id);
    for (std::uint64_t done = 0; done < count;) {
      Database::Write write(*database_);
      for (const std::uint64_t end = std::min(count, done + kBatch); done < end; ++done) one(original, done, count);
      write_tree(*database_, Head::last, head_);
      write.commit();
    }
  }

  void finish() {
    write_mark(file_, {head_.size(), head_.root()});
    database_->execute("PRAGMA synchronous = FULL; PRAGMA wal_checkpoint(TRUNCATE)");
  }

 private:
  void one(const Original& original, std::uint64_t number, std::uint64_t count) {
    const workflow::Record& record = original.record;
    const bool final = is_final(name_of(record.state));
    const std::string hash = hex(sha256(as_bytes(fmt::format("{} {}", record.order.id.str(), number))));
    const Instant made = final ? record.order.created_at - kHistory +
                                     kHistory * static_cast<std::int64_t>(number) / static_cast<std::int64_t>(count)
                               : record.order.created_at + Duration{static_cast<std::int64_t>(number)};
    const Duration later = made - record.order.created_at;

    workflow::Order order = record.order;
    std::string id = record.order.id.str().substr(0, 6);
    for (std::size_t i = 0; i < 10; ++i) {
      id += "0123456789ABCDEFGHJKMNPQRSTVWXYZ"[std::stoul(hash.substr(2 * i, 2), nullptr, 16) & 31U];
    }
    order.id = RequestId{id};
    order.created_at = made;
    workflow::Enroll wanted = workflow::enrolment_of(order);
    const std::string name = fmt::format("host-{}.example.com", number);
    Replacements replacements{{record.order.id.str(), id}};
    const auto replace = [&replacements](const std::string& from, std::string to) {
      if (!from.empty()) replacements.emplace_back(from, std::move(to));
    };
    replace(wanted.key.cka_id, hash.substr(0, 32));
    replace(key_in(record.order, record.state).str(), hash);
    for (const std::string& one : original.certificates) replace(one, hex(sha256(as_bytes(one + hash))));
    const std::string label = wanted.key.selector;
    wanted.key.selector = label + "-" + hash.substr(0, 12);
    if (label.size() >= 6) replace(label, wanted.key.selector);  // a shorter one may be part of any word
    wanted.key.cka_id = replaced(wanted.key.cka_id, replacements);
    wanted.content.content.subject_alternative_names = {x509::GeneralName::parse("dns:" + name)};
    std::get<workflow::Enroll>(order.what) = wanted;

    const Instant changed = record.changed_at + later;
    put_request(*database_, order, record.state, replaced(original.state_json, replacements), original.events.size(),
                changed);
    database_->run("UPDATE requests SET spki = ?, key_name = ? WHERE id = ?",
                   replaced(key_in(record.order, record.state).str(), replacements), wanted.key.selector, id);
    put_key(wanted, replaced(key_in(record.order, record.state).str(), replacements), changed);

    std::uint64_t sequence = 0;
    for (const Original::Event& event : original.events) {
      const std::string body = sequence == 0 ? to_json(workflow::EventBody{workflow::Created{order}}).dump()
                                             : replaced(event.body, replacements);
      const Instant at{Duration{event.at} + later};
      ++sequence;
      database_->run(
          "INSERT INTO events (request, sequence, at, actor, event, body, after) VALUES (?, ?, ?, ?, ?, ?, ?)", id,
          sequence, at, event.actor, event.event, body, event.after);
      put_leaf(*database_, head_, audit::event_leaf(id, sequence, event.event, body, event.actor, at));
    }
    const Instant due = now_ + kDueWithin * static_cast<std::int64_t>(number) / static_cast<std::int64_t>(count);
    for (const Original::Effect& effect : original.effects) {
      database_->run(
          "INSERT INTO effects (request, identity, name, attempt, target, lane, due, set_at) VALUES (?, ?, ?, ?, ?, ?, "
          "?, "
          "?)",
          id, effect.identity, effect.name, effect.attempt, effect.target, effect.lane, due, now_);
    }
    for (const std::string& reference : original.references) {
      database_->run("INSERT INTO provider_references (provider, reference, request) VALUES (?, ?, ?)", order.provider,
                     reference, id);
    }
    for (const std::string& old : original.certificates) put_certificate(old, id, replacements, later);
  }

  void put_key(const workflow::Enroll& wanted, const std::string& spki, Instant at) {
    if (wanted.key.cka_id.empty()) return;
    database_->run(
        "INSERT INTO keys (token, cka_id, label, spec, spki, status, changed_at) VALUES (?, ?, ?, ?, ?, 'active', ?)",
        wanted.token, wanted.key.cka_id, wanted.key.selector, wanted.key.spec, spki, at);
  }

  void put_certificate(const std::string& old, const std::string& id, const Replacements& replacements,
                       Duration later) {
    const std::string fingerprint = replaced(old, replacements);
    database_->run(
        "INSERT INTO certificates (fingerprint, der, chain, request, spki, subject, issuer, serial, not_before, "
        "not_after, "
        "status, stored_at, reference, provider_state, predecessor, profile, installed, provider) "
        "SELECT ?1, der, chain, ?2, (SELECT spki FROM requests WHERE id = ?2), subject, issuer, serial, not_before + "
        "?3, "
        "not_after + ?3, status, stored_at + ?3, reference, provider_state, predecessor, profile, installed, provider "
        "FROM certificates WHERE fingerprint = ?4",
        fingerprint, id, later, old);
    database_->run(
        "INSERT INTO certificate_places (target, fingerprint) SELECT j.value, c.fingerprint FROM certificates c, "
        "json_each(c.installed) j WHERE c.fingerprint = ?",
        fingerprint);
  }

  const std::string file_;
  const std::unique_ptr<Database> database_;
  const Instant now_ = SystemClock().now();
  audit::TreeHead head_;
};

}  // namespace

int main(int argc, char** argv) try {
  if (argc < 3) {
    std::cerr << "fill_store STORE REQUEST=COUNT...\n";
    return 2;
  }
  Filler filler(argv[1]);
  for (int i = 2; i < argc; ++i) {
    const std::string argument = argv[i];
    const std::size_t equals = argument.find('=');
    if (equals == std::string::npos) throw Error{ErrorKind::invalid_input, argument + " is not REQUEST=COUNT"};
    filler.copy(RequestId{argument.substr(0, equals)}, std::stoull(argument.substr(equals + 1)));
  }
  filler.finish();
  return 0;
} catch (const Error& error) {
  std::cerr << "fill_store: " << error.message() << '\n';
  return 1;
}
