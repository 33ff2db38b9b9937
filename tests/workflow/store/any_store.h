#pragma once

#include "store/sqlite_store.h"
#include "support/fake_clock.h"
#include "support/memory/memory_store.h"
#include "support/temp_folder.h"

#include <catch2/catch.hpp>
#include <memory>
#include <string>

namespace hsmbridge::test {

// A new store of each kind: what is a promise of the ports is tested for all of them.
struct AnyStore {
  explicit AnyStore(std::string of = GENERATE(as<std::string>{}, "SQLite", "memory")) : which(std::move(of)) {}

  const std::string which;
  TempFolder folder;
  FakeClock clock;
  MemoryStore memory{clock};
  std::unique_ptr<workflow::Store> store = open();

  // As another process opens it.
  std::unique_ptr<workflow::Store> open() {
    if (which == "memory") return memory.another();
    return store::SqliteStore::open(folder / "store.db", clock);
  }
  // How many transactions of `store` wrote anything.
  std::uint64_t commits() const {
    if (const auto* sqlite = dynamic_cast<const store::SqliteStore*>(store.get())) return sqlite->commits();
    return dynamic_cast<const MemoryStore&>(*store).commits();
  }
};

}  // namespace hsmbridge::test
