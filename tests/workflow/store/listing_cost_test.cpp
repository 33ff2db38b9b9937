// How much of a store a page of a list reads. SQLite's plan names the index and does not say how much of it is read, so
// the steps of its machine are counted.
#include "store/sqlite_store.h"
#include "support/fake_clock.h"
#include "support/requests.h"
#include "support/temp_folder.h"

#include <fmt/core.h>
#include <sqlite3.h>

#include <catch2/catch.hpp>
#include <cstdint>
#include <functional>
#include <utility>
#include <vector>

using namespace hsmbridge;
using namespace hsmbridge::test;
using namespace hsmbridge::workflow;
using store::SqliteStore;

namespace {

std::int64_t steps = 0;  // since it was set to 0

// While it lives, the steps of every statement on a connection opened since are counted when it ends.
class StepCounter {
 public:
  StepCounter() { REQUIRE(sqlite3_auto_extension(entry()) == SQLITE_OK); }
  ~StepCounter() { sqlite3_cancel_auto_extension(entry()); }
  StepCounter(const StepCounter&) = delete;
  StepCounter& operator=(const StepCounter&) = delete;

 private:
  using Entry = int (*)(sqlite3*, char**, const sqlite3_api_routines*);
  static void (*entry())() { return reinterpret_cast<void (*)()>(static_cast<Entry>(begin)); }
  static int begin(sqlite3* database, char**, const sqlite3_api_routines*) {
    return sqlite3_trace_v2(database, SQLITE_TRACE_PROFILE, count, nullptr);
  }
  static int count(unsigned, void*, void* statement, void*) {
    steps += sqlite3_stmt_status(static_cast<sqlite3_stmt*>(statement), SQLITE_STMTSTATUS_VM_STEP, 1);
    return 0;
  }
};

struct Fixture {
  StepCounter counter;
  TempFolder folder;
  FakeClock clock;
  std::unique_ptr<SqliteStore> store = SqliteStore::open(folder / "store.db", clock);
  unsigned made = 0;

  // Requests of three classes, half of them over, each with a certificate.
  void add(unsigned count) {
    for (; count > 0; --count) {
      clock.advance(std::chrono::seconds{1});
      Order order = order_of(fmt::format("REQUEST{:05}", ++made), clock.now());
      order.profile = made % 3 == 0 ? "client" : "server";
      create(*store, order);
      CertificateRecord record;
      record.fingerprint = fmt::format("{:064x}", made);
      record.der = {0x30, 0x00};
      record.request = order.id;
      record.spki = SpkiHash{fmt::format("{:064x}", made)};
      record.not_before = clock.now();
      record.not_after = clock.now() + std::chrono::hours{24};
      record.status = made % 2 == 0 ? "current" : "superseded";
      record.stored_at = clock.now();
      Step step = step_of(store->find(order.id).value(), KeyReady{key_of_test()}, clock.now());
      step.certificate = record;
      REQUIRE(store->commit({step}).at(0) == StepResult::committed);
      if (made % 2 == 0) take(*store, order.id, CancelAsked{"no"}, clock.now());
    }
  }
};

template <class Query>
Query with(const std::function<void(Query&)>& set) {
  Query query;
  query.most = 5;
  set(query);
  return query;
}

}  // namespace

TEST_CASE_METHOD(Fixture, "a page reads as much of a large store as of a small one") {
  add(30);
  const std::vector<RequestQuery> requests{
      with<RequestQuery>([](auto&) {}),
      with<RequestQuery>([](auto& query) { query.open_only = true; }),
      with<RequestQuery>([](auto& query) { query.states = {StateName::cancelled}; }),
      with<RequestQuery>([](auto& query) { query.states = {StateName::rejected}; }),
      with<RequestQuery>([](auto& query) { query.provider = "tsb"; }),
      with<RequestQuery>([](auto& query) { query.profile = "client"; }),
      with<RequestQuery>([](auto& query) { query.name = "nobody.example.com"; }),
      with<RequestQuery>([this](auto& query) { query.since = clock.now() - std::chrono::seconds{20}; }),
      with<RequestQuery>([](auto& query) { query.after = RequestId{"REQUEST00015"}; }),
  };
  const std::vector<CertificateListQuery> certificates{
      with<CertificateListQuery>([](auto&) {}),
      with<CertificateListQuery>([](auto& query) { query.statuses = {"current"}; }),
      with<CertificateListQuery>([](auto& query) { query.statuses = {"expired"}; }),
      with<CertificateListQuery>([](auto& query) { query.profile = "client"; }),
      with<CertificateListQuery>([](auto& query) { query.name = "nobody.example.com"; }),
      with<CertificateListQuery>([this](auto& query) { query.since = clock.now() - std::chrono::seconds{20}; }),
      with<CertificateListQuery>([this](auto& query) { query.ends_by = clock.now() + std::chrono::hours{24}; }),
      with<CertificateListQuery>([](auto& query) { query.after = fmt::format("{:064x}", 15); }),
  };
  const auto costs = [&] {
    std::vector<std::int64_t> all;
    const auto measure = [&](const auto& query) {
      steps = 0;
      store->page(query);
      all.push_back(steps);
    };
    for (const RequestQuery& query : requests) measure(query);
    for (const CertificateListQuery& query : certificates) measure(query);
    return all;
  };
  const auto few = costs();
  add(270);
  const auto many = costs();
  for (std::size_t i = 0; i < few.size(); ++i) {
    CAPTURE(i);
    CHECK(few[i] > 0);
    // Ten times the rows.
    CHECK(many[i] <= few[i] + few[i] / 2);
  }
}
