#pragma once

#include "base/json.h"
#include "workflow/machine/record.h"

#include <cstdint>
#include <vector>

// Every text of the journal has the number of the schema that it was written in; the texts of stores of versions 3 and 4
// have none and are of schema 1. What was written stays as it is, since the audit log holds it: an older text is turned
// into one of this schema while it is read.
namespace hsmbridge::workflow {

inline constexpr std::int64_t kJournalSchema = 2;

enum class Text { order, state, event };

// A text of an older schema in this one. Throws corrupt for one of a newer schema.
Json upgraded(Text what, const Json& json);

// What version 3 of the store left out of a quarantined request's state, from its journal: key and draft of the attempt
// that brought the certificate, the submission, the result as it came. As it was where the journal does not tell.
Quarantined completed_from(const Quarantined& bare, const std::vector<JournalEntry>& history);

}  // namespace hsmbridge::workflow
