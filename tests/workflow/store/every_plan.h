#pragma once

// For listeners; before the first include of Catch.
#define CATCH_CONFIG_EXTERNAL_INTERFACES

#include "store/schema.h"
#include "workflow/store/foreign.h"

#include <sqlite3.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdio>
#include <cstdlib>
#include <iterator>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <vector>

// Included once in a program of tests, this hears every statement that the store began while they ran, asks SQLite how
// it looks for the rows, and ends the program with an error when a statement reads a whole table or sorts more than one
// page of it: a new statement cannot escape by being in no list. What may do so is named below, with the reason.
namespace hsmbridge::test {

struct Allowed {
  std::string_view part;  // of the plan's step, or of the statement
  std::string_view why;
};
inline constexpr Allowed kSteps[] = {
    {"SCAN restored", "a row at most"},
    {"SCAN restorations", "the last one, from the end"},
    {"SCAN lanes", "a row a lane"},
    {"USING INDEX effects_leased", "what workers have in hand, or what settles"},
    {"SCAN sqlite_schema", "the triggers"},
    {"VIRTUAL TABLE", "json_each: the statement's own rows"},
    {"CONSTANT ROW", "the statement's own rows"},
    {"SCAN (", "a subquery, whose steps are judged alone"},
    {"SCAN later", "the chain of renewals of one certificate"},
    {"SCAN l ", "the chain of renewals of one certificate"},
};
inline constexpr Allowed kStatements[] = {
    // Sorted: what one thing has.
    {"FROM certificates WHERE request = ?1 ", "of one request"},
    {"FROM certificates WHERE spki = ?1 ", "of one key"},
    {"FROM request_names n CROSS JOIN certificates c ", "of one name"},
    {"FROM provider_references p ", "of one reference"},
    {"FROM requests WHERE predecessor = ?1 ", "about one certificate"},
    {"FROM requests WHERE final = 0 AND spki = ?3 ", "open, and for one key or for one that is not known yet"},
    {"FROM requests WHERE token = ?3 AND cka_id = ?4 ", "of one key"},
    {"FROM effects WHERE request = ?5 ", "of one request"},
    {"FROM keys k WHERE spki = ?1 ", "of one public key"},
    {"FROM certificates WHERE status IN ('current', 'superseded', 'late') AND not_after < ? ",
     "those that ended since"},
    {"FROM leaves ORDER BY position DESC LIMIT 1", "the last one, from the end"},
    // Whole: a person asked for all of it, or it is done once.
    {"FROM keys k WHERE ?1 = '' OR label = ?1 ", "every key"},
    {"SELECT count(*) FROM events", "audit verify"},
    {"SELECT count(*) FROM requests", "another program, in a test of migrations"},
    {"SELECT digest, octets FROM drafts ORDER BY digest", "audit verify"},
    {"SELECT id, order_json, kind, names, created_at FROM requests ORDER BY id", "audit verify"},
    {"SELECT count(*) FROM request_names", "audit verify"},
    {"SELECT c.fingerprint FROM certificates c JOIN requests r", "audit verify"},
    {"SELECT r.id FROM requests r LEFT JOIN events e", "audit verify"},
    {"SELECT r.id, r.state, COALESCE(e.after", "audit verify"},
    {"SELECT r.id, j.value FROM requests r, json_tree(", "audit verify"},
    {"SELECT MAX(set_at) FROM effects", "at a start, and when the clock was set back"},
    {"UPDATE effects SET due = due - (set_at - ?1), set_at = ?1 ", "when the clock was set back"},
    // Migrations.
    {"SELECT id, state_json FROM requests ORDER BY id", "to version 5"},
    {"SELECT id, state_json FROM requests WHERE state = 'Quarantined' ORDER BY id", "to version 4"},
    {"SELECT id, order_json, state_json FROM requests ORDER BY id", "to version 5"},
    {"SELECT fingerprint, chain FROM certificates", "to version 5"},
    {"FROM leaves_3", "to version 4"},
    {"FROM pin_refusals", "to version 5"},
    {"UPDATE effects SET set_at = MIN(due, ", "to version 4"},
    {"UPDATE effects SET runs = ", "to version 4"},
    {"UPDATE certificates SET provider = coalesce(", "to version 6"},
    {"INSERT INTO certificate_places (target, fingerprint)\n  SELECT DISTINCT", "to version 6"},
};

class EveryPlan final : public Catch::TestEventListenerBase {
 public:
  using TestEventListenerBase::TestEventListenerBase;

  void testRunStarting(const Catch::TestRunInfo&) override {
    watch_ = std::make_unique<Watch>([](const std::string& sql) {
      const std::lock_guard lock(mutex());
      heard().insert(sql);
    });
  }

  void testRunEnded(const Catch::TestRunStats& stats) override {
    watch_.reset();
    const Unwatched unwatched;
    sqlite3* database = nullptr;
    if (sqlite3_open(":memory:", &database) != SQLITE_OK ||
        sqlite3_exec(database, store::tables_sql(), nullptr, nullptr, nullptr) != SQLITE_OK) {
      std::abort();
    }
    bool bad = false;
    const std::lock_guard lock(mutex());
    for (const std::string& sql : heard()) {
      for (const std::string& step : faults_of(database, sql)) {
        std::fprintf(stderr, "%s\n  is asked by: %s\n", step.c_str(), sql.c_str());
        bad = true;
      }
    }
    sqlite3_close(database);
    if (bad && stats.totals.testCases.failed == 0) std::_Exit(1);
  }

 private:
  static std::mutex& mutex() {
    static std::mutex one;
    return one;
  }
  static std::set<std::string>& heard() {
    static std::set<std::string> statements;
    return statements;
  }

  template <class Rows>
  static bool is_allowed(const Rows& rows, const std::string& text) {
    return std::any_of(std::begin(rows), std::end(rows),
                       [&](const Allowed& one) { return text.find(one.part) != std::string::npos; });
  }

  static std::vector<std::string> faults_of(sqlite3* database, const std::string& sql) {
    bool is_question = false;
    for (const std::string_view verb : {"SELECT", "WITH", "INSERT", "UPDATE", "DELETE"}) {
      is_question = is_question || sql.starts_with(verb);
    }
    if (!is_question || is_allowed(kStatements, sql)) return {};
    sqlite3_stmt* plan = nullptr;
    if (sqlite3_prepare_v2(database, ("EXPLAIN QUERY PLAN " + sql).c_str(), -1, &plan, nullptr) != SQLITE_OK) {
      return {sqlite3_errmsg(database)};
    }
    std::vector<std::string> faults;
    while (sqlite3_step(plan) == SQLITE_ROW) {
      const std::string step = reinterpret_cast<const char*>(sqlite3_column_text(plan, 3));
      // What SQLite calls a search without naming an index is MIN or MAX over all rows.
      const bool whole = step.starts_with("SCAN") ||
                         (step.starts_with("SEARCH") && step.find(" USING ") == std::string::npos) ||
                         step == "USE TEMP B-TREE FOR ORDER BY";
      if (whole && !is_allowed(kSteps, step + ' ')) faults.push_back(step);
    }
    sqlite3_finalize(plan);
    return faults;
  }

  std::unique_ptr<Watch> watch_;
};
CATCH_REGISTER_LISTENER(EveryPlan)

}  // namespace hsmbridge::test
