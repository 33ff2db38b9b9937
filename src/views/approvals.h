#pragma once

#include "base/json.h"
#include "service/approvals/approvals.h"

#include <string>
#include <vector>

// What an approver decides about, as a program reads it.
namespace hsmbridge::views {

// hsmbridge.approval-list/1
// Of a person, "" for the account of `provider`; `provider` is "" where all wait at this bridge.
Json approvals(const std::string& person, const std::string& provider,
               const std::vector<workflow::ApprovalTask>& tasks);
// hsmbridge.approval/1
Json approval(const service::ApprovalView& view);
// hsmbridge.approval-decision/1; `decision`: "approved" or "rejected". `person` and `provider` as above.
Json approval_decision(const std::string& person, const std::string& provider, const service::ApprovalView& view,
                       const std::string& decision, const std::string& reason);

}  // namespace hsmbridge::views
