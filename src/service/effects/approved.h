#pragma once

#include "base/clock.h"
#include "service/dependencies.h"
#include "workflow/machine/event.h"
#include "workflow/ports/outbox.h"

#include <optional>
#include <string>

namespace hsmbridge::service {

// Judges the approvals at this bridge again, from the signatures that are stored and the policy that the order pins, just
// before a submission: the event of one that may not go, or nothing. An attempt whose approvals ran out is followed by a
// new draft, which is to be approved again. Does not throw.
std::optional<workflow::EventBody> against_approvals(Dependencies& world, const workflow::Claim& claim, Instant now);

// Why an order is over whatever was approved: its profile wants other approvals now than it pinned, or an operator's
// command that it lacks, or the store was declared a rehearsal, or no longer one, or so many of its people turn out to
// have asked for it that there could not be enough approvals. "" where nothing of it changed.
std::string against_terms(const ReleaseTerms& wanted, const workflow::Order& order);
// Why that vote does not count whatever was known when the order was given: it is of somebody who asked. "" where it is
// of nobody who did. Throws what reading it throws.
std::string against_requester(const ReleaseTerms& wanted, const workflow::Order& order, const std::string& vote);

}  // namespace hsmbridge::service
