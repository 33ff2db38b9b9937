#include "service/approvals/operator_command.h"

#include "base/error.h"
#include "service/requests/requests.h"

#include <fmt/core.h>

#include <utility>

namespace hsmbridge::service {

OperatorCommand awaited_command(workflow::Store& store, const RequestId& id, Instant now) {
  auto record = store.find(id);
  if (!record) throw Error{ErrorKind::not_found, fmt::format("there is no request {}", id.str())};
  const auto* state = std::get_if<workflow::AwaitingCommand>(&record->state);
  if (state == nullptr) {
    throw Error{ErrorKind::conflict, fmt::format("request {} does not wait for an operator's command", id.str())}.hint(
        fmt::format("what it waits for: hsmbridge request explain {}", id.str()));
  }
  auto draft = shown_draft({record->order, state->prepared}, now);
  return {*std::move(record), std::move(draft)};
}

workflow::Record command_request(const Actor& actor, Bridge& bridge, workflow::Store& store,
                                 const OperatorCommand& command) {
  const auto& order = command.record.order;
  if (const auto& against = command.draft.objections; !against.empty()) {
    Error error{ErrorKind::refused, fmt::format("request {} is not commanded: {}", order.id.str(), against.front())};
    for (const auto& objection : against) error.with("objection", objection);
    throw error;
  }
  return append_event(store, order.id, workflow::Commanded{command.draft.sha256}, actor.name, bridge.clock().now(),
                      timing_for(bridge.settings(), order.provider));
}

}  // namespace hsmbridge::service
