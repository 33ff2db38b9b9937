#pragma once

#include "workflow/machine/order.h"
#include "x509/judge/check.h"

namespace hsmbridge::service {

// What the certificate for this order and draft must say, for x509's check: the key, what was asked, the deviations
// that the profile accepts, and the dates that were frozen (or the lifetime that was asked). Certificates and anchors
// are the caller's. Throws what reading the ask and the draft throws.
x509::Expectation expectation_of(const workflow::Order& order, const workflow::Draft& draft);

}  // namespace hsmbridge::service
