#include "service/approvals/account.h"

#include "base/error.h"

#include <fmt/core.h>

#include <chrono>
#include <utility>

namespace hsmbridge::service {

namespace {

using Decision = workflow::ApprovalAuthority::Decision;

constexpr Duration kDecisionLimit = std::chrono::minutes{1};

std::string not_waiting(const std::string& id, const std::string& provider, const std::string& status) {
  return fmt::format("request {} at {} is not waiting for approval: its status is {}", id, provider, status);
}

}  // namespace

AccountApprovals::AccountApprovals(std::string name, std::shared_ptr<workflow::Provider> provider,
                                   workflow::RecordFact record)
    : name_(std::move(name)),
      provider_(std::move(provider)),
      authority_(dynamic_cast<workflow::ApprovalAuthority*>(provider_.get())),
      record_(std::move(record)) {
  if (authority_ == nullptr) {
    throw Error{ErrorKind::invalid_input, fmt::format("provider {} is of type {}: its approvers decide there, not here",
                                                      name_, provider_->type())};
  }
}

workflow::Report AccountApprovals::standing(const std::string& id, ByteView csr) {
  return authority_->standing(ProviderReference(id), csr, kDecisionLimit);
}

workflow::ApprovalTask AccountApprovals::show(const std::string& id, ByteView csr) {
  const auto report = standing(id, csr);
  workflow::ApprovalTask task;
  task.id = report.reference.empty() ? id : report.reference.str();
  task.title = report.message;
  task.status = report.provider_status;
  task.progress = report.progress;
  if (report.status != workflow::RequestStatus::awaiting_approval)
    task.fault = not_waiting(task.id, name_, task.status);
  shown_.insert_or_assign(task.id, Bytes(csr.begin(), csr.end()));
  return task;
}

workflow::Approvals::Judged AccountApprovals::judge(const workflow::ApprovalTask& task,
                                                    const workflow::ApprovalExpectation& expectation) {
  Judged judged{expectation.known, {}};
  if (!task.fault.empty()) judged.objections.push_back(task.fault);
  if (expectation.to_be_signed || expectation.content || expectation.payload_sha256) {
    judged.objections.push_back(
        fmt::format("what would be signed cannot be compared: provider {} shows no bytes to its approvers", name_));
  }
  return judged;
}

void AccountApprovals::decide(const workflow::ApprovalTask& task, Decision decision, const std::string& reason) {
  const auto leaf = [&](std::string_view kind, const std::string& outcome) {
    Json facts = Json::object({{"provider", name_},
                               {"reference", task.id},
                               {"decision", decision == Decision::approve ? "approve" : "reject"},
                               {"reason", reason}});
    if (!outcome.empty()) facts.set("outcome", outcome);
    record_(kind, facts);
  };
  // Written down first, so that what was sent is known even when the answer is lost.
  leaf("provider-decision", "");
  try {
    authority_->decide(ProviderReference(task.id), decision, reason, kDecisionLimit);
  } catch (const Error& error) {
    leaf("provider-decision-answered", fmt::format("{}: {}", to_string(error.kind()), error.message()));
    throw;
  }
  leaf("provider-decision-answered", "taken");
}

void AccountApprovals::approve(const workflow::ApprovalTask& task, const workflow::ApprovalExpectation& expectation,
                               const std::string& reason) {
  const auto judged = judge(task, expectation);
  if (!judged.objections.empty()) {
    Error error{ErrorKind::refused, fmt::format("request {} is not approved: {}", task.id, judged.objections.front())};
    for (const auto& objection : judged.objections) error.with("objection", objection);
    throw error;
  }
  // A person may have looked at it for long: it must be for the CSR that was shown still.
  const auto shown = shown_.find(task.id);
  if (shown == shown_.end()) throw Error{ErrorKind::internal, "a request that was not shown is to be approved"};
  const auto now = standing(task.id, shown->second);
  if (now.status != workflow::RequestStatus::awaiting_approval) {
    throw Error{ErrorKind::conflict, not_waiting(task.id, name_, now.provider_status)};
  }
  decide(task, Decision::approve, reason);
}

void AccountApprovals::reject(const workflow::ApprovalTask& task, const std::string& reason) {
  if (!task.fault.empty()) throw Error{ErrorKind::conflict, task.fault};
  decide(task, Decision::reject, reason);
}

}  // namespace hsmbridge::service
