#pragma once

#include "tools/hsmbridge/wiring/invocation.h"

#include <optional>
#include <string>

// Approving and rejecting at a provider whose approvers decide with their account there, not with a key: the account is
// the one that the provider was configured with.
namespace hsmbridge::cli {

// Whether --provider names such a provider. False without --provider: then a person's key decides.
bool decides_by_account(Invocation& invocation);

// Shows what is decided, asks (or takes --yes), decides. `ID` is a request of ours or the provider's own id.
ExitCode decide_by_account(Invocation& invocation, bool approve);

}  // namespace hsmbridge::cli
