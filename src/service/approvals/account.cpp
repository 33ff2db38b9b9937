#include "service/approvals/account.h"

#include "base/error.h"

#include <fmt/core.h>

#include <chrono>
#include <utility>

namespace hsmbridge::service {

namespace {

using Decision = workflow::ApprovalAuthority::Decision;

constexpr Duration kLimit = std::chrono::minutes{1};

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

workflow::ApprovalTask AccountApprovals::show(const std::string& id, ByteView csr) {
  const auto report = authority_->standing(ProviderReference(id), csr, kLimit);
  if (report.status != workflow::RequestStatus::awaiting_approval) {
    throw Error{ErrorKind::conflict,
                fmt::format("request {} at {} is not waiting for approval: its status is {}",
                            report.reference.empty() ? id : report.reference.str(), name_, report.provider_status)};
  }
  workflow::ApprovalTask task;
  task.id = report.reference.empty() ? id : report.reference.str();
  task.title = report.message;
  task.status = report.provider_status;
  task.progress = report.progress;
  return task;
}

workflow::Approvals::Judged AccountApprovals::judge(const workflow::ApprovalTask&,
                                                    const workflow::ApprovalExpectation& expectation) {
  return {expectation.known, {}};
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
    authority_->decide(ProviderReference(task.id), decision, reason, kLimit);
  } catch (const Error& error) {
    leaf("provider-decision-answered", fmt::format("{}: {}", to_string(error.kind()), error.message()));
    throw;
  }
  leaf("provider-decision-answered", "taken");
}

void AccountApprovals::approve(const workflow::ApprovalTask& task, const workflow::ApprovalExpectation& expectation,
                               const std::string& reason) {
  if (!expectation.known.empty()) throw Error{ErrorKind::refused, expectation.known.front()};
  decide(task, Decision::approve, reason);
}

void AccountApprovals::reject(const workflow::ApprovalTask& task, const std::string& reason) {
  decide(task, Decision::reject, reason);
}

}  // namespace hsmbridge::service
