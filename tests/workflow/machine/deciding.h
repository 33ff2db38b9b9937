#pragma once

#include "samples.h"
#include "workflow/machine/decide.h"

#include <catch2/catch.hpp>
#include <string>
#include <utility>
#include <variant>
#include <vector>

// What decide() answers, for the tests of each phase.
namespace hsmbridge::workflow::samples {

inline const Timing kTiming;

inline std::variant<Decision, Refusal> ask(const Order& order, const State& state, EventBody body,
                                           Instant at = kStart) {
  return decide(order, state, Event{at, "uid:7", std::move(body)}, kTiming);
}

inline Decision go(const Order& order, const State& state, EventBody body, Instant at = kStart) {
  auto answer = ask(order, state, std::move(body), at);
  if (const auto* refusal = std::get_if<Refusal>(&answer)) FAIL(refusal->why);
  return std::get<Decision>(std::move(answer));
}

inline std::string refused(const Order& order, const State& state, EventBody body, Instant at = kStart) {
  auto answer = ask(order, state, std::move(body), at);
  const auto* refusal = std::get_if<Refusal>(&answer);
  if (refusal == nullptr) FAIL("not refused: " << to_string(name_of(std::get<Decision>(answer).next)));
  return refusal->why;
}

inline std::vector<std::string> identities(const Decision& decision) {
  std::vector<std::string> all;
  for (const Effect& effect : decision.effects) all.push_back(effect.identity());
  return all;
}

inline const Effect& effect(const Decision& decision, EffectName name) {
  for (const Effect& one : decision.effects) {
    if (one.name == name) return one;
  }
  FAIL("no effect " << to_string(name));
  throw 0;
}

inline Submitting planned(unsigned attempt = 1) {
  return {prepared(attempt - 1), attempt, Submitting::Phase::planned, {}, {}, {}};
}

using Names = std::vector<std::string>;

}  // namespace hsmbridge::workflow::samples
