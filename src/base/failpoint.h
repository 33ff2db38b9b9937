#pragma once

#include <array>
#include <string_view>

// Named places where the crash tests kill the process, as a power cut would: no destructor runs, no buffer is written.
// Compiled in only with HSMBRIDGE_FAILPOINTS; without it failpoint() is nothing.
namespace hsmbridge {

// Every place, in the order an effect passes them. The kill test walks this list; a failpoint that is not in it aborts
// the program, so that none is forgotten.
inline constexpr std::array hsmbridge_failpoint_names = {
    std::string_view{"engine.after-claim"},     // leases are on disk, nothing was done
    std::string_view{"engine.before-start"},    // AttemptStarted is decided, not committed
    std::string_view{"engine.after-start"},     // AttemptStarted is on disk, the call was not made
    std::string_view{"engine.before-run"},      // in the effect's own thread, just before the runner
    std::string_view{"engine.after-run"},       // the outside world has changed, nobody here knows
    std::string_view{"engine.before-outcome"},  // the answer is in memory, not committed
    std::string_view{"engine.after-outcome"},   // the answer is on disk
    std::string_view{"store.before-commit"},    // of every writing transaction
    std::string_view{"store.after-commit"},
};

#ifdef HSMBRIDGE_FAILPOINTS
// Kills this process with SIGKILL when HSMBRIDGE_FAILPOINT is "NAME" or "NAME:N" and this is the N-th time (from 1)
// that it passes the place with the variable set. Thread rule: any thread.
void failpoint(std::string_view name);
#else
inline void failpoint(std::string_view) {}
#endif

}  // namespace hsmbridge
