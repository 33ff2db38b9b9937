#include "tools/hsmbridge/left_out_watch.h"

#include <utility>

namespace hsmbridge::cli {

LeftOutWatch::LeftOutWatch(std::function<bool()> look, std::function<void()> found, Duration every) {
  thread_ = std::thread([this, look = std::move(look), found = std::move(found), every] {
    std::unique_lock lock(mutex_);
    while (!changed_.wait_for(lock, every, [this] { return ended_; })) {
      lock.unlock();
      const bool usable = look();
      lock.lock();
      if (usable) return found();
    }
  });
}

LeftOutWatch::~LeftOutWatch() {
  {
    const std::lock_guard lock(mutex_);
    ended_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

}  // namespace hsmbridge::cli
