#pragma once

#include "service/approvals/local.h"

#include <string>

// An operator's direct command, which a root for example signs by alone (`request command`).
namespace hsmbridge::service {

struct OperatorCommand {
  workflow::Record record;
  ShownDraft draft;
};
// What a command would let the provider do. Throws not_found, and conflict where the request does not wait for one.
OperatorCommand awaited_command(workflow::Store& store, const RequestId& id, Instant now);
// The command itself: what was frozen is submitted, by whichever process works on it, if it begins at once
// (Timing::command_holds). Throws conflict where another draft waits now, refused for one that something speaks against.
workflow::Record command_request(const Actor& actor, Bridge& bridge, workflow::Store& store,
                                 const OperatorCommand& command);

}  // namespace hsmbridge::service
