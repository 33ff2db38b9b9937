#include "service/approvals/restored.h"

#include "base/error.h"
#include "base/log.h"
#include "service/requests/requests.h"
#include "workflow/machine/state.h"

#include <fmt/core.h>

#include <limits>
#include <variant>

namespace hsmbridge::service {

namespace {

// Whether it wants approvals and waits for them, or has them and was not begun.
bool is_to_be_asked_again(workflow::Requests& store, const RequestId& id) {
  try {
    const auto record = store.find(id);
    if (!record || !record->order.wants_approval()) return false;
    const auto* submitting = std::get_if<workflow::Submitting>(&record->state);
    if (submitting != nullptr) return submitting->phase == workflow::Submitting::Phase::planned;
    // Prepared: the round that opens next would be the one that the lost store had opened for the very same draft.
    return std::holds_alternative<workflow::Prepared>(record->state) ||
           std::holds_alternative<workflow::AwaitingLocalApproval>(record->state) ||
           std::holds_alternative<workflow::AwaitingCommand>(record->state);
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::corrupt) throw;
    // Nothing is submitted of it either.
    log::error(fmt::format("request {} is not approved again: {}", id.str(), error.message()));
    return false;
  }
}

}  // namespace

std::size_t ask_again(workflow::Requests& store, const std::string& actor, const config::Settings& settings,
                      Instant now) {
  using workflow::StateName;
  const workflow::DraftTooOld again{
      Duration::zero(), "this store was an older copy of itself: what was said since of the approvals is not known"};
  // All of one moment: of states that are listed one after the other, what goes back to an earlier one is in none.
  workflow::RequestQuery query;
  query.states = {StateName::prepared, StateName::awaiting_local_approval, StateName::awaiting_command,
                  StateName::submitting};
  query.most = std::numeric_limits<unsigned>::max();
  std::size_t asked = 0;
  for (const auto& line : store.page(query)) {
    if (!is_to_be_asked_again(store, line.id)) continue;
    try {
      append_event(store, line.id, again, actor, now, timing_for(settings, line.provider));
      ++asked;
    } catch (const Error& error) {
      // It ended meanwhile, or was begun.
      if (error.kind() != ErrorKind::conflict || is_to_be_asked_again(store, line.id)) throw;
    }
  }
  return asked;
}

}  // namespace hsmbridge::service
