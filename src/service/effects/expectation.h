#pragma once

#include "base/clock.h"
#include "workflow/machine/order.h"
#include "x509/judge/check.h"

#include <string>
#include <vector>

namespace hsmbridge::service {

// What the certificate for this order and draft must say, for x509's check: the key, what was asked, the deviations
// that the profile accepts, and the dates that were frozen (or the lifetime that was asked). Certificates and anchors
// are the caller's. Throws what reading the ask and the draft throws.
x509::Expectation expectation_of(const workflow::Order& order, const workflow::Draft& draft);

// What that check will find fatal in a draft that is signed as it is, a sentence each: nothing shall be signed that is
// quarantined afterwards. Empty for a draft without a TBSCertificate.
std::vector<std::string> fatal_once_signed(const workflow::Order& order, const workflow::Draft& draft, Instant now);

}  // namespace hsmbridge::service
