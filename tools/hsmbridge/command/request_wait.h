#pragma once

#include "base/clock.h"
#include "service/requests/requests.h"
#include "tools/commandline/output.h"

#include <memory>
#include <optional>
#include <vector>

namespace hsmbridge::cli {

class Wiring;

enum class Until {
  at_rest,  // it waits for somebody else (approvers, the CA, a person), or for a later try, or is final
  settled,  // it is final, or a person must decide
};

struct Waited {
  workflow::Record record;
  bool interrupted = false;  // Ctrl-C or SIGTERM: the request goes on
  bool timed_out = false;
  std::optional<Error> trouble;  // the last thing that went wrong and will be tried again
};

// Runs the engine in this process for these requests alone, until each is where the caller wants it, `timeout` is over
// or the user interrupts. With Until::at_rest a request that met trouble is left too: the user shall see it, and the
// request goes on whenever somebody works on it again. Other processes may work on them meanwhile. Warns of a token or
// provider that they need and this process cannot use. Shows each event of a single request as it happens when a person
// watches. The answers stand in the order of the ids.
std::vector<Waited> drive_requests(Wiring& wiring, const std::vector<RequestId>& ids, Until until,
                                   std::optional<Duration> timeout, commandline::Output& output);
Waited drive_request(Wiring& wiring, const RequestId& id, Until until, std::optional<Duration> timeout,
                     commandline::Output& output);

// Works on the requests as far as the command wants; what went wrong and is tried again later is a warning.
void drive(commandline::Output& output, Wiring& wiring, const std::vector<RequestId>& ids, Until until,
           std::optional<Duration> timeout);

// Whether the request is where it was driven to.
bool reached(const workflow::State& state, Until until);

}  // namespace hsmbridge::cli
