#pragma once

#include "base/json.h"
#include "service/approvals/approvals.h"

#include <string>
#include <vector>

// What an approver decides about, as a program reads it.
namespace hsmbridge::views {

// hsmbridge.approval-list/1
Json approvals(const workflow::Approvals& of, const std::vector<workflow::ApprovalTask>& tasks);
// hsmbridge.approval/1
Json approval(const service::ApprovalView& view);
// hsmbridge.approval-decision/1; `decision`: "approved" or "rejected".
Json approval_decision(const workflow::Approvals& by, const service::ApprovalView& view, const std::string& decision,
                       const std::string& reason);

}  // namespace hsmbridge::views
