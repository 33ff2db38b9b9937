#pragma once

#include "service/requests/enroll.h"
#include "tools/hsmbridge/wiring/command_context.h"
#include "tools/hsmbridge/wiring/invocation.h"

// `enroll --check`: what would speak against an enrolment, found without making or ordering anything.
namespace hsmbridge::cli {

// Asks the provider's own check of a draft, and its dry run where it has one. A key that is there signs the CSR for it
// (a leaf of the audit log); for a key to be made a CSR without a signature stands in, and the dry run is left out.
// Exit 4 when there is an objection.
ExitCode check_enrolment(Invocation& invocation, CommandContext& context, const service::NewRequest& request);

}  // namespace hsmbridge::cli
