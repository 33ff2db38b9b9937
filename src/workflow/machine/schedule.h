#pragma once

#include "workflow/machine/decide.h"

#include <variant>
#include <vector>

// Inside of the machine: what decide() and the schedule of effects share.
namespace hsmbridge::workflow {

// One event in its surroundings.
struct Context {
  const Order& order;
  const Event& event;
  const Timing& timing;
  Instant at() const { return event.at; }
  template <class T>
  const T* is() const {
    return std::get_if<T>(&event.body);
  }
};

// How long after the first Absent another one counts. A revocation is no order: it is seen at the certificate itself,
// which no search has to find, and sent twice it does no harm.
Duration absent_for_sure_after(const Order& order, const Timing& timing);
// Again and again, each time after as long as has passed since the first look: what appears late is found early, and
// the last look, `sure` after the first, is the one that counts.
Duration pause_between_looks(Duration waited, Duration sure, const Timing& timing);

// A cancel or a deadline.
bool wants_to_end(const Context& context);

// Every effect that `state`, just reached by the event, wants from now on.
std::vector<Effect> wanted_effects(const State& state, const Context& context);

}  // namespace hsmbridge::workflow
