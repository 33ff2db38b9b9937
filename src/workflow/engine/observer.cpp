#include "workflow/engine/observer.h"

#include "base/log.h"
#include "workflow/engine/lane_pauses.h"

#include <fmt/core.h>

namespace hsmbridge::workflow {

void EngineLog::committed(const RequestId& id, const Event& event, StateName now) {
  log::debug(fmt::format("request {}: {}, now {}", id.str(), to_string(name_of(event.body)), to_string(now)));
}

void EngineLog::failed(const Claim& claim, const Error& why) {
  log::warning(
      fmt::format("{} of request {}: {}", claim.effect.identity(), claim.record.order.id.str(), why.message()));
}

void EngineLog::not_taken(const RequestId& id, EventName event, const std::string& why) {
  log::warning(fmt::format("request {}: {} changes nothing: {}", id.str(), to_string(event), why));
}

void EngineLog::lane_down(const std::string& lane, const Error& why) {
  log::warning(fmt::format("waiting for {}: {}{}{}; its requests continue when it works again", spoken_lane(lane),
                           why.message(), why.hint().empty() ? "" : "; ", why.hint()));
}

void EngineLog::lane_works(const std::string& lane) {
  log::warning(fmt::format("{} works again", spoken_lane(lane)));
}

void EngineLog::store_failed(const Error& why) {
  log::error(fmt::format("nothing new is started until the store works again: {}", why.message()));
}

void EngineLog::store_works() {
  log::warning("the store works again");
}

void EngineLog::note(Gravity gravity, const std::string& sentence) {
  gravity == Gravity::error ? log::error(sentence) : log::warning(sentence);
}

}  // namespace hsmbridge::workflow
