// What one request brings cannot be written: the others go on, and so does the engine.
#include "store/sqlite_store.h"
#include "support/fake_clock.h"
#include "support/fake_runner.h"
#include "support/temp_folder.h"
#include "workflow/engine.h"

#include <catch2/catch.hpp>
#include <string>

using namespace hsmbridge;
using namespace hsmbridge::test;
using namespace hsmbridge::workflow;
using store::SqliteStore;

TEST_CASE("a label that is not UTF-8 stops its own request and no other") {
  TempFolder folder;
  FakeClock clock;
  FakeRunner runner;
  auto store = SqliteStore::open(folder / "store.db", clock);
  const Order bad = order_of("0A1B2C3D4E5F6G70", clock.now());
  Order good = order_of("0A1B2C3D4E5F6G71", clock.now());
  good.key.cka_id = "0f0e0d0c0b0a09080706050403020100";
  create(*store, bad);
  create(*store, good);
  runner.instead[EffectName::ensure_key] = [&](const Claim& claim, Instant, Duration) {
    Key key = key_of_test();
    if (claim.record.order.id == bad.id) key.label = "m\xfcller";  // Latin-1, as old tokens hold
    return FakeRunner::outcome(KeyReady{key});
  };
  Engine worker(SqliteStore::open(folder / "store.db", clock), runner, clock, engine_options("w"));
  for (int i = 0; i < 20; ++i) worker.step();
  CHECK(name_of(store->find(good.id)->state) == StateName::awaiting_approval);
  CHECK(name_of(store->find(bad.id)->state) == StateName::preparing);
  const EffectStatus waiting = store->effect_status(bad.id).at(0);
  CHECK(waiting.trouble.find("UTF-8") != std::string::npos);
  CHECK(waiting.effect.due > clock.now());
}
