#pragma once

#include "workflow/machine/effect.h"
#include "workflow/machine/event.h"
#include "workflow/machine/lifecycle.h"
#include "workflow/machine/state.h"

#include <string>
#include <variant>
#include <vector>

namespace hsmbridge::workflow {

// The times the machine works with; one set a provider, from the configuration.
struct Timing {
  Duration settle = std::chrono::seconds{30};  // how long a lost submission may still be under way
  // How long the provider's search may not show what it took. Zero where what is there is shown.
  Duration search_lag{};
  Duration poll_first = std::chrono::seconds{5};
  Duration poll_longest = std::chrono::minutes{15};
  Duration withdraw_poll = std::chrono::minutes{10};  // the slow poll after we gave up
  Duration gone_confirm = std::chrono::hours{1};      // a vanished reference is asked again after this long
  Duration retry_first = std::chrono::seconds{10};    // after "not accepted" or an unavailable provider
  Duration retry_longest = std::chrono::hours{1};
  unsigned most_attempts = 20;   // submissions not accepted before the request fails
  unsigned most_lost = 5;        // attempts made when one that left no trace is followed by no other: a person decides
  unsigned most_unreadable = 4;  // results asked for again, when no certificate could be made of the one before
  unsigned most_failed_look_ups = 24;  // look-ups that fail in a row, most of a day, before a person decides
};

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
