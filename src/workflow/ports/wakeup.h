#pragma once

#include "base/clock.h"

namespace hsmbridge::workflow {

// Wakes one sleeper: an eventfd(2), because a condition variable may not be touched by a signal handler.
class Wakeup {
 public:
  Wakeup();  // throws unavailable when the process has no descriptor left
  ~Wakeup();
  Wakeup(const Wakeup&) = delete;
  Wakeup& operator=(const Wakeup&) = delete;

  // Any thread, and signal handlers. A call while nobody sleeps wakes the next sleep at once.
  void notify() noexcept;
  // Sleeps until notify() or, in real time, `longest`; a signal may end it early. Whether it was notified.
  bool wait(Duration longest) noexcept;

 private:
  int fd_;
};

}  // namespace hsmbridge::workflow
