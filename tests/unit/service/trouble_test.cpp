// What goes wrong before anything is sent, and what a person is told of what is tried again.
#include "base/error.h"
#include "service/effects.h"
#include "service/requests.h"
#include "store/sqlite_store.h"
#include "support/fake_clock.h"
#include "support/requests.h"
#include "support/temp_folder.h"

#include <catch2/catch.hpp>
#include <string>

using namespace hsmbridge;
using namespace hsmbridge::test;
using namespace hsmbridge::workflow;

namespace {

class BrokenWorld : public service::World {
 public:
  std::shared_ptr<Provider> provider(const std::string&) override {
    throw Error{ErrorKind::unavailable, "its API key file is gone"};
  }
  std::shared_ptr<Token> token(const std::string&) override { throw Error{ErrorKind::unavailable, "no token"}; }
  std::vector<Bytes> anchors(const Order&) override { return {}; }
  std::optional<CertificateRecord> certificate(const std::string&) override { return std::nullopt; }
};

}  // namespace

TEST_CASE("a provider that cannot be used now was sent nothing") {
  BrokenWorld world;
  service::Effects effects(world);
  Claim claim;
  claim.record.state = Submitting{{}, 3, Submitting::Phase::started, {}, {}, {}};
  claim.effect = {EffectName::submit, {}, 3, ""};
  const EffectOutcome outcome = effects.run(claim, Instant{}, std::chrono::seconds{1});
  REQUIRE(outcome.event);
  const auto* answer = std::get_if<SubmissionNotAccepted>(&*outcome.event);
  REQUIRE(answer != nullptr);
  CHECK(answer->attempt == 3);
  CHECK(answer->problem.kind == "unavailable");
}

TEST_CASE("what is tried again and again says why") {
  TempFolder folder;
  FakeClock clock;
  const auto store = store::SqliteStore::open(folder / "store.db", clock);
  const Order order = order_of("0A1B2C3D4E5F6G7H", clock.now());
  create(*store, order);
  ClaimQuery query{"w", {{"token:web", 1}}, std::chrono::seconds{60}, {}, {}};
  const Claim claim = store->claim(query, clock.now()).at(0);
  query.give_back = {{claim.effect_id, clock.now() + std::chrono::hours{1}, "no token is there"}};
  store->claim(query, clock.now());
  const auto view = service::view_request(*store, order.id, clock.now());
  CHECK(view.explanation.what_happened.find("'ensure_key' did not succeed (1 in a row): no token is there.") !=
        std::string::npos);
}
