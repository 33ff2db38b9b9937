#pragma once

#include "base/json.h"
#include "workflow/machine/event.h"
#include "workflow/machine/state.h"

#include <string>
#include <string_view>

// How orders, states and events are written in the journal: JSON objects with the number of their schema (upgrade.h),
// octets as base64, times as RFC 3339. Reading takes the texts of every older schema and is strict: what this version
// does not know is `corrupt`, never guessed.
namespace hsmbridge::workflow {

// Where the octets of drafts are kept, each once, apart from the states that name them by their SHA-256 (lower-case hex).
class DraftShelf {
 public:
  virtual ~DraftShelf() = default;
  virtual void keep(const std::string& digest, ByteView octets) = 0;
  // What was kept under it; the codec compares it with the digest. Throws corrupt when there is nothing.
  virtual Bytes octets(const std::string& digest) = 0;
};

Json to_json(const Order& order);
Order order_from(const Json& json);

// {"schema": 2, "state": "AwaitingApproval", …}. Without a shelf the octets of drafts are in the text; both texts are
// read, and one that names a draft needs the shelf.
Json to_json(const State& state, DraftShelf* drafts = nullptr);
State state_from(const Json& json, DraftShelf* drafts = nullptr);

Json to_json(const EventBody& body);  // {"schema": 2, "event": "SubmissionAnswered", …}
EventBody event_body_from(const Json& json);

// A text of a server, a token or a person as the journal keeps it: of 4 KiB at most, with a word on what was cut off.
std::string as_written(const std::string& text);

Json to_json(const StatusReport& report);
Json to_json(const Progress& progress);
std::string_view to_string(Approver::Decision decision);  // "pending", "approved", "rejected"

}  // namespace hsmbridge::workflow
