#pragma once

#include "workflow/machine/effect.h"
#include "workflow/machine/event.h"
#include "workflow/machine/lifecycle.h"
#include "workflow/machine/state.h"
#include "workflow/machine/timing.h"

#include <string>
#include <variant>
#include <vector>

namespace hsmbridge::workflow {

// What happens next: the new state and every effect that this state wants from now on (older effects of the request
// that are not in the list are dropped; one that is being run right now and is still wanted goes on).
struct Decision {
  State next;
  std::vector<Effect> effects;
  std::string_view rule;  // the row's sentence
  std::vector<StatusChange> records{};
};
// The event is not for this state. Nothing changes. Ordinary: a late answer, a cancel of something finished.
struct Refusal {
  std::string why;
};

// The machine. Pure: no clock, no I/O, no randomness; does not throw.
// A provider's report is a fact and is never refused in a state that is not final.
std::variant<Decision, Refusal> decide(const Order& order, const State& state, const Event& event,
                                       const Timing& timing);

// The state and effects of a new request: what `Created` (and `KeyPlanned`) lead to.
Decision begin(const Order& order, const Timing& timing);

// True when the report says something that the state does not know yet: only then is it an event.
bool changes_something(const State& state, const StatusReport& report);

}  // namespace hsmbridge::workflow
