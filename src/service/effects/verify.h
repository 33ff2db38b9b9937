#pragma once

#include "service/effects/effects.h"

namespace hsmbridge::service {

// The effect `verify`: makes the certificate of the result that is stored and judges whether it answers the request.
workflow::EffectOutcome verify(Dependencies& world, const workflow::Claim& claim, Instant now, Duration time_limit);

}  // namespace hsmbridge::service
