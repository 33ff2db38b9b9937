#pragma once

#include "workflow/machine/record.h"

#include <vector>

namespace hsmbridge::workflow {

// What version 3 of the store left out of a quarantined request's state, from its journal: key and draft of the attempt
// that brought the certificate, the submission, the result as it came. As it was where the journal does not tell.
Quarantined completed_from(const Quarantined& bare, const std::vector<JournalEntry>& history);

}  // namespace hsmbridge::workflow
