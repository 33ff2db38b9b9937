// Refused PINs and provider rates.
#include "store/sqlite_store.h"
#include "support/fake_clock.h"
#include "support/temp_folder.h"

#include <catch2/catch.hpp>
#include <deque>

using namespace hsmbridge;
using namespace hsmbridge::test;
using namespace std::chrono_literals;
using store::SqliteStore;
using workflow::PinRefusal;

namespace {

struct Fixture {
  TempFolder folder;
  FakeClock clock;
  std::unique_ptr<SqliteStore> store = SqliteStore::open(folder / "store.db", clock);
};

}  // namespace

TEST_CASE_METHOD(Fixture, "a refused PIN is remembered for its token and user and source only") {
  store->record_pin_refusal({"0011", 1, "aa", clock.now(), "CKR_PIN_INCORRECT"});
  auto other = SqliteStore::open(folder / "store.db", clock);
  const std::optional<PinRefusal> found = other->pin_refusal("0011", 1, "aa");
  REQUIRE(found);
  CHECK(found->at == clock.now());
  CHECK(found->reason == "CKR_PIN_INCORRECT");
  CHECK_FALSE(other->pin_refusal("0012", 1, "aa"));
  CHECK_FALSE(other->pin_refusal("0011", 0, "aa"));
  CHECK_FALSE(other->pin_refusal("0011", 1, "bb"));
  CHECK(other->pin_refusals().size() == 1);
}

TEST_CASE_METHOD(Fixture, "a refusal is forgotten once and both facts are leaves") {
  store->record_pin_refusal({"0011", 1, "aa", clock.now(), "CKR_PIN_INCORRECT"});
  store->record_pin_refusal({"0011", 1, "aa", clock.now(), "CKR_PIN_LOCKED"});
  CHECK(store->pin_refusal("0011", 1, "aa")->reason == "CKR_PIN_LOCKED");
  CHECK(store->clear_pin_refusal("0011", 1, "aa", "uid:ann", clock.now()));
  const std::uint64_t commits = store->commits();
  CHECK_FALSE(store->clear_pin_refusal("0011", 1, "aa", "uid:ann", clock.now()));
  CHECK(store->commits() == commits);
  CHECK_FALSE(store->pin_refusal("0011", 1, "aa"));
  CHECK(store->tree_head().size() == 3);
}

TEST_CASE_METHOD(Fixture, "a login under way is remembered and no leaf unless it ends unclear or refused") {
  store->record_pin_refusal({"0011", 1, "aa", clock.now(), "open"});
  CHECK(SqliteStore::open(folder / "store.db", clock)->pin_refusal("0011", 1, "aa")->reason == "open");
  CHECK(store->clear_pin_refusal("0011", 1, "aa", "uid:ann", clock.now()));
  CHECK_FALSE(store->pin_refusal("0011", 1, "aa"));
  CHECK(store->tree_head().size() == 0);
  store->record_pin_refusal({"0011", 1, "aa", clock.now(), "open"});
  store->record_pin_refusal({"0011", 1, "aa", clock.now(), "unclear: CKR_DEVICE_ERROR"});
  CHECK(store->tree_head().size() == 1);
  store->record_pin_refusal({"0011", 1, "aa", clock.now(), "open after CKR_DEVICE_ERROR"});
  CHECK(store->tree_head().size() == 1);
  CHECK(store->clear_pin_refusal("0011", 1, "aa", "uid:ann", clock.now()));
  CHECK(store->tree_head().size() == 2);
}

TEST_CASE_METHOD(Fixture, "user types beyond 31 bits are kept apart") {
  constexpr unsigned long kVendor = 0x80000000UL | 5;
  store->record_pin_refusal({"0011", kVendor, "aa", clock.now(), "CKR_PIN_INCORRECT"});
  CHECK(store->pin_refusal("0011", kVendor, "aa")->user_type == kVendor);
  CHECK_FALSE(store->pin_refusal("0011", 5, "aa"));
}

TEST_CASE_METHOD(Fixture, "no minute sees more calls than the rate however greedy two processes are") {
  const unsigned per_minute = GENERATE(1U, 2U, 3U, 4U, 7U, 10U, 60U, 100U);
  auto other = SqliteStore::open(folder / "store.db", clock);
  std::deque<Instant> taken;
  std::size_t total = 0;
  const Instant start = clock.now();
  while (clock.now() < start + 3min) {
    SqliteStore& one = total % 2 == 0 ? *store : *other;
    const std::optional<Instant> later = one.take_permission("tsb", per_minute, clock.now());
    if (later) {
      REQUIRE(*later > clock.now());
      clock.advance(*later - clock.now());
      continue;
    }
    ++total;
    taken.push_back(clock.now());
    while (taken.front() <= clock.now() - 60s) taken.pop_front();
    REQUIRE(taken.size() <= per_minute);
  }
  // It is not stricter than it says either: waiting as told, three quarters of the rate are had.
  CHECK(total >= per_minute * 3 * 3 / 4);
}

TEST_CASE_METHOD(Fixture, "a clock set back does not stop a provider for longer than its bucket needs") {
  REQUIRE_FALSE(store->take_permission("tsb", 60, clock.now()));
  clock.set_wall(clock.now() - 24h);
  std::optional<Instant> later = store->take_permission("tsb", 60, clock.now());
  if (later) CHECK(*later <= clock.now() + 60s);
}

TEST_CASE_METHOD(Fixture, "a rate of nothing is no limit and writes nothing") {
  const std::uint64_t commits = store->commits();
  for (int i = 0; i < 100; ++i) CHECK_FALSE(store->take_permission("tsb", 0, clock.now()));
  CHECK(store->commits() == commits);
}
