#pragma once

#include <algorithm>
#include <condition_variable>
#include <cstddef>
#include <exception>
#include <mutex>
#include <optional>
#include <system_error>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

namespace hsmbridge::service {

// Many pieces of work on several threads, whose results are told in order. For each i below `count`:
//   prepare(i)      in order, one at a time, on any of the threads
//   work(prepared)  gives the result, several at a time, each begun in order
//   told(result)    in order, on the caller's thread
// Never more than some results a thread wait to be told, so that memory does not grow with `count`. With no threads
// all is done on the caller's, each result told before the next piece is prepared.
// `prepare` and `work` must not throw: a failure is a result. What `told` throws ends it: what is under way is waited
// for, its results are dropped, and the exception goes on.
template <class Prepare, class Work, class Told>
void in_order(std::size_t count, unsigned threads, Prepare prepare, Work work, Told told) {
  using Result = std::invoke_result_t<Work&, std::invoke_result_t<Prepare&, std::size_t>>;
  if (threads == 0) {
    for (std::size_t i = 0; i < count; ++i) told(work(prepare(i)));
    return;
  }
  struct State {
    std::mutex mutex;  // guards what follows
    std::condition_variable room, next_is_there;
    std::size_t begun = 0, told = 0;
    bool ended = false;
    std::vector<std::optional<Result>> results;  // of i at i modulo their number
  } state;
  state.results.resize(std::size_t{threads} * 4);
  const auto serve = [&]() noexcept {
    std::unique_lock lock(state.mutex);
    for (;;) {
      state.room.wait(
          lock, [&] { return state.ended || state.begun == count || state.begun < state.told + state.results.size(); });
      if (state.ended || state.begun == count) return;
      const std::size_t i = state.begun++;
      auto prepared = prepare(i);
      lock.unlock();
      Result result = work(std::move(prepared));
      lock.lock();
      state.results[i % state.results.size()].emplace(std::move(result));
      if (i == state.told) state.next_is_there.notify_one();
    }
  };
  // Ends and joins whatever happens.
  struct Threads {
    State& state;
    std::vector<std::thread> all;
    ~Threads() {
      {
        const std::lock_guard lock(state.mutex);
        state.ended = true;
      }
      state.room.notify_all();
      for (std::thread& thread : all) thread.join();
    }
  } running{state, {}};
  const std::size_t useful = std::min<std::size_t>(threads, count);
  running.all.reserve(useful);
  while (running.all.size() < useful) {
    try {
      running.all.emplace_back(serve);
    } catch (const std::system_error&) {
      if (running.all.empty()) throw;
      break;  // the system gives no more: those that run do it
    }
  }
  for (std::size_t i = 0; i < count; ++i) {
    std::unique_lock lock(state.mutex);
    auto& place = state.results[i % state.results.size()];
    state.next_is_there.wait(lock, [&] { return place.has_value(); });
    const Result result = std::move(*place);
    place.reset();
    state.told = i + 1;
    lock.unlock();
    state.room.notify_one();
    told(result);
  }
}

}  // namespace hsmbridge::service
