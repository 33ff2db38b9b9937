// What is approved again in a store that was taken back to a copy.
#include "life.h"
#include "service/approvals/restored.h"
#include "support/failing_store.h"
#include "support/voter.h"

#include <catch2/catch.hpp>

using namespace hsmbridge;
using namespace hsmbridge::test;
using namespace hsmbridge::workflow;
using namespace std::chrono_literals;

namespace {

struct Copy : Life {
  Order make(const std::string& id, bool command = false, bool approval = true) {
    Order order = order_of(id, clock.now());
    if (approval) order.approval = terms(1);
    order.wants_command = command;
    create_ready_to_submit(*store, order);
    return order;
  }
  State state(const Order& order) { return store->find(order.id).value().state; }
  LocallyApproved yes(const Order& order) {
    return approved_by("alice", order, *prepared_of(state(order)), clock.now());
  }
};

}  // namespace

TEST_CASE_METHOD(Copy, "what wants approvals and was not begun is approved again, whatever the clock says") {
  const Order waits = make("A");
  const Order planned = make("B");
  const auto vote = yes(planned);
  take(*store, planned.id, vote, clock.now());
  REQUIRE(name_of(state(planned)) == StateName::submitting);
  const Order commanded = make("C", true);
  take(*store, commanded.id, yes(commanded), clock.now());
  REQUIRE(name_of(state(commanded)) == StateName::awaiting_command);
  const Order begun = make("D");
  take(*store, begun.id, yes(begun), clock.now());
  take(*store, begun.id, AttemptStarted{1, "w", clock.now() + 1min}, clock.now());
  const Order free = make("E", false, false);

  const Instant now = clock.now() + GENERATE(-24h * 365, 0h, 24h * 365);
  CHECK(service::ask_again(*store, "uid:ann", {}, now) == 3);
  for (const Order* order : {&waits, &planned, &commanded}) {
    INFO(order->id.str());
    REQUIRE(name_of(state(*order)) == StateName::preparing);
    CHECK(std::get<Preparing>(state(*order)).approval_rounds == 1);
  }
  CHECK(name_of(state(begun)) == StateName::submitting);
  CHECK(name_of(state(free)) == StateName::submitting);
  // The very same bytes: the vote of before is for another round.
  take(*store, planned.id, CsrSigned{draft_of_test(planned.created_at).csr}, now);
  take(*store, planned.id, DraftFrozen{draft_of_test(planned.created_at)}, now);
  take(*store, planned.id, DraftAccepted{}, now);
  CHECK_FALSE(against_vote(planned, *prepared_of(state(planned)), vote.approval.evidence, "alice",
                           approval::Decision::approved, now)
                  .empty());
  take(*store, planned.id, approved_by("alice", planned, *prepared_of(state(planned)), now), now);
  CHECK(name_of(state(planned)) == StateName::submitting);
}

TEST_CASE_METHOD(Copy,
                 "what was frozen and not checked yet is drafted again, so that no vote of the lost store counts") {
  const auto frozen = [&](const std::string& id, bool approval) {
    Order order = order_of(id, clock.now());
    if (approval) order.approval = terms(1);
    create(*store, order);
    take(*store, order.id, KeyReady{key_of_test()}, clock.now());
    take(*store, order.id, CsrSigned{draft_of_test(clock.now()).csr}, clock.now());
    take(*store, order.id, DraftFrozen{draft_of_test(clock.now())}, clock.now());
    REQUIRE(name_of(state(order)) == StateName::prepared);
    return order;
  };
  const Order order = frozen("A", true);
  const Order free = frozen("B", false);
  // The lost store had gone on, and alice had voted there.
  const State lost = step_of(store->find(order.id).value(), DraftAccepted{}, clock.now()).decision.next;
  const std::string vote = approved_by("alice", order, *prepared_of(lost), clock.now()).approval.evidence;
  const auto against = [&](const State& now) {
    return against_vote(order, *prepared_of(now), vote, "alice", approval::Decision::approved, clock.now());
  };
  CHECK(against(lost).empty());

  CHECK(service::ask_again(*store, "uid:ann", {}, clock.now()) == 1);
  CHECK(name_of(state(free)) == StateName::prepared);
  REQUIRE(name_of(state(order)) == StateName::preparing);
  clock.advance(1s);
  take(*store, order.id, CsrSigned{draft_of_test(clock.now()).csr}, clock.now());
  take(*store, order.id, DraftFrozen{draft_of_test(clock.now())}, clock.now());
  take(*store, order.id, DraftAccepted{}, clock.now());
  REQUIRE(name_of(state(order)) == StateName::awaiting_local_approval);
  CHECK_FALSE(against(state(order)).empty());
}

TEST_CASE_METHOD(Copy, "what moves while others are asked is approved again too, and what ends is left alone") {
  const Order commanded = make("A", true);
  take(*store, commanded.id, yes(commanded), clock.now());
  take(*store, commanded.id, Commanded{}, clock.now());
  REQUIRE(name_of(state(commanded)) == StateName::submitting);
  const Order cancelled = make("B");
  const Order waits = make("C");
  const Order for_command = make("D", true);
  take(*store, for_command.id, yes(for_command), clock.now());
  REQUIRE(name_of(state(for_command)) == StateName::awaiting_command);

  const Instant later = clock.now() + 1h;
  const Order* const orders[] = {&waits, &for_command, &cancelled};
  const RequestId& moment = orders[GENERATE(0, 1, 2)]->id;
  bool moved = false;
  FailingStore busy(store::SqliteStore::open(folder / "store.db", clock),
                    [](unsigned) { return FailingStore::Fate::works; });
  busy.before_commit = [&](const std::vector<Step>& steps) {
    if (moved || steps.at(0).request != moment) return;
    moved = true;
    take(*store, commanded.id, CommandOver{}, later);
    take(*store, cancelled.id, CancelAsked{"wrong name"}, later);
  };
  CHECK(service::ask_again(busy, "uid:ann", {}, later) == 3);
  CHECK(moved);
  for (const Order* order : {&commanded, &waits, &for_command}) {
    INFO(order->id.str());
    CHECK(name_of(state(*order)) == StateName::preparing);
  }
  CHECK(name_of(state(cancelled)) == StateName::cancelled);
}
