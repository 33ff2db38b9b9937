#pragma once

#include "providers/venafi/state.h"
#include "workflow/machine/order.h"

// The certificate that a renewal or a revocation is about.
namespace hsmbridge::venafi {

// Throws internal when the order holds none.
const workflow::Predecessor& predecessor_of(const workflow::Order& order);
// What this provider stored of it. Empty where that is another provider's, since a certificate may move between them.
State state_of(const workflow::Predecessor& predecessor);

}  // namespace hsmbridge::venafi
