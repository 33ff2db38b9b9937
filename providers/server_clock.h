#pragma once

#include "base/clock.h"
#include "net/transport.h"

#include <mutex>
#include <optional>
#include <variant>

namespace hsmbridge::providers {

// How far a service's clock is ahead of ours, by the Date header of its last answer (RFC 9110 §6.6.1): to the second,
// and late by the time that the answer took. Thread rule: any thread.
class ServerClock {
 public:
  void note(const net::Exchange& exchange, Instant now) {
    const auto* answer = std::get_if<net::Response>(&exchange);
    const auto date = answer == nullptr ? std::nullopt : answer->date(now);
    if (!date) return;
    const std::lock_guard lock(mutex_);
    ahead_ = *date - now;
  }
  // Nothing before the first answer that tells its time; negative where ours is ahead.
  std::optional<Duration> ahead() const {
    const std::lock_guard lock(mutex_);
    return ahead_;
  }

 private:
  mutable std::mutex mutex_;
  std::optional<Duration> ahead_;
};

}  // namespace hsmbridge::providers
