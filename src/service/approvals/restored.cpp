#include "service/approvals/restored.h"

#include "service/requests/requests.h"
#include "workflow/machine/state.h"

#include <limits>

namespace hsmbridge::service {

std::size_t ask_again(workflow::Requests& store, const std::string& actor, const config::Settings& settings,
                      Instant now) {
  using workflow::StateName;
  std::size_t asked = 0;
  for (const auto state : {StateName::awaiting_local_approval, StateName::awaiting_command, StateName::submitting}) {
    workflow::Requests::ListQuery query;
    query.state = state;
    query.most = std::numeric_limits<unsigned>::max();
    for (const auto& record : store.list(query)) {
      const auto* submitting = std::get_if<workflow::Submitting>(&record.state);
      const bool begun = submitting != nullptr && submitting->phase == workflow::Submitting::Phase::started;
      if (!record.order.wants_approval() || begun) continue;
      const workflow::DraftTooOld again{
          Duration::zero(),
          "this store was an older copy of itself: what was said since of the approvals is not known"};
      append_event(store, record.order.id, again, actor, now, timing_for(settings, record.order.provider));
      ++asked;
    }
  }
  return asked;
}

}  // namespace hsmbridge::service
