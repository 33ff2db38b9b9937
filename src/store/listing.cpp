#include "base/error.h"
#include "base/json.h"
#include "base/log.h"
#include "store/rows.h"
#include "store/sqlite_store.h"

#include <fmt/core.h>

#include <algorithm>
#include <functional>
#include <iterator>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

// Pages of lists. What is asked for by state, provider and profile is spread over classes of rows that are equal in
// these: one index has them, each class in the order of its list. A page is the first few of each class, merged; nothing
// else is looked at, however many rows there are. OFFSET would pass over all rows before it.
namespace hsmbridge::store {

using workflow::CertificateLine;
using workflow::CertificateListQuery;
using workflow::RequestLine;
using workflow::RequestQuery;

namespace {

// Where a row is in its list: the time that it is sorted by, then its id.
struct Position {
  Instant at{};
  std::string id;
};

// What a page is merged from. Parameters of both statements: ?1 the bound of the times, ?2 and ?3 the position that the
// page begins behind, ?4 how many rows; `bind` gives those from ?5 on.
struct PagePart {
  const char* rows;   // time and id, in the order of the list
  const char* count;  // of those rows
  std::function<void(Query&)> bind;
};
#define HSMBRIDGE_PART(sql) sql, "SELECT count(*) FROM (" sql ")"

struct List {
  enum class Order { newest_first, earliest_first };
  Order order = Order::newest_first;
  Instant bound{};  // of the times: the earliest that is wanted, or the latest
  Position after;
  std::vector<PagePart> parts;
};

std::vector<Position> first_of(Database& database, const List& list, std::size_t most) {
  const bool newest = list.order == List::Order::newest_first;
  std::vector<Position> found;
  Instant bound = list.bound;
  for (const PagePart& part : list.parts) {
    Query row = database.query(part.rows, bound, list.after.at, list.after.id, most);
    part.bind(row);
    while (row.row()) found.push_back({row.instant(0), row.text(1)});
    std::sort(found.begin(), found.end(), [newest](const Position& one, const Position& other) {
      const auto before = [](const Position& a, const Position& b) {
        return std::tie(a.at, a.id) < std::tie(b.at, b.id);
      };
      return newest ? before(other, one) : before(one, other);
    });
    if (found.size() < most) continue;
    found.resize(most);
    bound = found.back().at;  // what is behind it in other parts need not be read
  }
  return found;
}

std::size_t count_of(Database& database, const List& list, std::size_t most) {
  std::size_t count = 0;
  for (const PagePart& part : list.parts) {
    if (count == most) break;
    Query row = database.query(part.count, list.bound, list.after.at, list.after.id, most - count);
    part.bind(row);
    if (row.row()) count += static_cast<std::size_t>(row.count(0));
  }
  return count;
}

// What `read` makes of the first `most`. A row that cannot be read is left out, and the next one takes its place: one
// damaged request must not hide all others.
template <class Line>
std::vector<Line> page_of(Database& database, List list, std::size_t most, const char* what,
                          const std::function<Line(const std::string& id)>& read) {
  std::vector<Line> lines;
  while (lines.size() < most) {
    const auto positions = first_of(database, list, most - lines.size());
    if (positions.empty()) break;
    for (const Position& one : positions) {
      try {
        lines.push_back(read(one.id));
      } catch (const Error& error) {
        if (error.kind() != ErrorKind::corrupt || !error.detail("sqlite").empty()) throw;
        log::error(fmt::format("{} {} is not listed: {}", what, one.id, error.message()));
      }
    }
    list.after = positions.back();
  }
  return lines;
}

// The last time there is. The next class is looked for behind it: a search behind the words of the last class alone
// would read all of that class, which SQLite's plan does not say.
#define HSMBRIDGE_LAST "9223372036854775807"

bool is_among(const std::vector<std::string>& words, const std::string& word) {
  return words.empty() || std::find(words.begin(), words.end(), word) != words.end();
}
bool is_wanted(const std::optional<std::string>& wanted, const std::string& value) {
  return !wanted || *wanted == value;
}

// ---- requests -------------------------------------------------------------------------------------------------------

#define HSMBRIDGE_BEHIND "created_at >= ?1 AND (created_at, id) < (?2, ?3) "
#define HSMBRIDGE_NEWEST "ORDER BY created_at DESC, id DESC LIMIT ?4"

std::vector<std::string> words_of(const std::vector<workflow::StateName>& states) {
  std::vector<std::string> words;
  for (const workflow::StateName state : states) words.emplace_back(to_string(state));
  return words;
}

std::vector<PagePart> request_classes(Database& database, const RequestQuery& query) {
  const std::vector<std::string> states = words_of(query.states);
  std::vector<PagePart> parts;
  std::int64_t final = -1;
  std::string state, provider, profile;
  for (;;) {
    Query row = database.query(
        "SELECT final, state, provider, profile FROM requests "
        "WHERE (final, state, provider, profile, created_at) > (?, ?, ?, ?, " HSMBRIDGE_LAST
        ") "
        "ORDER BY final, state, provider, profile, created_at LIMIT 1",
        final, state, provider, profile);
    if (!row.row() || (query.open_only && row.integer(0) != 0)) return parts;
    row.into(0, final, state, provider, profile);
    if (!is_among(states, state) || !is_wanted(query.provider, provider) || !is_wanted(query.profile, profile))
      continue;
    parts.push_back(
        {HSMBRIDGE_PART("SELECT created_at, id FROM requests WHERE final = ?5 AND state = ?6 AND provider = "
                        "?7 AND profile = ?8 AND " HSMBRIDGE_BEHIND HSMBRIDGE_NEWEST),
         [=](Query& one) { one.bind(final, state, provider, profile); }});
  }
}

List list_of(Database& database, const RequestQuery& query) {
  List list{List::Order::newest_first, query.since.value_or(Instant::min()), {Instant::max(), ""}, {}};
  if (query.after) {
    Query row = database.query("SELECT created_at, id FROM requests WHERE id = ?", *query.after);
    if (!row.row()) throw Error{ErrorKind::not_found, fmt::format("there is no request {}", query.after->str())};
    row.into(0, list.after.at, list.after.id);
  }
  if (query.name) {
    list.parts = {{HSMBRIDGE_PART("SELECT n.created_at, n.request FROM request_names n "
                                  "CROSS JOIN requests r ON r.id = n.request "
                                  "WHERE n.name = ?5 AND n.created_at >= ?1 AND (n.created_at, n.request) < (?2, ?3) "
                                  "AND (?6 = 0 OR r.final = 0) "
                                  "AND (?7 = '[]' OR r.state IN (SELECT value FROM json_each(?7))) "
                                  "AND (?8 IS NULL OR r.provider = ?8) AND (?9 IS NULL OR r.profile = ?9) "
                                  "ORDER BY n.created_at DESC, n.request DESC LIMIT ?4"),
                   [&query](Query& one) {
                     one.bind(*query.name, query.open_only, Json(words_of(query.states)).dump(), query.provider,
                              query.profile);
                   }}};
  } else if (query.states.empty() && !query.open_only && !query.provider && !query.profile) {
    list.parts = {{HSMBRIDGE_PART("SELECT created_at, id FROM requests WHERE " HSMBRIDGE_BEHIND HSMBRIDGE_NEWEST),
                   [](Query&) {}}};
  } else {
    list.parts = request_classes(database, query);
  }
  return list;
}

RequestLine read_request_line(const Query& row) {
  return in_row("request", [&] {
    RequestLine line;
    std::string kind, state;
    row.into(0, line.id, kind, state, line.names, line.provider, line.profile, line.token, line.key, line.predecessor,
             line.created_at, line.changed_at);
    const auto* traits = std::find_if(std::begin(workflow::kKinds), std::end(workflow::kKinds),
                                      [&](const workflow::KindTraits& one) { return one.name == kind; });
    const auto name = workflow::state_name_from(state);
    if (traits == std::end(workflow::kKinds))
      throw Error{ErrorKind::corrupt, fmt::format("there is no kind '{}'", kind)};
    if (!name) throw Error{ErrorKind::corrupt, fmt::format("there is no state '{}'", state)};
    line.kind = traits->kind;
    line.state = *name;
    return line;
  });
}

// ---- certificates ---------------------------------------------------------------------------------------------------

#define HSMBRIDGE_ENDING "c.not_after <= ?1 AND (c.not_after, c.fingerprint) > (?2, ?3) "
#define HSMBRIDGE_EARLIEST "ORDER BY c.not_after, c.fingerprint LIMIT ?4"
#define HSMBRIDGE_STORED \
  "c.stored_at >= ?1 AND (c.stored_at, c.fingerprint) < (?2, ?3) AND (?8 IS NULL OR c.not_after <= ?8) "
#define HSMBRIDGE_LATEST "ORDER BY c.stored_at DESC, c.fingerprint DESC LIMIT ?4"
#define HSMBRIDGE_CLASS "FROM certificates c WHERE c.status = ?5 AND c.provider = ?6 AND c.profile = ?7 AND "
#define HSMBRIDGE_NAMED                                                                        \
  "FROM request_names n CROSS JOIN certificates c ON c.request = n.request WHERE n.name = ?5 " \
  "AND (?6 IS NULL OR c.provider = ?6) AND (?7 IS NULL OR c.profile = ?7) "                    \
  "AND (?9 = '[]' OR c.status IN (SELECT value FROM json_each(?9))) AND "

PagePart class_part(const CertificateListQuery& query, const std::string& status, const std::string& provider,
                    const std::string& profile) {
  if (query.since) {
    return {HSMBRIDGE_PART("SELECT c.stored_at, c.fingerprint " HSMBRIDGE_CLASS HSMBRIDGE_STORED HSMBRIDGE_LATEST),
            [=, &query](Query& one) { one.bind(status, provider, profile, query.ends_by); }};
  }
  return {HSMBRIDGE_PART("SELECT c.not_after, c.fingerprint " HSMBRIDGE_CLASS HSMBRIDGE_ENDING HSMBRIDGE_EARLIEST),
          [=](Query& one) { one.bind(status, provider, profile); }};
}

PagePart named_part(const CertificateListQuery& query) {
  const auto bind = [&query](Query& one) {
    one.bind(*query.name, query.provider, query.profile, query.ends_by, Json(query.statuses).dump());
  };
  // What one name has is sorted when it is asked for.
  if (query.since) {
    return {HSMBRIDGE_PART("SELECT c.stored_at, c.fingerprint " HSMBRIDGE_NAMED HSMBRIDGE_STORED HSMBRIDGE_LATEST),
            bind};
  }
  return {HSMBRIDGE_PART("SELECT c.not_after, c.fingerprint " HSMBRIDGE_NAMED HSMBRIDGE_ENDING HSMBRIDGE_EARLIEST),
          bind};
}

std::vector<PagePart> certificate_classes(Database& database, const CertificateListQuery& query) {
  std::vector<PagePart> parts;
  std::string status, provider, profile;
  for (;;) {
    Query row = database.query(
        "SELECT status, provider, profile FROM certificates "
        "WHERE (status, provider, profile, not_after) > (?, ?, ?, " HSMBRIDGE_LAST
        ") "
        "ORDER BY status, provider, profile, not_after LIMIT 1",
        status, provider, profile);
    if (!row.row()) return parts;
    row.into(0, status, provider, profile);
    if (!is_among(query.statuses, status) || !is_wanted(query.provider, provider) ||
        !is_wanted(query.profile, profile)) {
      continue;
    }
    parts.push_back(class_part(query, status, provider, profile));
  }
}

List list_of(Database& database, const CertificateListQuery& query) {
  List list;
  if (query.since) {
    list = {List::Order::newest_first, *query.since, {Instant::max(), ""}, {}};
  } else {
    list = {List::Order::earliest_first, query.ends_by.value_or(Instant::max()), {Instant::min(), ""}, {}};
  }
  if (query.after) {
    Query row = database.query("SELECT not_after, stored_at, fingerprint FROM certificates WHERE fingerprint = ?",
                               *query.after);
    if (!row.row()) throw Error{ErrorKind::not_found, fmt::format("there is no certificate {}", *query.after)};
    list.after = {row.instant(query.since ? 1 : 0), row.text(2)};
  }
  if (query.name) {
    list.parts = {named_part(query)};
  } else {
    list.parts = certificate_classes(database, query);
  }
  return list;
}

CertificateLine read_certificate_line(const Query& row) {
  return in_row("certificate", [&] {
    CertificateLine line;
    auto& record = line.record;
    std::string installed;
    row.into(0, record.fingerprint, record.request, record.spki, record.subject, record.issuer, record.serial,
             record.not_before, record.not_after, record.status, record.stored_at, record.reference,
             record.provider_state, record.predecessor, installed, line.provider, line.profile, line.names, line.token,
             line.key);
    record.installed = Json::parse(installed).as_strings();
    return line;
  });
}

}  // namespace

std::vector<RequestLine> SqliteStore::page(const RequestQuery& query) {
  const Database::Read moment(*database_);
  return page_of<RequestLine>(
      *database_, list_of(*database_, query), query.most, "request", [this](const std::string& id) {
        Query row = database_->query(
            "SELECT id, kind, state, names, provider, profile, token, key_name, predecessor, created_at, changed_at "
            "FROM requests WHERE id = ?",
            id);
        if (!row.row()) throw Error{ErrorKind::corrupt, "an index names it, and it is not there"};
        return read_request_line(row);
      });
}

std::size_t SqliteStore::count(const RequestQuery& query) {
  const Database::Read moment(*database_);
  return count_of(*database_, list_of(*database_, query), query.most);
}

std::vector<CertificateLine> SqliteStore::page(const CertificateListQuery& query) {
  const Database::Read moment(*database_);
  return page_of<CertificateLine>(
      *database_, list_of(*database_, query), query.most, "certificate", [this](const std::string& id) {
        Query row = database_->query(
            "SELECT c.fingerprint, c.request, c.spki, c.subject, c.issuer, c.serial, c.not_before, c.not_after, "
            "c.status, "
            "c.stored_at, c.reference, c.provider_state, c.predecessor, c.installed, c.provider, c.profile, r.names, "
            "r.token, r.key_name FROM certificates c JOIN requests r ON r.id = c.request WHERE c.fingerprint = ?",
            id);
        if (!row.row()) throw Error{ErrorKind::corrupt, "its request is not there"};
        return read_certificate_line(row);
      });
}

std::size_t SqliteStore::count(const CertificateListQuery& query) {
  const Database::Read moment(*database_);
  return count_of(*database_, list_of(*database_, query), query.most);
}

}  // namespace hsmbridge::store
