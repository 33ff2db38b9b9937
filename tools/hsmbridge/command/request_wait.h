#pragma once

#include "base/clock.h"
#include "service/requests/requests.h"
#include "tools/commandline/output.h"
#include "tools/hsmbridge/wiring/invocation.h"

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
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

// How far one command takes its requests: --queue, --wait, --timeout.
struct Pace {
  bool queue = false;  // written down only
  Until until = Until::at_rest;
  std::optional<Duration> timeout;
};
// Throws invalid_input where they contradict each other.
Pace pace_of(const Arguments& arguments);

// The end of every command that made a request: works on it and shows it.
commandline::ExitCode finish(commandline::Output& output, Wiring& wiring, workflow::Store& store, const RequestId& id,
                             const Pace& pace);

// A command about many: one result line each. All are written down before any is worked on, and worked on together; one
// that fails stops nobody else's, and one interruption ends the waiting for all.
class ManyRequests {
 public:
  ManyRequests(commandline::Output& output, std::string schema) : output_(output), schema_(std::move(schema)) {}
  // `name`: what the line begins with; `key` and `value`: what the JSON of a failure says of it. `make` gives the
  // request.
  void make(const std::string& name, const std::string& key, const Json& value, const std::function<RequestId()>& make);
  // With `key` and `value` in the JSON of those that were made too, where `repeats`.
  commandline::ExitCode finish(Wiring& wiring, workflow::Store& store, const Pace& pace, bool repeats);

 private:
  struct Made {
    std::string name, key;
    Json value;
    RequestId id;
  };
  commandline::Output& output_;
  const std::string schema_;
  std::vector<Made> made_;
  bool failed_ = false;
};

}  // namespace hsmbridge::cli
