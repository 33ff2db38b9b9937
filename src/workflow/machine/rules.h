#pragma once

#include "workflow/machine/event.h"
#include "workflow/machine/state.h"

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace hsmbridge::workflow {

// One row of the machine: in `from`, `event` leads to one of `to`. decide() obeys it, the diagram and `explain` print
// it, and a test walks every pair of state and event against it.
struct Rule {
  StateName from{};
  EventName event{};
  std::uint32_t to = 0;  // bit set of StateName
  std::string_view sentence;
};

constexpr std::uint32_t bit(StateName name) {
  return std::uint32_t{1} << static_cast<unsigned>(name);
}

std::span<const Rule> rules();
// The row, or null when the event is not for this state.
const Rule* rule_for(StateName from, EventName event);
// What a state waits for, one sentence ("the answer to the one submission").
std::string_view waits_for(StateName name);

// The machine as a picture, from the same rows: Mermaid (stateDiagram-v2) and Graphviz.
std::string mermaid();
std::string graphviz();

}  // namespace hsmbridge::workflow
