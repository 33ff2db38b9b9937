#pragma once

#include "base/json.h"

#include <cstdint>

// Every text of the journal has the number of the schema that it was written in; the texts of stores of versions 3 and 4
// have none and are of schema 1. What was written stays as it is, since the audit log holds it: an older text is turned
// into one of this schema while it is read.
namespace hsmbridge::workflow {

inline constexpr std::int64_t kJournalSchema = 2;

enum class Text { order, state, event };

// A text of an older schema in this one. Throws corrupt for one of a newer schema.
Json upgraded(Text what, const Json& json);

}  // namespace hsmbridge::workflow
