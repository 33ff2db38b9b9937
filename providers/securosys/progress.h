#pragma once

#include "approval/policy.h"
#include "providers/securosys/wire/wire.h"
#include "workflow/machine/report.h"

#include <map>
#include <optional>
#include <string>

// What a SignRequestStatus says, in the workflow's words.
namespace hsmbridge::securosys {

struct ProgressContext {
  const std::optional<approval::Policy>& policy;  // as it was pinned when the request was submitted
  const std::map<SpkiHash, std::string>& names;   // people by key
  std::optional<Instant> created;                 // when it was submitted
  Instant now{};
};

// PENDING and so on; unrecognised for a word without a row.
workflow::RequestStatus standing_of(std::string_view status);

// The three lists with names, the quorum ("quorum unknown" without a policy), and until when approvals may come. A list
// entry that is no key is kept as an approver without one: a fact is never dropped.
workflow::Progress progress_of(const SignRequestStatus& status, const ProgressContext& context);
// The same before the first status was asked: everybody of the policy is pending.
workflow::Progress progress_at_start(const ProgressContext& context);

// "anna, 3f2a…": who refused.
std::string rejected_by(const workflow::Progress& progress);

}  // namespace hsmbridge::securosys
