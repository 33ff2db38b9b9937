#pragma once

#include "base/clock.h"
#include "base/error.h"
#include "service/worker/workplace.h"

#include <functional>
#include <optional>
#include <string>
#include <vector>

// Working on some requests in this process, until they are where somebody wants them.
namespace hsmbridge::service {

enum class Until {
  at_rest,  // it waits for somebody else (approvers, the CA, a person), or for a later try, or is final
  settled,  // it is final, or a person must decide
};
// Whether a request is there.
bool reached(const workflow::State& state, Until until);

struct Drive {
  std::vector<RequestId> ids;
  Until until = Until::at_rest;
  std::optional<Duration> timeout;
  // Told of each event of a single request as it happens; empty: nobody watches.
  std::function<void(const workflow::JournalEntry&)> happened;
  // Called for each of several requests that is where it is wanted, in their order, as soon as those before it are too.
  std::function<void()> passed;
  // Told of a token or provider that they need and this process cannot use: without a word they would wait for no
  // visible reason.
  std::function<void(const LeftOut&)> left_out;
  Stoppable stoppable;
};
struct Driven {
  workflow::Record record;
  std::optional<Error> trouble;  // the last thing that went wrong and will be tried again
};
// With Until::at_rest a request that met trouble is left too: the user shall see it, and the request goes on whenever
// somebody works on it again. Other processes may work on them meanwhile. The answers stand in the order of the ids.
// Throws not_found.
std::vector<Driven> drive_requests(Workplace& place, const Drive& drive);

}  // namespace hsmbridge::service
