#include "audit/leaf.h"
#include "base/error.h"
#include "base/log.h"
#include "store/drafts.h"
#include "store/rows.h"
#include "store/sqlite_store.h"
#include "workflow/machine/codec.h"
#include "workflow/machine/lifecycle.h"

#include <fmt/core.h>

#include <utility>

namespace hsmbridge::store {

using workflow::StepResult;

namespace {

constexpr std::string_view kRecordColumns = "order_json, state_json, sequence, changed_at";
constexpr const char* kById = "SELECT order_json, state_json, sequence, changed_at, id FROM requests WHERE id = ?";

// The certificate that a state with install targets is about.
std::string installed_in(const workflow::State& state) {
  if (const auto* installing = std::get_if<workflow::Installing>(&state)) return installing->certificate;
  if (const auto* completed = std::get_if<workflow::Completed>(&state)) return completed->certificate;
  return "";
}

}  // namespace

workflow::Record read_record(const Query& row, int first, Database& database) {
  Drafts drafts(database);
  return in_row("request", [&] {
    return workflow::Record{workflow::order_from(Json::parse(row.text(first))),
                            workflow::state_from(Json::parse(row.text(first + 1)), &drafts), row.count(first + 2),
                            row.instant(first + 3)};
  });
}

const SpkiHash& key_in(const workflow::Order& order, const workflow::State& state) {
  static const SpkiHash kNone;
  const workflow::Key* const key = workflow::key_of(state);
  if (key != nullptr && !key->spki.empty()) return key->spki;
  const workflow::Enroll* const wanted = order.enrolment();
  return wanted != nullptr ? wanted->key.spki : kNone;
}

std::string key_name_in(const workflow::Order& order, const workflow::State& state) {
  const workflow::Enroll* const wanted = order.enrolment();
  if (wanted == nullptr) return {};
  const workflow::Key* const key = workflow::key_of(state);
  return well_formed(key != nullptr ? key->label : wanted->key.selector);
}

void put_request(Database& database, const workflow::Order& order, const workflow::State& state,
                 const std::string& state_json, std::uint64_t sequence, Instant changed_at) {
  const workflow::StateName name = name_of(state);
  const workflow::Predecessor* const predecessor = order.predecessor();
  database.run(
      "INSERT INTO requests (id, order_json, state_json, state, final, work, predecessor, sequence, created_at, "
      "changed_at, token, cka_id, spki, kind, provider, profile, names, key_name) "
      "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
      order.id, to_json(order).dump(), state_json, to_string(name), is_final(name), workflow::work_of(order),
      predecessor == nullptr ? std::string{} : predecessor->certificate, sequence, order.created_at, changed_at,
      order.token(), order.enrolment() != nullptr ? order.enrolment()->key.cka_id : std::string{},
      key_in(order, state).str(), order.traits().name, order.provider, order.profile, workflow::names_of(order),
      key_name_in(order, state));
  put_names(database, order);
}

void put_names(Database& database, const workflow::Order& order) {
  for (const std::string& name : workflow::search_names(order)) {
    database.run("INSERT INTO request_names (name, created_at, request) VALUES (?, ?, ?)", name, order.created_at,
                 order.id);
  }
}

void put_references(Database& database, const workflow::Order& order, const workflow::EventBody& body) {
  const auto put = [&](const ProviderReference& reference) {
    if (reference.empty()) return;
    database.run("INSERT OR IGNORE INTO provider_references (provider, reference, request) VALUES (?, lower(?), ?)",
                 order.provider, reference, order.id);
  };
  if (const auto* report = workflow::report_of(body)) put(report->reference);
  if (const auto* there = std::get_if<workflow::ResolvedAsThere>(&body)) put(there->reference);
}

// Columns as read_record reads them, then the id.
std::vector<workflow::Record> read_records(Query& row, Database& database) {
  std::vector<workflow::Record> records;
  while (row.row()) {
    try {
      records.push_back(read_record(row, 0, database));
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::corrupt) throw;
      // One damaged request must not hide all others.
      log::error(fmt::format("request {} is not listed: {}", row.text(4), error.message()));
    }
  }
  return records;
}

void SqliteStore::append_event(const RequestId& request, std::uint64_t sequence, const workflow::Event& event,
                               workflow::StateName after) {
  const std::string body = to_json(event.body).dump();
  const std::string_view name = to_string(name_of(event.body));
  database_->run("INSERT INTO events (request, sequence, at, actor, event, body, after) VALUES (?, ?, ?, ?, ?, ?, ?)",
                 request, sequence, event.at, event.actor, name, body, to_string(after));
  append_leaf(audit::event_leaf(request.str(), sequence, name, body, event.actor, event.at));
}

void SqliteStore::create(const workflow::Order& order, const std::vector<workflow::Event>& events,
                         const workflow::Decision& begin) {
  if (events.empty()) throw Error{ErrorKind::internal, "a request begins with an event"};
  const workflow::StateName state = name_of(begin.next);
  Database::Write write(*database_);
  if (database_->query("SELECT 1 FROM requests WHERE id = ?", order.id).row()) {
    throw Error{ErrorKind::conflict, fmt::format("request {} exists already", order.id.str())};
  }
  Drafts drafts(*database_);
  if (const auto open = open_request_for(workflow::work_of(order))) {
    throw Error{ErrorKind::conflict, fmt::format("request {} is open for the same work", open->str())}
        .with("request", open->str())
        .hint(fmt::format("go on with it: hsmbridge request wait {}", open->str()));
  }
  refuse_second_csr(order);
  const workflow::Predecessor* predecessor = order.predecessor();
  if (predecessor != nullptr) expect_unchanged(*predecessor);
  put_request(*database_, order, begin.next, to_json(begin.next, &drafts).dump(), events.size(), events.back().at);
  std::uint64_t sequence = 0;
  for (const workflow::Event& event : events) {
    append_event(order.id, ++sequence, event, state);
    // Known by name before it is made, so that no crash leaves a key that nobody looks for.
    if (const auto* planned = std::get_if<workflow::KeyPlanned>(&event.body)) {
      put(workflow::KeyRecord{planned->token, planned->label, planned->cka_id, planned->spec, SpkiHash{},
                              workflow::status::kPlannedAtRandom, event.at});
    }
  }
  for (const workflow::Effect& effect : begin.effects) add_effect(order.id, effect, order);
  for (const workflow::StatusChange& change : begin.records) {
    change_record(change, {order.created_by, order.created_at, order.id.str()});
  }
  write.commit();
}

std::vector<StepResult> SqliteStore::commit(const std::vector<workflow::Step>& steps) {
  std::vector<StepResult> results;
  if (steps.empty()) return results;
  Database::Write write(*database_);
  for (const workflow::Step& step : steps) results.push_back(apply(step));
  write.commit();
  return results;
}

void SqliteStore::refuse_second(const RequestId& request, const std::string& work) {
  const auto open = open_request_for(work);
  if (!open || *open == request) return;
  throw Error{ErrorKind::conflict, fmt::format("request {} is open for the same work", open->str())}
      .with("request", open->str())
      .hint(fmt::format("look at that one first: hsmbridge request explain {}", open->str()));
}

// An enrolment and a renewal are different work: no index keeps them apart.
void SqliteStore::refuse_second_csr(const workflow::Order& order) {
  const workflow::Enroll* const wanted = order.enrolment();
  const auto open = wanted == nullptr ? std::nullopt : open_request_for_csr(order.provider, wanted->key);
  if (!open || *open == order.id) return;
  throw Error{ErrorKind::conflict, fmt::format("request {} is open for this CSR", open->str())}
      .with("request", open->str())
      .hint(fmt::format("look at it: hsmbridge request show {}", open->str()));
}

// Judged before anything is written, so that a step that is not taken leaves no trace in the transaction it shares.
StepResult SqliteStore::apply(const workflow::Step& step) {
  workflow::Order order;
  bool was_over = false;
  std::string work;
  {
    Query row = database_->query("SELECT sequence, order_json, final, work FROM requests WHERE id = ?", step.request);
    if (!row.row() || row.count(0) != step.expected_sequence) return StepResult::stale;
    order = in_row("request", [&] { return workflow::order_from(Json::parse(row.text(1))); });
    row.into(2, was_over, work);
  }
  // Only what an older version quarantined is over and can be taken up again.
  // An older version may have written the same work in other words.
  if (was_over) {
    refuse_second(step.request, work);
    refuse_second(step.request, workflow::work_of(order));
    refuse_second_csr(order);
  }
  if (step.lease_of && (!step.finished_effect || !holds_lease(*step.finished_effect, step.request, *step.lease_of))) {
    return StepResult::lease_lost;
  }
  const workflow::StateName after = name_of(step.decision.next);
  const std::uint64_t sequence = step.expected_sequence + 1;
  append_event(step.request, sequence, step.event, after);
  Drafts drafts(*database_);
  database_->run(
      "UPDATE requests SET state_json = ?, state = ?, final = ?, sequence = ?, changed_at = ?, spki = ?, key_name = ? "
      "WHERE id = ?",
      to_json(step.decision.next, &drafts).dump(), to_string(after), is_final(after), sequence, step.event.at,
      key_in(order, step.decision.next).str(), key_name_in(order, step.decision.next), step.request);
  put_references(*database_, order, step.event.body);
  replace_effects(step, order);
  lease_until_due(step);
  if (step.certificate) put(*step.certificate, order);
  if (step.key) put(*step.key);
  follow(step, order);
  return StepResult::committed;
}

// What a step means for the records.
void SqliteStore::follow(const workflow::Step& step, const workflow::Order& order) {
  const auto* done = std::get_if<workflow::TargetInstalled>(&step.event.body);
  if (const workflow::Enroll* wanted = order.enrolment(); wanted != nullptr && done != nullptr) {
    for (const workflow::InstallTarget& target : wanted->targets) {
      if (target.name == done->target) add_installed(installed_in(step.decision.next), target);
    }
  }
  const Cause cause{step.event.actor, step.event.at, step.request.str()};
  // A key that was retired for its old certificate is needed again.
  if (step.certificate && step.certificate->status == workflow::status::kCurrent) {
    const workflow::StatusChange again{workflow::StatusChange::Of::key,
                                       step.certificate->spki.str(),
                                       {workflow::status::kRetired},
                                       workflow::status::kActive};
    change_record(again, cause);
  }
  for (const workflow::StatusChange& change : step.decision.records) change_record(change, cause);
}

std::optional<workflow::Record> SqliteStore::find(const RequestId& id) {
  Query row = database_->query(kById, id);
  if (!row.row()) return std::nullopt;
  return read_record(row, 0, *database_);
}

std::optional<RequestId> SqliteStore::open_request_for(const std::string& work) {
  Query row = database_->query("SELECT id FROM requests WHERE work = ? AND final = 0", work);
  if (!row.row()) return std::nullopt;
  return RequestId{row.text(0)};
}

std::optional<RequestId> SqliteStore::open_request_for_csr(const std::string& provider, const workflow::KeyWish& key) {
  if (key.source != workflow::KeyWish::Source::brought) return std::nullopt;
  Query row = database_->query("SELECT order_json FROM requests WHERE final = 0 AND spki = ? AND provider = ?",
                               key.spki, provider);
  while (row.row()) {
    const auto order = in_row("request", [&] { return workflow::order_from(Json::parse(row.text(0))); });
    if (equal(order.brought_csr(), key.csr)) return order.id;
  }
  return std::nullopt;
}

std::vector<RequestId> SqliteStore::by_prefix(const std::string& prefix, unsigned most) {
  // Ids are ASCII: everything that begins with the prefix sorts before prefix + DEL. They begin with the second that they
  // were made in: to sort by that time would read all of them, since those of half a year begin alike.
  return database_
      ->query("SELECT id FROM requests WHERE id >= ? AND id < ? ORDER BY id DESC LIMIT ?", prefix, prefix + '\x7f',
              most)
      .all([](const Query& row) { return RequestId{row.text(0)}; });
}

std::vector<workflow::Record> SqliteStore::list(const ListQuery& query) {
  static const auto sql = [](std::string_view condition) {
    return fmt::format(
        "SELECT {}, id FROM requests WHERE {} AND final <= ?1 ORDER BY created_at DESC, id DESC LIMIT ?2",
        kRecordColumns, condition);
  };
  static const std::string kForKey = sql("final = 0 AND spki = ?3");
  static const std::string kByKeyId = sql("token = ?3 AND cka_id = ?4");
  if ((query.spki && !query.open_only) || query.token.has_value() != query.cka_id.has_value() ||
      (query.state && (query.spki || query.token)) || (query.spki && query.token)) {
    throw Error{ErrorKind::internal, "requests are not asked for by these together"};
  }
  if (!query.spki && !query.token) {
    workflow::RequestQuery wanted;
    if (query.state) wanted.states = {*query.state};
    wanted.open_only = query.open_only;
    wanted.most = query.most;
    std::vector<workflow::Record> records;
    for (const workflow::RequestLine& line : page(wanted)) {
      Query row = database_->query(kById, line.id);
      for (workflow::Record& record : read_records(row, *database_)) records.push_back(std::move(record));
    }
    return records;
  }
  Query row = database_->query((query.spki ? kForKey : kByKeyId).c_str(), !query.open_only, query.most);
  query.spki ? row.bind(*query.spki) : row.bind(*query.token, *query.cka_id);
  return read_records(row, *database_);
}

std::map<workflow::StateName, std::uint64_t> SqliteStore::open_by_state(unsigned most) {
  std::map<workflow::StateName, std::uint64_t> counts;
  Query row = database_->query(
      "SELECT state, count(*) FROM (SELECT state FROM requests WHERE final = 0 ORDER BY state LIMIT ?) "
      "GROUP BY state",
      most);
  while (row.row()) {
    // What a newer program wrote there is not known here, and not worked on.
    if (const auto state = workflow::state_name_from(row.text(0))) counts[*state] = row.count(1);
  }
  return counts;
}

std::vector<workflow::Record> SqliteStore::by_reference(const std::string& provider,
                                                        const ProviderReference& reference) {
  static const std::string kSql = fmt::format(
      "SELECT {}, id FROM provider_references p JOIN requests r ON r.id = p.request "
      "WHERE p.provider = ? AND p.reference = lower(?) ORDER BY created_at DESC, id DESC",
      kRecordColumns);
  Query row = database_->query(kSql.c_str(), provider, reference);
  return read_records(row, *database_);
}

std::vector<workflow::Record> SqliteStore::requests_about(const std::string& fingerprint) {
  static const std::string kSql = fmt::format(
      "SELECT {}, id FROM requests WHERE predecessor = ?1 AND predecessor <> '' ORDER BY created_at DESC, id DESC",
      kRecordColumns);
  Query row = database_->query(kSql.c_str(), fingerprint);
  return read_records(row, *database_);
}

std::vector<workflow::JournalEntry> read_history(Database& database, const RequestId& id,
                                                 std::optional<workflow::StateName> unknown_state) {
  const auto read = [&](const Query& row) {
    return in_row("event", [&] {
      auto after = workflow::state_name_from(row.text(4));
      if (!after) after = unknown_state;
      if (!after) throw Error{ErrorKind::corrupt, fmt::format("'{}' is not a known state", row.text(4))};
      return workflow::JournalEntry{
          row.count(0), {row.instant(1), row.text(2), workflow::event_body_from(Json::parse(row.text(3)))}, *after};
    });
  };
  return database.query("SELECT sequence, at, actor, body, after FROM events WHERE request = ? ORDER BY sequence", id)
      .all(read);
}

std::vector<workflow::JournalEntry> SqliteStore::history(const RequestId& id) {
  return read_history(*database_, id);
}

namespace {

// An answer as this program would write it, or "" when it cannot be read.
std::string in_todays_words(const std::string& body) {
  try {
    return to_json(workflow::event_body_from(Json::parse(body))).dump();
  } catch (const Error&) {
    return {};
  }
}

}  // namespace

void SqliteStore::keep_late_answer(const workflow::LateAnswer& answer, const std::optional<workflow::KeyRecord>& key) {
  const Json body = to_json(answer.event.body);
  const std::string text = body.dump();
  Database::Write write(*database_);
  // A commit that only seemed to fail is repeated by whoever holds the answer, who may be a newer program: the same
  // answer reads the same, however it was written.
  for (const std::string& known :
       database_->query("SELECT body FROM late_answers WHERE request = ? AND at = ?", answer.request, answer.event.at)
           .texts()) {
    if (known == text || in_todays_words(known) == text) return;
  }
  database_->run("INSERT INTO late_answers (request, at, actor, body, why) VALUES (?, ?, ?, ?, ?)", answer.request,
                 answer.event.at, answer.event.actor, text, answer.why);
  try {
    if (const auto record = find(answer.request)) put_references(*database_, record->order, answer.event.body);
  } catch (const Error& error) {
    // The answer is kept whatever became of its request's row; only the index lacks its reference then.
    if (error.kind() != ErrorKind::corrupt || !error.detail("sqlite").empty()) throw;
    log::warning(fmt::format("request {} cannot be read: {}", answer.request.str(), error.message()));
  }
  append_leaf(audit::fact_leaf("late-answer",
                               Json::object({{"request", answer.request.str()}, {"answer", body}, {"why", answer.why}}),
                               answer.event.actor, answer.event.at));
  if (key) put(*key);
  write.commit();
}

std::vector<workflow::LateAnswer> SqliteStore::late_answers(const RequestId& id) {
  const auto read = [&id](const Query& row) {
    return in_row("late answer", [&] {
      return workflow::LateAnswer{
          id, {row.instant(0), row.text(1), workflow::event_body_from(Json::parse(row.text(2)))}, row.text(3)};
    });
  };
  return database_->query("SELECT at, actor, body, why FROM late_answers WHERE request = ? ORDER BY position", id)
      .all(read);
}

}  // namespace hsmbridge::store
