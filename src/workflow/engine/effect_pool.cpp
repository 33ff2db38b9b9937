#include "workflow/engine/effect_pool.h"

#include "base/failpoint.h"

#include <fmt/core.h>

#include <algorithm>
#include <exception>
#include <utility>

namespace hsmbridge::workflow {

EffectPool::EffectPool(EffectRunner& runner, const Clock& clock, Wakeup& engine, std::function<unsigned long()> calls)
    : runner_(runner), clock_(clock), engine_(engine), calls_(std::move(calls)) {}

EffectPool::~EffectPool() {
  {
    const std::lock_guard lock(mutex_);
    closing_ = true;
    for (auto& [name, lane] : lanes_) lane.more.notify_all();
  }
  for (std::thread& thread : threads_) thread.join();
}

void EffectPool::start(Work work) {
  const std::lock_guard lock(mutex_);
  const std::int64_t id = work.claim.effect_id;
  Lane& lane = lanes_[work.lane];
  running_[id] = {fmt::format("{} of request {}", work.claim.effect.identity(), work.claim.record.order.id.str()),
                  clock_.since_boot(), work.time_limit, false};
  try {
    lane.waiting.push_back(std::move(work));
  } catch (...) {
    running_.erase(id);  // or who waits for all waits for ever
    throw;
  }
  if (lane.idle >= lane.waiting.size()) {
    lane.more.notify_one();
    return;
  }
  try {
    threads_.emplace_back([this, &lane] { serve(lane); });
    ++lane.threads;
  } catch (const std::exception& reason) {  // std::system_error: no thread; std::bad_alloc: no memory for one
    if (lane.threads > 0) return;           // a busy thread of the lane takes it when it is done
    Finished unbegun;
    unbegun.work = std::move(lane.waiting.back());
    lane.waiting.pop_back();
    unbegun.begun = false;
    unbegun.error =
        Error{ErrorKind::unavailable, fmt::format("no thread could be started for it: {}", reason.what())}.hint(
            "look at the limits on threads and memory of this process and its user (ulimit -u, TasksMax, MemoryMax)");
    unbegun.at = clock_.now();
    running_.erase(id);
    finished_.push_back(std::move(unbegun));
    engine_.notify();
  }
}

void EffectPool::serve(Lane& lane) {
  std::unique_lock lock(mutex_);
  for (;;) {
    ++lane.idle;
    lane.more.wait(lock, [&] { return closing_ || !lane.waiting.empty(); });
    --lane.idle;
    if (lane.waiting.empty()) return;
    Work work = std::move(lane.waiting.front());
    lane.waiting.pop_front();
    const std::int64_t id = work.claim.effect_id;
    lock.unlock();
    Finished finished = run(std::move(work));
    lock.lock();
    finished_.push_back(std::move(finished));
    running_.erase(id);
    if (running_.empty()) all_done_.notify_all();
    engine_.notify();
  }
}

Finished EffectPool::run(Work work) {
  Finished finished;
  finished.work = std::move(work);
  const Claim& claim = finished.work.claim;
  failpoint("engine.before-run");
  // Asked of a clock that is never set back, and as late as can be: between the claim and here the process may have
  // been stopped for an hour, and the effect may be another worker's by now.
  const Duration left = std::min(finished.work.time_limit, claim.call_until.value_or(claim.lease).left());
  if (left <= Duration::zero()) {
    finished.begun = false;
    finished.calls = 0;
  } else {
    const unsigned long before = calls_ ? calls_() : 0;
    try {
      finished.outcome = runner_.run(claim, clock_.now(), left);
    } catch (...) {
      finished.error = current_error();
    }
    if (calls_) finished.calls = calls_() - before;
  }
  failpoint("engine.after-run");
  finished.at = clock_.now();
  return finished;
}

std::vector<Finished> EffectPool::take() {
  const std::lock_guard lock(mutex_);
  return std::exchange(finished_, {});
}

void EffectPool::wait_all() {
  std::unique_lock lock(mutex_);
  all_done_.wait(lock, [this] { return running_.empty(); });
}

bool EffectPool::wait_all(Duration longest) {
  std::unique_lock lock(mutex_);
  return all_done_.wait_for(lock, longest, [this] { return running_.empty(); });
}

bool EffectPool::is_running(std::int64_t effect_id) {
  const std::lock_guard lock(mutex_);
  return running_.count(effect_id) != 0;
}

std::vector<std::string> EffectPool::overdue() {
  const std::lock_guard lock(mutex_);
  const Duration now = clock_.since_boot();
  std::vector<std::string> late;
  for (auto& [id, one] : running_) {
    if (one.told || now - one.since <= one.time_limit) continue;
    one.told = true;
    late.push_back(fmt::format("{} runs past its deadline of {}", one.what, spoken(one.time_limit)));
  }
  return late;
}

bool EffectPool::is_overdue() {
  const std::lock_guard lock(mutex_);
  const Duration now = clock_.since_boot();
  return std::any_of(running_.begin(), running_.end(),
                     [now](const auto& one) { return now - one.second.since > one.second.time_limit; });
}

}  // namespace hsmbridge::workflow
