#pragma once

#include "base/clock.h"

namespace hsmbridge::workflow {

// What leases are counted by: never set, and the same for all who share a store, so that nobody works on past a lease
// while another one holds the next. The store gives it: one in a file that of its machine (CLOCK_BOOTTIME), one that
// several nodes share its own. Thread rule: any thread.
class LeaseClock {
 public:
  virtual ~LeaseClock() = default;
  virtual Duration now() const = 0;  // since a moment that only the store knows
};

// A moment by the clock of the store that gave it. Lives as long as the store does.
class Deadline {
 public:
  Deadline() = default;  // past
  Deadline(const LeaseClock& clock, Duration from_now) : clock_(&clock), at_(clock.now() + from_now) {}
  // Zero and less: it is past.
  Duration left() const { return clock_ == nullptr ? Duration::zero() : at_ - clock_->now(); }

 private:
  const LeaseClock* clock_ = nullptr;
  Duration at_{};
};

}  // namespace hsmbridge::workflow
