#pragma once

#include "base/clock.h"

#include <mutex>
#include <optional>
#include <utility>

namespace hsmbridge::providers {

// A fact that a service told, taken for current for a while. Thread rule: any thread.
template <class Value>
class Cached {
 public:
  // The clock must outlive it.
  Cached(Duration age, const Clock& clock) : age_(age), clock_(clock) {}

  void keep(Value value) {
    const std::lock_guard lock(mutex_);
    value_ = std::move(value);
    read_at_ = clock_.since_boot();
  }
  // Nothing when it is not known, or is older than the age.
  std::optional<Value> recent() const {
    const std::lock_guard lock(mutex_);
    return value_ && clock_.since_boot() - read_at_ < age_ ? value_ : std::nullopt;
  }
  // As it was read last, if it was.
  std::optional<Value> known() const {
    const std::lock_guard lock(mutex_);
    return value_;
  }

 private:
  const Duration age_;
  const Clock& clock_;
  mutable std::mutex mutex_;
  std::optional<Value> value_;
  Duration read_at_{};
};

}  // namespace hsmbridge::providers
