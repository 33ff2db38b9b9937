#pragma once

#include "base/clock.h"
#include "service/worker/drive.h"
#include "tools/commandline/output.h"
#include "tools/commandline/progress.h"
#include "tools/hsmbridge/wiring/invocation.h"

#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace hsmbridge::cli {

class Wiring;

// How far one command takes its requests: --queue, --wait, --timeout.
struct Pace {
  bool queue = false;  // written down only
  service::Until until = service::Until::at_rest;
  std::optional<Duration> timeout;
};
inline constexpr commandline::Option kWait{"--wait", "", "work on it until it is done"};
inline constexpr commandline::Option kTimeout{"--timeout", "DURATION", "with --wait: come back after this long"};
inline constexpr commandline::Option kQueue{"--queue", "", "only write it down: `hsmbridge run` does all the work"};
// How a command that makes requests may end.
std::vector<commandline::ExitCode> outcomes_of_requests();
// Throws invalid_input where they contradict each other.
Pace pace_of(const Arguments& arguments);

// Works on the requests as far as the command wants, until the user interrupts; what went wrong and is tried again later
// is a warning. Shows each event of a single request as it happens when a person watches.
void drive(commandline::Output& output, Wiring& wiring, const std::vector<RequestId>& ids, const Pace& pace);

// The end of every command that made a request: works on it and shows it.
commandline::ExitCode finish(commandline::Output& output, Wiring& wiring, workflow::Store& store, const RequestId& id,
                             const Pace& pace);

// A command about many: one result line each. All are written down before any is worked on, and worked on together; one
// that fails stops nobody else's, and one interruption ends the waiting for all.
class ManyRequests {
 public:
  // `rows`: how often make() will be called; a person who watches sees how far it has come.
  ManyRequests(commandline::Output& output, std::string schema, std::size_t rows)
      : output_(output), schema_(std::move(schema)), making_(std::in_place, output, rows) {}
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
  std::optional<commandline::Progress> making_;
  std::vector<Made> made_;
  bool failed_ = false;
};

}  // namespace hsmbridge::cli
