#pragma once

#include "base/clock.h"
#include "workflow/ports/approvals.h"
#include "workflow/ports/store.h"

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

// What an approver decides about, compared with what this bridge knows of it.
namespace hsmbridge::service {

struct ApprovalView {
  workflow::ApprovalTask task;
  workflow::ApprovalExpectation expectation;
  std::string compared;  // "our request 06…: exactly the bytes that were frozen there", or why nothing is known
  // It is exactly what a request of this bridge asks for: it may be approved although nobody looks at it.
  bool ours = false;
  std::optional<workflow::Approvals::Judged> judged;  // nothing where nobody asked
};

// Whether the person who approves sees the task before it is approved.
enum class Seen { by_a_person, by_nobody };

// Thread rule: one thread at a time; what is given must outlive it.
class ApprovalDesk {
 public:
  // `open_store`: gives the store; null where none is configured or none was made yet. An approver with a key may be
  // allowed to read it and nothing more.
  ApprovalDesk(workflow::Approvals& approvals, std::function<std::unique_ptr<workflow::Store>()> open_store,
               const Clock& clock);

  // Every open task of the approver; where an account decides, every request of this bridge that waits for approvers
  // there, as far as this bridge knows that it is there.
  std::vector<workflow::ApprovalTask> list();
  // The one task that begins with `typed`; where an account decides, a request of ours or the provider's own id.
  // `payload_sha256`: hex, as a person typed it; throws invalid_input where no bytes are approved. Throws not_found,
  // ambiguous.
  ApprovalView show(const std::string& typed, const std::optional<std::string>& payload_sha256);
  // The same without a comparison, for whoever rejects it.
  ApprovalView find(const std::string& typed);
  // Throws refused naming every objection, or that it would be approved with nobody having looked at it.
  void expect_approvable(const ApprovalView& view, Seen seen) const;
  // Irrevocable. approve() throws as expect_approvable, and both as workflow::Approvals.
  void approve(const ApprovalView& view, Seen seen, const std::string& reason);
  void reject(const ApprovalView& view, const std::string& reason);

 private:
  bool by_account() const { return approvals_.approver().empty(); }
  workflow::ApprovalTask task_of(const std::string& typed);
  void compare(ApprovalView& view);
  ApprovalView find_by_account(const std::string& typed);

  workflow::Approvals& approvals_;
  const std::function<std::unique_ptr<workflow::Store>()> open_store_;
  const Clock& clock_;
};

}  // namespace hsmbridge::service
