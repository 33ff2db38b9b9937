#include "pkcs11/token/token_thread.h"

#include "base/error.h"
#include "base/log.h"

#include <fmt/core.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <exception>
#include <mutex>
#include <thread>

namespace hsmbridge::pkcs11 {
namespace {

struct Job {
  std::function<void()> work;
  enum class Stage { waiting, running, done } stage = Stage::waiting;
  bool abandoned = false;
  std::exception_ptr failure;
};

}  // namespace

// Shared with the threads, which may outlive the TokenThread: one that hangs is left behind with its share of this.
struct TokenThread::State {
  std::string token;
  unsigned most_threads = 1;
  std::mutex mutex;
  std::condition_variable work_there;
  std::condition_variable finished;
  std::deque<std::shared_ptr<Job>> queue;
  unsigned threads = 0;  // that are not left to a hanging call
  unsigned idle = 0;
  unsigned hanging = 0;
  bool closing = false;

  void thread_main();
};

void TokenThread::State::thread_main() {
  std::unique_lock lock(mutex);
  for (;;) {
    ++idle;
    work_there.wait(lock, [this] { return closing || !queue.empty(); });
    --idle;
    if (queue.empty()) break;
    const std::shared_ptr<Job> job = queue.front();
    queue.pop_front();
    job->stage = Job::Stage::running;
    lock.unlock();
    std::exception_ptr failure;
    try {
      job->work();
    } catch (...) {
      failure = std::current_exception();
    }
    // What the work owns goes before anybody hears that it is done, and not under the lock.
    job->work = nullptr;
    lock.lock();
    job->failure = failure;
    job->stage = Job::Stage::done;
    finished.notify_all();
    if (job->abandoned) {
      // Its place was given up: another thread may have taken it.
      --hanging;
      log::warning(fmt::format("token {}: a call that was given up has returned", token));
      return;
    }
  }
  --threads;
  finished.notify_all();
}

TokenThread::TokenThread(std::string token_name, unsigned threads) : state_(std::make_shared<State>()) {
  state_->token = std::move(token_name);
  state_->most_threads = std::max(1U, threads);
}

TokenThread::~TokenThread() {
  std::unique_lock lock(state_->mutex);
  state_->closing = true;
  state_->work_there.notify_all();
  state_->finished.wait(lock, [this] { return state_->threads == 0; });
}

bool TokenThread::available() const {
  const std::lock_guard lock(state_->mutex);
  return state_->hanging == 0;
}

void TokenThread::run(Duration limit, WhenLate late, std::function<void()> work) {
  const auto until = std::chrono::steady_clock::now() + limit;
  const auto job = std::make_shared<Job>();
  job->work = std::move(work);
  std::unique_lock lock(state_->mutex);
  if (state_->hanging != 0) {
    throw Error{ErrorKind::unavailable,
                fmt::format("token {} does not answer: an earlier call is still waiting for it", state_->token)}
        .with("lane", "down")
        .hint("look at the HSM and its connection; the token is used again when that call returns");
  }
  if (state_->idle <= state_->queue.size() && state_->threads < state_->most_threads) {
    std::thread([state = state_] { state->thread_main(); }).detach();
    ++state_->threads;
  }
  state_->queue.push_back(job);
  state_->work_there.notify_one();
  const bool done = state_->finished.wait_until(lock, until, [&] { return job->stage == Job::Stage::done; });
  if (done) {
    lock.unlock();
    if (job->failure) std::rethrow_exception(job->failure);
    return;
  }
  if (job->stage == Job::Stage::waiting) {
    std::erase(state_->queue, job);
    throw Error{ErrorKind::unavailable,
                fmt::format("token {} was busy with other calls for {}", state_->token, spoken(limit))}
        .hint("try again later");
  }
  job->abandoned = true;
  ++state_->hanging;
  --state_->threads;
  log::error(fmt::format("token {} has not answered for {}: the call is given up", state_->token, spoken(limit)));
  throw Error{late == WhenLate::unavailable ? ErrorKind::unavailable : ErrorKind::outcome_unknown,
              fmt::format("token {} has not answered within {}", state_->token, spoken(limit))}
      .with("lane", "down")
      .hint("look at the HSM and its connection");
}

}  // namespace hsmbridge::pkcs11
