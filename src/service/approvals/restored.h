#pragma once

#include "config/settings.h"
#include "workflow/ports/requests.h"

#include <cstddef>
#include <string>

namespace hsmbridge::service {

// For a store that is an older copy of itself, before it goes on: what was said of its approvals since the copy is not
// known, so every request that wants some and of which nothing was begun gets another draft and another round. By no
// clock: whatever is there when a person accepts the store is from before. Gives how many. Throws what append_event
// throws; then it is to be done again.
std::size_t ask_again(workflow::Requests& store, const std::string& actor, const config::Settings& settings,
                      Instant now);

}  // namespace hsmbridge::service
