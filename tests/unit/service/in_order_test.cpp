#include "service/keys/in_order.h"

#include <algorithm>
#include <atomic>
#include <catch2/catch.hpp>
#include <condition_variable>
#include <mutex>
#include <stdexcept>
#include <vector>

using hsmbridge::service::in_order;

namespace {

// Threads wait here until so many have come.
class Meeting {
 public:
  void come_and_wait(unsigned expected) {
    std::unique_lock lock(mutex_);
    ++there_;
    changed_.notify_all();
    changed_.wait(lock, [&] { return there_ >= expected; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  unsigned there_ = 0;
};

std::vector<std::size_t> up_to(std::size_t count) {
  std::vector<std::size_t> all(count);
  for (std::size_t i = 0; i < count; ++i) all[i] = i;
  return all;
}

}  // namespace

TEST_CASE("work on several threads is prepared and told in order") {
  std::vector<std::size_t> prepared;
  std::vector<std::size_t> told;
  Meeting four;
  in_order(
      200, 4,
      [&](std::size_t i) {
        prepared.push_back(i);
        return i;
      },
      [&](std::size_t i) {
        if (i < 4) four.come_and_wait(4);  // would never end on fewer threads
        return i;
      },
      [&](std::size_t i) { told.push_back(i); });
  CHECK(prepared == up_to(200));
  CHECK(told == up_to(200));
}

TEST_CASE("one slow piece of work lets no more than a window of results pile up behind it") {
  constexpr unsigned kThreads = 2;
  std::atomic<std::size_t> begun{0};
  std::size_t most_ahead = 0;
  Meeting window;
  in_order(
      100, kThreads, [](std::size_t i) { return i; },
      [&](std::size_t i) {
        ++begun;
        // The first is over when the other thread has come as far as it may, and not before.
        if (i == 0 || i == kThreads * 4 - 1) window.come_and_wait(2);
        return i;
      },
      [&](std::size_t i) { most_ahead = std::max(most_ahead, begun - i); });
  CHECK(most_ahead <= kThreads * 4 + 1);
}

TEST_CASE("without threads each result is told before the next piece begins") {
  std::vector<int> order;
  in_order(
      3, 0,
      [&](std::size_t) {
        order.push_back(1);
        return 0;
      },
      [&](int) {
        order.push_back(2);
        return 0;
      },
      [&](int) { order.push_back(3); });
  CHECK(order == std::vector<int>{1, 2, 3, 1, 2, 3, 1, 2, 3});
}

TEST_CASE("what the listener throws ends the work and goes on to the caller") {
  std::atomic<unsigned> begun{0};
  const auto run = [&] {
    in_order(
        1000, 4, [](std::size_t i) { return i; },
        [&](std::size_t i) {
          ++begun;
          return i;
        },
        [](std::size_t i) {
          if (i == 5) throw std::runtime_error("the pipe is closed");
        });
  };
  CHECK_THROWS_WITH(run(), "the pipe is closed");
  CHECK(begun <= 6 + 4 * 4);
}

TEST_CASE("no work is told nothing") {
  in_order(
      0, 4, [](std::size_t i) { return i; }, [](std::size_t i) { return i; }, [](std::size_t) { FAIL("told"); });
  CHECK(true);
}
