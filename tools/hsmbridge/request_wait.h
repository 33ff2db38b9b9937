#pragma once

#include "base/clock.h"
#include "service/requests.h"
#include "tools/commandline/output.h"

#include <memory>
#include <optional>

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

// Runs the engine in this process for one request alone, until it is where the caller wants it, `timeout` is over or
// the user interrupts. With Until::at_rest it also stops at the first trouble: the user shall see it, and the request
// goes on whenever somebody works on it again. Other processes may work on the same request meanwhile. Shows each event
// as it happens when a person watches.
Waited drive_request(Wiring& wiring, const RequestId& id, Until until, std::optional<Duration> timeout,
                     commandline::Output& output);

// Whether the request is where it was driven to.
bool reached(const workflow::State& state, Until until);

}  // namespace hsmbridge::cli
