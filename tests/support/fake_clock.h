#pragma once

#include "base/clock.h"

#include <atomic>

namespace hsmbridge::test {

// A clock that tests move by hand. Thread rule: any thread.
class FakeClock final : public Clock {
 public:
  explicit FakeClock(Instant start = Instant{std::chrono::seconds{1'790'000'000}})
      : now_(start.time_since_epoch().count()) {}

  Instant now() const override { return Instant{Duration{now_.load()}}; }
  Duration since_boot() const override { return Duration{since_boot_.load()}; }

  // Time passes: both clocks go on.
  void advance(Duration by) {
    now_ += by.count();
    since_boot_ += by.count();
  }
  // Somebody sets the wall clock; no time passes.
  void set_wall(Instant to) { now_ = to.time_since_epoch().count(); }

 private:
  std::atomic<Duration::rep> now_;
  std::atomic<Duration::rep> since_boot_{1'000'000};
};

}  // namespace hsmbridge::test
