#pragma once

#include "base/clock.h"
#include "workflow/machine/order.h"
#include "workflow/machine/timing.h"

#include <optional>

// How long to wait before something is asked or tried again. Pure.
namespace hsmbridge::workflow {

// A request's own place in a span of time, by its id alone: many requests spread over it, and a test knows where each
// is.
Duration place_in(const RequestId& id, Duration span);
// What was planned, or what the provider asked for where that is longer; a day at most.
Duration patient(Duration planned, std::optional<Duration> asked);
// When to ask again: grows with the time already waited, jittered by the request's id (so that what was made in one
// batch drifts apart), never sooner than the provider asked, where it asked for a day at most.
Duration next_poll(const RequestId& id, Duration waited, std::optional<Duration> asked, const Timing& timing);
// When to try again after `failures` failures in a row, jittered the same way.
Duration next_retry(const RequestId& id, unsigned failures, std::optional<Duration> asked, const Timing& timing);

}  // namespace hsmbridge::workflow
