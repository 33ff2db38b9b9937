#pragma once

#include "store/sqlite_store.h"
#include "support/fake_clock.h"
#include "support/fake_runner.h"
#include "support/temp_folder.h"
#include "workflow/engine/engine.h"

#include <catch2/catch.hpp>
#include <memory>

namespace hsmbridge::test {

// What tests of the engine begin with: a store of its own, a clock that stands still, a provider in memory, one order.
struct EngineFixture {
  TempFolder folder;
  FakeClock clock;
  FakeRunner runner;
  std::unique_ptr<store::SqliteStore> store = open();
  workflow::Order order = order_of("0A1B2C3D4E5F6G7H", clock.now());

  std::unique_ptr<store::SqliteStore> open() { return store::SqliteStore::open(folder / "store.db", clock); }
  workflow::Record record() { return store->find(order.id).value(); }
  workflow::StateName state() { return workflow::name_of(record().state); }
  // Steps until nothing is left to do now.
  static void settle(workflow::Engine& engine) {
    for (int i = 0; i < 100; ++i) {
      if (!engine.step()) return;
    }
    FAIL("the engine does not come to rest");
  }
};

}  // namespace hsmbridge::test
