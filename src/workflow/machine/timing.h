#pragma once

#include "base/clock.h"

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
  Duration command_holds = std::chrono::minutes{15};  // how long after an operator's command it may be carried out
  Duration retry_first = std::chrono::seconds{10};    // after "not accepted" or an unavailable provider
  Duration retry_longest = std::chrono::hours{1};
  unsigned most_attempts = 20;   // submissions not accepted before the request fails
  unsigned most_lost = 5;        // attempts made when one that left no trace is followed by no other: a person decides
  unsigned most_unreadable = 4;  // results asked for again, when no certificate could be made of the one before
  unsigned most_failed_look_ups = 24;  // look-ups that fail in a row, most of a day, before a person decides
};

}  // namespace hsmbridge::workflow
