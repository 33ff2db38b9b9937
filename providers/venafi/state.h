#pragma once

#include "base/clock.h"
#include "workflow/machine/order.h"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace hsmbridge::venafi {

// What this provider remembers of a submission (workflow::Submission::provider_state), as JSON. A renewal finds the
// certificate that it replaces here.
struct State {
  std::string request;                    // certificate request id
  std::vector<std::string> certificates;  // their ids, leaf first; empty before it is issued
  std::string application;                // ids, as the zone was resolved when it was submitted
  std::string issuing_template;
  std::optional<Instant> missing_since;  // issued, but not in the inventory since then
  // Client::account of who drafted it: only under that account does a search that finds nothing prove anything.
  std::string account = {};

  bool operator==(const State&) const = default;
};
std::string to_text(const State& state);
// Throws corrupt.
State state_from(std::string_view text);

// The certificate that a renewal or a revocation is about. Throws internal when the order holds none.
const workflow::Predecessor& predecessor_of(const workflow::Order& order);
// What this provider stored of it. Empty where that is another provider's, since a certificate may move between them.
State state_of(const workflow::Predecessor& predecessor);

}  // namespace hsmbridge::venafi
