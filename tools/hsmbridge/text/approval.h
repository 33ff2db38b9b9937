#pragma once

#include "service/approvals/approvals.h"
#include "service/approvals/local.h"

#include <string>
#include <vector>

// What an approver decides about, as a person reads it.
namespace hsmbridge::cli {

std::string tasks_text(const std::vector<workflow::ApprovalTask>& tasks);
std::string task_text(const service::ApprovalView& view);
// What an operator commands.
std::string command_text(const std::string& request, const service::ShownDraft& draft);
// One line: what would be issued, else which task it is.
std::string title_of(const workflow::ApprovalTask& task);
// As much of the id as a person types.
std::string short_id(const workflow::ApprovalTask& task);

}  // namespace hsmbridge::cli
