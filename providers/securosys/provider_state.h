#pragma once

#include "approval/policy.h"
#include "base/clock.h"
#include "workflow/machine/order.h"

#include <optional>
#include <string>
#include <string_view>

namespace hsmbridge::securosys {

// What provider_state holds.
struct Pinned {
  std::optional<approval::Policy> policy;
  std::optional<Instant> result_owed_since;
};
// Throws corrupt. "" is a request that has none.
Pinned pinned_from(const std::string& provider_state);
std::string state_of(const Pinned& pinned);

// An answer with a result that is about something else, or does not say what it is about, or that cannot be read: kept
// as it came, its first 256 KiB at most, and no certificate is made of it.
workflow::IssuedResult unreadable_result(std::string_view body);

}  // namespace hsmbridge::securosys
