#pragma once

#include "base/clock.h"

#include <optional>
#include <string>

namespace hsmbridge::workflow {

// The rates of providers, which hold for every process. Rules of all ports: store.h.
class RateLimits {
 public:
  virtual ~RateLimits() = default;

  // Takes one permission, or says when to come back. A leaky bucket: a quarter of the minute's permissions may be taken
  // at once, and no minute sees more than `per_minute`. 0 means no limit.
  virtual std::optional<Instant> take_permission(const std::string& provider, unsigned per_minute, Instant now) = 0;
  // What was done with permissions: `more` calls than permissions were taken (a search of many pages), or, below zero,
  // fewer (a draft that was made without asking the provider). Those who take one later wait for what was overdrawn, of
  // which a minute is remembered.
  virtual void settle_permissions(const std::string& provider, unsigned per_minute, int more, Instant now) = 0;
};

}  // namespace hsmbridge::workflow
