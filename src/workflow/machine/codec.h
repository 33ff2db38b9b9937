#pragma once

#include "base/json.h"
#include "workflow/machine/event.h"
#include "workflow/machine/state.h"

#include <string>
#include <string_view>

// How orders, states and events are written in the journal: JSON objects, octets as base64, times as RFC 3339. Reading
// is strict: what this version does not know is `corrupt`, never guessed.
namespace hsmbridge::workflow {

Json to_json(const Order& order);
Order order_from(const Json& json);

Json to_json(const State& state);  // {"state": "AwaitingApproval", …}
State state_from(const Json& json);

Json to_json(const EventBody& body);  // {"event": "SubmissionAnswered", …}
EventBody event_body_from(const Json& json);

// A text of a server, a token or a person as the journal keeps it: of 4 KiB at most, with a word on what was cut off.
std::string as_written(const std::string& text);

Json to_json(const Report& report);
Json to_json(const Progress& progress);

}  // namespace hsmbridge::workflow
