#pragma once

#include "base/error.h"

#include <condition_variable>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

namespace hsmbridge::service {

// Work that costs hardly more for many items than for one (a commit, a sync): one thread does it for all that wait.
// Thread rule: may be called from any thread.
template <class Item>
class Gathered {
 public:
  // Returns when a call of `work` that was given the item is over: work(items), several at once, in the order in which
  // they came, by one of the threads that wait, never two at a time. What it throws, each of them throws.
  template <class Work>
  void add(Item item, Work work) {
    Waiting mine(std::move(item));
    std::unique_lock lock(mutex_);
    waiting_.push_back(&mine);
    mine.changed.wait(lock, [&] { return mine.done || (!busy_ && waiting_.front() == &mine); });
    if (!mine.done) {
      busy_ = true;
      const std::vector<Waiting*> all = std::exchange(waiting_, {});
      lock.unlock();
      const std::shared_ptr<const Error> failure = failure_of(all, work);
      lock.lock();
      for (Waiting* const one : all) {
        one->failure = failure;
        one->done = true;
        one->changed.notify_one();
      }
      let_next();
    }
    if (mine.failure) throw Error(*mine.failure);  // a copy each: errors are added to on their way up
  }

  // As long as it lives no work is done. Not to be nested.
  class Pause {
   public:
    explicit Pause(Gathered& gathered) : gathered_(gathered) {
      std::unique_lock lock(gathered_.mutex_);
      gathered_.free_.wait(lock, [this] { return !gathered_.busy_; });
      gathered_.busy_ = true;
    }
    ~Pause() {
      const std::lock_guard lock(gathered_.mutex_);
      gathered_.let_next();
    }
    Pause(const Pause&) = delete;
    Pause& operator=(const Pause&) = delete;

   private:
    Gathered& gathered_;
  };

 private:
  struct Waiting {
    explicit Waiting(Item of) : item(std::move(of)) {}
    Item item;
    std::condition_variable changed;  // its own: a commit need not wake those whose turn has not come
    bool done = false;
    std::shared_ptr<const Error> failure;
  };
  // With the mutex held, so that nobody who is told of it is gone.
  void let_next() {
    busy_ = false;
    free_.notify_one();
    if (!waiting_.empty()) waiting_.front()->changed.notify_one();
  }
  // noexcept: nobody who waits may be left behind.
  template <class Work>
  static std::shared_ptr<const Error> failure_of(const std::vector<Waiting*>& all, Work& work) noexcept {
    try {
      std::vector<Item> items;
      items.reserve(all.size());
      for (Waiting* const one : all) items.push_back(std::move(one->item));
      work(items);
      return nullptr;
    } catch (...) {
      return std::make_shared<const Error>(current_error());
    }
  }

  std::mutex mutex_;              // guards what follows
  std::condition_variable free_;  // for a pause
  bool busy_ = false;
  std::vector<Waiting*> waiting_;
};

}  // namespace hsmbridge::service
