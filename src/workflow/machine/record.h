#pragma once

#include "base/clock.h"
#include "workflow/machine/event.h"
#include "workflow/machine/order.h"
#include "workflow/machine/state.h"

#include <cstdint>

namespace hsmbridge::workflow {

// A request as the store holds it.
struct Record {
  Order order;
  State state;
  std::uint64_t sequence = 0;  // number of its last event; the compare-and-set value
  Instant changed_at{};
};

struct JournalEntry {
  std::uint64_t sequence = 0;
  Event event;
  StateName after = StateName::preparing;
};

}  // namespace hsmbridge::workflow
