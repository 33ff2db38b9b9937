#pragma once

#include "base/json.h"
#include "support/engine_fixture.h"
#include "workflow/engine/engine.h"

#include <catch2/catch.hpp>
#include <memory>
#include <string>
#include <utility>
#include <vector>

// One engine with a fake clock and a fake provider, on a real store.
namespace hsmbridge::test {

using namespace workflow;

struct OneEngine : EngineFixture {
  std::unique_ptr<Engine> engine(EngineOptions options = engine_options("w")) {
    return std::make_unique<Engine>(open(), runner, clock, std::move(options));
  }
  Instant due(const std::string& identity) {
    for (const Effect& effect : store->effects(order.id)) {
      if (effect.identity() == identity) return effect.due;
    }
    FAIL("no effect " << identity);
    return {};
  }
  std::vector<std::string> late_answers() {
    std::vector<std::string> found;
    for (const workflow::Leaf& leaf : store->leaves(0, 1000)) {
      if (Json::parse(leaf.data).string_or("kind", "") == "late-answer") found.push_back(leaf.data);
    }
    return found;
  }
};

}  // namespace hsmbridge::test
