#pragma once

#include "base/clock.h"
#include "providers/securosys/approver.h"
#include "workflow/ports/approvals.h"
#include "workflow/ports/key_use.h"

#include <map>
#include <memory>
#include <optional>
#include <string>

namespace hsmbridge::securosys {

// One person who approves at a TSB with a key of their own. Every use of that key is told to `record` before the key
// signs, and again before the signature leaves the process.
class KeyApprovals final : public workflow::Approvals {
 public:
  struct Parts {
    std::string person, provider;                 // names in the configuration
    std::unique_ptr<workflow::KeySigner> signer;  // the person's, opened to approve
    Identity identity;                            // in the form in which the policy names this person
    std::shared_ptr<Client> client;
    // The labels of the keys that may sign in the end, and whose requests of this bridge they are for: the provider's, or
    // a CA's. Empty: any key.
    std::map<std::string, std::string> sign_keys;
    std::optional<Bytes> application_key;  // SPKI of the key that signs our notes
    std::string application_key_unknown;   // why it is not known although one is configured
    Duration limit{};                      // of each call
  };
  KeyApprovals(Parts parts, workflow::RecordFact record, const Clock& clock);

  const std::string& approver() const override { return parts_.person; }
  const std::string& provider() const override { return parts_.provider; }
  std::string provider_of(const workflow::ApprovalTask& task) const override;
  std::vector<workflow::ApprovalTask> list() override;
  workflow::ApprovalTask show(const std::string& id, ByteView csr) override;
  Judged judge(const workflow::ApprovalTask& task, const workflow::ApprovalExpectation& expectation) override;
  void approve(const workflow::ApprovalTask& task, const workflow::ApprovalExpectation& expectation,
               const std::string& reason) override;
  void reject(const workflow::ApprovalTask& task, const std::string& reason) override;

 private:
  workflow::ApprovalTask task_of(const TaskView& view) const;
  std::string note_signed(const TaskView& view) const;
  Expectation expectation_of(const TaskView& view, const workflow::ApprovalExpectation& told) const;
  const TaskView& shown(const workflow::ApprovalTask& task) const;

  const Parts parts_;
  const workflow::RecordFact record_;
  Approver approver_;
  std::map<std::string, TaskView> shown_;  // by id, as show() gave them
};

}  // namespace hsmbridge::securosys
