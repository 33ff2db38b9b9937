#pragma once

#include <csignal>
#include <initializer_list>
#include <vector>

namespace hsmbridge::cli {

// While it lives, these signals stop the work instead of ending the process: the handler sets a flag and calls
// `stop(context)`, which must be async-signal-safe. A question at the terminal is given up. A second SIGINT ends the
// process at once: nothing is lost by that. One at a time a process; made and destroyed by the main thread, before any
// other thread runs.
class StopSignals {
 public:
  using Stop = void (*)(void* context) noexcept;
  StopSignals(std::initializer_list<int> signals);
  ~StopSignals();
  StopSignals(const StopSignals&) = delete;
  StopSignals& operator=(const StopSignals&) = delete;

  // Whom to stop from now on; calls it at once when a signal came already. Null: nobody.
  void target(Stop stop, void* context);
  // The signal that came, or 0; one that ends the process stays, whatever comes after it.
  int received() const;
  // Forgets a SIGHUP, and nothing else that came meanwhile.
  void forget_hangup();

 private:
  std::vector<std::pair<int, struct sigaction>> before_;
};

}  // namespace hsmbridge::cli
