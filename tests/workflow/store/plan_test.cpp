// How SQLite looks for what is asked often, or of stores that have grown for years.
#include "base/error.h"
#include "foreign.h"
#include "store/sqlite_store.h"
#include "support/fake_clock.h"
#include "support/requests.h"
#include "support/temp_folder.h"

#include <functional>

using namespace hsmbridge;
using namespace hsmbridge::test;
using namespace hsmbridge::workflow;
using store::SqliteStore;

namespace {

// What began while a question was asked.
std::vector<std::string>& heard() {
  static std::vector<std::string> statements;
  return statements;
}

struct Fixture {
  TempFolder folder;
  FakeClock clock;
  std::filesystem::path file = folder / "store.db";

  // The steps of every plan that the question needed: "SEARCH keys USING INDEX keys_by_status (status=?)".
  std::vector<std::string> plans_of(const std::function<void(SqliteStore&)>& question) {
    const Watch watch([](const std::string& sql) { heard().push_back(sql); });
    auto store = SqliteStore::open(file, clock);
    heard().clear();
    question(*store);
    const std::vector<std::string> statements = heard();
    std::vector<std::string> steps;
    for (const std::string& sql : statements) {
      if (!sql.starts_with("SELECT") && !sql.starts_with("WITH")) continue;
      for (const auto& row : foreign_rows(file, "EXPLAIN QUERY PLAN " + sql)) steps.push_back(row.back());
    }
    return steps;
  }
};

}  // namespace

TEST_CASE_METHOD(Fixture, "no question of every day looks at every row") {
  const auto store = SqliteStore::open(file, clock);
  create_awaiting_approval(*store, order_of("0A1B2C3D4E5F6G7H", clock.now()));
  const SpkiHash spki = key_of_test().spki;
  using Question = std::pair<const char*, std::function<void(SqliteStore&)>>;
  const std::vector<Question> questions{
      {"an issuer", [](SqliteStore& one) { one.is_issuer("aa"); }},
      {"a request by reference", [](SqliteStore& one) { one.by_reference("tsb", ProviderReference{"ref"}); }},
      {"open requests for a key",
       [&](SqliteStore& one) {
         Requests::ListQuery query;
         query.open_only = true;
         query.spki = spki;
         one.list(query);
       }},
      {"requests for a key id",
       [](SqliteStore& one) {
         Requests::ListQuery query;
         query.token = "web";
         query.cka_id = "00";
         one.list(query);
       }},
      {"keys by status",
       [](SqliteStore& one) {
         KeyQuery query;
         query.statuses = {"planned", "active"};
         one.keys(query);
       }},
      {"keys by their public key",
       [&](SqliteStore& one) {
         one.keys({spki, std::nullopt, std::nullopt});
       }},
      {"certificates by their end",
       [&](SqliteStore& one) {
         CertificateQuery query;
         query.ends_by = clock.now();
         one.certificates(query);
       }},
      {"certificates by key",
       [&](SqliteStore& one) {
         CertificateQuery query;
         query.spki = spki;
         one.certificates(query);
       }},
      {"certificates by the beginning of their fingerprint",
       [](SqliteStore& one) {
         CertificateQuery query;
         query.prefix = "aa";
         one.certificates(query);
       }},
      {"a certificate", [](SqliteStore& one) { one.certificate("aa"); }},
      {"what was put in its place", [](SqliteStore& one) { one.replaced_at("aa", "token"); }},
      {"what is past its end", [&](SqliteStore& one) { one.past_their_end(clock.now()); }},
      {"requests about a certificate", [](SqliteStore& one) { one.requests_about("aa"); }},
      {"a request", [](SqliteStore& one) { one.find(RequestId{"A"}); }},
      {"its journal", [](SqliteStore& one) { one.history(RequestId{"A"}); }},
      {"the request for some work", [](SqliteStore& one) { one.open_request_for("work"); }},
      {"the request for a CSR",
       [&](SqliteStore& one) {
         KeyWish brought;
         brought.source = KeyWish::Source::brought;
         brought.spki = spki;
         one.open_request_for_csr("tsb", brought);
       }},
      {"the latest time that is known", [](SqliteStore& one) { one.latest_known(); }},
      {"what a serial number was taken for", [](SqliteStore& one) { one.taken_for("issuer", "01"); }},
      {"a refused PIN",
       [](SqliteStore& one) {
         one.pin_refused({"0011", 1, ""});
       }},
      {"a rate", [&](SqliteStore& one) { one.take_permission("tsb", 60, clock.now()); }},
  };
  for (const auto& [what, ask] : questions) {
    CAPTURE(what);
    const auto steps = plans_of(ask);
    CHECK_FALSE(steps.empty());
    for (const std::string& step : steps) {
      CAPTURE(step);
      // Rows of our own making within one question are no table.
      const bool is_own = step.find("json_each") != std::string::npos || step == "SCAN later" || step == "SCAN l";
      CHECK((!step.starts_with("SCAN") || is_own));
    }
  }
}
