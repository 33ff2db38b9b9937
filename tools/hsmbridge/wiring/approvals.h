#pragma once

#include "tools/hsmbridge/wiring/command_context.h"
#include "workflow/ports/approvals.h"

#include <memory>
#include <optional>
#include <string>

namespace hsmbridge::cli {

// The approver that the options name: `person` (--as) with a key of their own, or the account of `provider` where its
// approvers decide by theirs. Logs in to the person's token. Both may be left out where the configuration leaves no
// choice: throws ambiguous, not_found; invalid_input where approvers decide elsewhere; and what opening the token and
// finding the key throw. `context` must outlive it.
std::unique_ptr<workflow::Approvals> approvals_of(CommandContext& context, commandline::Output& output,
                                                  const std::optional<std::string>& person,
                                                  const std::optional<std::string>& provider);

}  // namespace hsmbridge::cli
