#include "workflow/machine/rules.h"

#include "samples.h"
#include "workflow/machine/effect.h"

#include <catch2/catch.hpp>
#include <set>
#include <utility>

using namespace hsmbridge::workflow;

TEST_CASE("no pair of state and event has two rules") {
  std::set<std::pair<StateName, EventName>> seen;
  for (const Rule& rule : rules()) {
    INFO(to_string(rule.from) << " + " << to_string(rule.event));
    CHECK(seen.insert({rule.from, rule.event}).second);
    CHECK_FALSE(rule.sentence.empty());
  }
}

TEST_CASE("every state can be reached from Preparing and every open one can end") {
  std::set<StateName> reached{StateName::preparing};
  for (std::size_t round = 0; round < kStateCount; ++round) {
    for (const Rule& rule : rules()) {
      if (reached.count(rule.from) == 0) continue;
      for (std::size_t i = 0; i < kStateCount; ++i) {
        if ((rule.to & bit(static_cast<StateName>(i))) != 0) reached.insert(static_cast<StateName>(i));
      }
    }
  }
  CHECK(reached.size() == kStateCount);

  std::set<StateName> ending;
  for (std::size_t i = 0; i < kStateCount; ++i) {
    if (is_final(static_cast<StateName>(i))) ending.insert(static_cast<StateName>(i));
  }
  for (std::size_t round = 0; round < kStateCount; ++round) {
    for (const Rule& rule : rules()) {
      for (const StateName end : std::set<StateName>(ending)) {
        if ((rule.to & bit(end)) != 0) ending.insert(rule.from);
      }
    }
  }
  for (std::size_t i = 0; i < kStateCount; ++i) {
    INFO(to_string(static_cast<StateName>(i)));
    CHECK(ending.count(static_cast<StateName>(i)) == 1);
  }
}

TEST_CASE("the words of the journal are stable") {
  CHECK(to_string(StateName::awaiting_approval) == "AwaitingApproval");
  CHECK(to_string(StateName::abandoned) == "Abandoned");
  CHECK(to_string(EventName::created) == "Created");
  CHECK(to_string(EventName::look_up_asked) == "LookUpAsked");
  CHECK(to_string(EffectName::draft_age) == "draft_age");
  CHECK(to_string(RequestStatus::unrecognised) == "unrecognised");
  for (std::size_t i = 0; i < kStateCount; ++i) {
    CHECK(state_name_from(to_string(static_cast<StateName>(i))) == static_cast<StateName>(i));
  }
  for (std::size_t i = 0; i < kEventCount; ++i) {
    CHECK(event_name_from(to_string(static_cast<EventName>(i))) == static_cast<EventName>(i));
  }
  CHECK_FALSE(state_name_from("Dreaming").has_value());
}

TEST_CASE("an effect runs in the lane of what it touches") {
  const Order order = samples::order();
  CHECK(lane_of(Effect{EffectName::ensure_key, {}, 0, {}}, order) == "token:web");
  CHECK(lane_of(Effect{EffectName::sign_csr, {}, 0, {}}, order) == "token:web");
  CHECK(lane_of(Effect{EffectName::build_draft, {}, 0, {}}, order) == "provider:tsb");
  CHECK(lane_of(Effect{EffectName::submit, {}, 1, {}}, order) == "provider:tsb");
  CHECK(lane_of(Effect{EffectName::install, {}, 0, "token"}, order) == "token:web");
  CHECK(lane_of(Effect{EffectName::install, {}, 0, "file:chain"}, order) == "local");
  CHECK(lane_of(Effect{EffectName::deadline, {}, 0, {}}, order) == "timer:tsb");
}

TEST_CASE("the diagram names every state and draws no arrow that the table does not have") {
  const std::string picture = mermaid();
  const std::string dot = graphviz();
  for (std::size_t i = 0; i < kStateCount; ++i) {
    const std::string name(to_string(static_cast<StateName>(i)));
    CHECK(picture.find(name) != std::string::npos);
    CHECK(dot.find(name) != std::string::npos);
  }
  CHECK(picture.find("AwaitingApproval --> Withdrawing: CancelAsked, DeadlinePassed") != std::string::npos);
  CHECK(picture.find("AwaitingApproval --> Cancelled: Reported, FoundAtProvider, SubmissionAnswered") !=
        std::string::npos);
  CHECK(picture.find("Completed --> Preparing") == std::string::npos);
}
