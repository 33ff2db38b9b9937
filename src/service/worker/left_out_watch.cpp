#include "service/worker/left_out_watch.h"

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <utility>

namespace hsmbridge::service {

// Shared with the thread.
struct LeftOutWatch::State {
  std::mutex mutex;
  std::condition_variable changed;
  bool ended = false;
  bool looking = false;
};

LeftOutWatch::LeftOutWatch(std::function<bool()> look, std::function<void()> found, Duration every)
    : state_(std::make_shared<State>()) {
  thread_ = std::thread([state = state_, look = std::move(look), found = std::move(found), every] {
    // What failed once at the start is soon well again; what is not there is looked for in peace.
    Duration pause = std::min<Duration>(every, std::chrono::seconds{2});
    std::unique_lock lock(state->mutex);
    while (!state->changed.wait_for(lock, pause, [&state] { return state->ended; })) {
      pause = std::min(every, 2 * pause);
      state->looking = true;
      lock.unlock();
      const bool usable = look();
      lock.lock();
      state->looking = false;
      if (usable && !state->ended) return found();
    }
  });
}

LeftOutWatch::~LeftOutWatch() {
  bool looking = false;
  {
    const std::lock_guard lock(state_->mutex);
    state_->ended = true;
    looking = state_->looking;
  }
  state_->changed.notify_all();
  if (looking) {
    thread_.detach();
  } else {
    thread_.join();
  }
}

}  // namespace hsmbridge::service
