#pragma once

#include "base/clock.h"

#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>

namespace hsmbridge::cli {

// Asks `look` now and then whether a token or provider that was left out can be used, and calls `found`, once, when it
// says so. On a thread of its own: a module that hangs must hold up no request.
class LeftOutWatch {
 public:
  LeftOutWatch(std::function<bool()> look, std::function<void()> found, Duration every = std::chrono::minutes{1});
  ~LeftOutWatch();  // waits for a look that has begun
  LeftOutWatch(const LeftOutWatch&) = delete;
  LeftOutWatch& operator=(const LeftOutWatch&) = delete;

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool ended_ = false;
  std::thread thread_;
};

}  // namespace hsmbridge::cli
