#pragma once

#include "workflow/ports/approvals.h"
#include "workflow/ports/key_use.h"
#include "workflow/ports/provider.h"

#include <map>
#include <memory>
#include <string>

namespace hsmbridge::service {

// Approving at a provider by the account with which it is configured. Each decision is in the audit log before it is
// sent, and again with what became of it.
class AccountApprovals final : public workflow::Approvals {
 public:
  // Throws invalid_input when the provider's approvers decide elsewhere.
  AccountApprovals(std::string name, std::shared_ptr<workflow::Provider> provider, workflow::RecordFact record);

  const std::string& approver() const override { return nobody_; }
  const std::string& provider() const override { return name_; }
  std::vector<workflow::ApprovalTask> list() override { return {}; }
  workflow::ApprovalTask show(const std::string& id, ByteView csr) override;
  Judged judge(const workflow::ApprovalTask& task, const workflow::ApprovalExpectation& expectation) override;
  void approve(const workflow::ApprovalTask& task, const workflow::ApprovalExpectation& expectation,
               const std::string& reason) override;
  void reject(const workflow::ApprovalTask& task, const std::string& reason) override;

 private:
  workflow::Report standing(const std::string& id, ByteView csr);
  void decide(const workflow::ApprovalTask& task, workflow::ApprovalAuthority::Decision decision,
              const std::string& reason);

  const std::string name_;
  const std::string nobody_;
  const std::shared_ptr<workflow::Provider> provider_;
  workflow::ApprovalAuthority* authority_ = nullptr;
  const workflow::RecordFact record_;
  std::map<std::string, Bytes> shown_;  // the CSR that was given with each task, by its id
};

}  // namespace hsmbridge::service
