#pragma once

#include "approval/policy.h"
#include "base/clock.h"

#include <optional>
#include <string>

namespace hsmbridge::securosys {

// What provider_state holds.
struct Pinned {
  std::optional<approval::Policy> policy;
  std::optional<Instant> result_owed_since;
};
// Throws corrupt. "" is a request that has none.
Pinned pinned_from(const std::string& provider_state);
std::string state_of(const Pinned& pinned);

}  // namespace hsmbridge::securosys
