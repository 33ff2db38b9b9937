// Rates of providers.
#include "any_store.h"

#include <deque>

using namespace hsmbridge;
using namespace hsmbridge::test;
using namespace std::chrono_literals;

TEST_CASE_METHOD(AnyStore, "no minute sees more calls than the rate however greedy two processes are") {
  const unsigned per_minute = GENERATE(1U, 2U, 3U, 4U, 7U, 10U, 60U, 100U);
  auto other = open();
  std::deque<Instant> taken;
  std::size_t total = 0;
  const Instant start = clock.now();
  while (clock.now() < start + 3min) {
    workflow::RateLimits& one = total % 2 == 0 ? *store : *other;
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

TEST_CASE_METHOD(AnyStore, "a clock set back does not stop a provider for longer than its bucket needs") {
  REQUIRE_FALSE(store->take_permission("tsb", 60, clock.now()));
  clock.set_wall(clock.now() - 24h);
  std::optional<Instant> later = store->take_permission("tsb", 60, clock.now());
  if (later) CHECK(*later <= clock.now() + 60s);
}

TEST_CASE_METHOD(AnyStore, "a permission that was not used is there again, and what was overdrawn is waited for") {
  const auto taken = [this] {
    unsigned count = 0;
    while (!store->take_permission("tsb", 60, clock.now())) ++count;
    return count;
  };
  CHECK(taken() == 15);
  store->settle_permissions("tsb", 60, -4, clock.now());
  CHECK(taken() == 4);
  const Instant before = store->take_permission("tsb", 60, clock.now()).value();
  store->settle_permissions("tsb", 60, 5, clock.now());
  const Instant later = store->take_permission("tsb", 60, clock.now()).value();
  CHECK(later - before == 5 * (before - clock.now()));
  // No more than a minute's worth is remembered, and more than a full bucket is never there.
  store->settle_permissions("tsb", 60, 100'000, clock.now());
  CHECK(store->take_permission("tsb", 60, clock.now()).value() <= clock.now() + 62s);
  store->settle_permissions("tsb", 60, -100'000, clock.now());
  CHECK(taken() == 15);
  store->settle_permissions("tsb", 0, 5, clock.now());
  CHECK_FALSE(store->take_permission("tsb", 0, clock.now()));
}

TEST_CASE_METHOD(AnyStore, "a rate of nothing is no limit and writes nothing") {
  const std::uint64_t before = commits();
  for (int i = 0; i < 100; ++i) CHECK_FALSE(store->take_permission("tsb", 0, clock.now()));
  CHECK(commits() == before);
}
