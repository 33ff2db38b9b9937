// Polls that fell due while no engine ran.
#include "any_store.h"
#include "support/requests.h"

#include <fmt/core.h>

#include <catch2/catch.hpp>
#include <set>
#include <string>

using namespace hsmbridge;
using namespace hsmbridge::test;
using namespace hsmbridge::workflow;
using namespace std::chrono_literals;

namespace {

struct Late : AnyStore {
  std::vector<RequestId> ids;
  Instant began{};

  // Ten polls that are an hour late and more.
  Late() {
    for (int i = 0; i < 10; ++i) {
      const Order order = order_of(fmt::format("REQUEST{}", i), clock.now());
      create_awaiting_approval(*store, order);
      ids.push_back(order.id);
      clock.advance(1min);
    }
    clock.advance(2h);
    began = clock.now();
  }
  Instant due(const RequestId& id) { return store->effects(id).at(0).due; }
  static Duration at_once(const RequestId&, Duration) { return {}; }
};

}  // namespace

TEST_CASE_METHOD(Late, "polls that are late are moved to their places, so many in one transaction") {
  const std::uint64_t before = commits();
  std::set<std::string> asked;
  const auto place = [&](const RequestId& id, Duration late) {
    CHECK(late >= 1h);
    CHECK(asked.insert(id.str()).second);
    return 5min;
  };
  CHECK(store->spread_polls("provider:tsb", began, place, 6) == 6);
  CHECK(commits() == before + 1);
  // The latest first.
  for (std::size_t i = 0; i < ids.size(); ++i) CHECK((due(ids[i]) == began + 5min) == (i < 6));
  CHECK(store->spread_polls("provider:tsb", began, place, 6) == 4);
  CHECK(store->spread_polls("provider:tsb", began, place, 6) == 0);
  CHECK(commits() == before + 2);
  CHECK(asked.size() == ids.size());
}

TEST_CASE_METHOD(Late, "a poll that is not late, one in hand and one of another lane stay where they are") {
  ClaimQuery query;
  query.worker = "a";
  query.lanes["provider:tsb"] = 1;
  query.lease = 90s;
  REQUIRE(store->claim(query, clock.now()).size() == 1);
  const Instant claimed = due(ids[0]);
  CHECK(store->spread_polls("provider:other", began, at_once, 100) == 0);
  CHECK(store->spread_polls("token:web", began, at_once, 100) == 0);
  CHECK(store->spread_polls("provider:tsb", due(ids[3]), at_once, 100) == 2);
  CHECK(store->spread_polls("provider:tsb", began, at_once, 100) == 9);
  CHECK(due(ids[0]) == claimed);
  // A place of none at all is not late any more.
  CHECK(store->spread_polls("provider:tsb", began, at_once, 100) == 0);
}
