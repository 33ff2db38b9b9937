#pragma once

#include "base/clock.h"
#include "base/json.h"

#include <cstdint>
#include <string>
#include <string_view>

// What the leaves of the audit log say: canonical JSON, members sorted by name, no white space, times as RFC 3339 UTC.
// The octets are stored as they were hashed, so that a verifier never has to write them again.
namespace hsmbridge::audit {

// An event of a request. `body` is the event as the journal keeps it; the leaf holds its SHA-256, which binds the leaf
// to the journal without repeating it.
std::string event_leaf(std::string_view request, std::uint64_t sequence, std::string_view event, std::string_view body,
                       std::string_view actor, Instant at);

// A fact outside any request: a key made by hand, an approval signed, a configuration read. Held whole, since the leaf
// is its only record.
std::string fact_leaf(std::string_view kind, const Json& fact, std::string_view actor, Instant at);

}  // namespace hsmbridge::audit
