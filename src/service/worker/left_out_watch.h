#pragma once

#include "base/clock.h"

#include <functional>
#include <memory>
#include <thread>

namespace hsmbridge::service {

// Asks `look` soon, and then more and more seldom, up to `every`, whether a token or provider that was left out can be
// used, and calls `found`, once, when it says so. On a thread of its own: a module that hangs must hold up no request,
// and no end of the process either.
class LeftOutWatch {
 public:
  // `look` owns what it uses: one that has begun may outlive this object. `found` does not.
  LeftOutWatch(std::function<bool()> look, std::function<void()> found, Duration every = std::chrono::minutes{1});
  ~LeftOutWatch();  // leaves a look that has begun to its thread
  LeftOutWatch(const LeftOutWatch&) = delete;
  LeftOutWatch& operator=(const LeftOutWatch&) = delete;

 private:
  struct State;
  std::shared_ptr<State> state_;
  std::thread thread_;
};

}  // namespace hsmbridge::service
