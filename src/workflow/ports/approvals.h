#pragma once

#include "base/bytes.h"
#include "base/clock.h"
#include "workflow/machine/report.h"
#include "x509/judge/check.h"

#include <optional>
#include <string>
#include <vector>

// Deciding as an approver at a provider, with a key of one's own or by an account there.
namespace hsmbridge::workflow {

// One decision that is awaited of an approver.
struct ApprovalTask {
  std::string id;     // the provider's: of the task where a key decides, of the request where an account does
  std::string title;  // one line: "certificate for CN=www (dns:www.example.com)"
  std::string fault;  // why nobody can approve it; "" when it was understood

  // Where the approver's key signs what is asked:
  std::string key_label;            // of the key that signs in the end
  Bytes payload;                    // what it signs then
  std::string payload_sha256;       // hex
  std::optional<Instant> asked_at;  // by the HSM's clock
  std::string text;                 // everything that the payload says
  std::string note;                 // what came with the payload, escaped: no approver's signature covers it
  std::string note_signed;          // "yes", "no", or why it was not checked; "" for no way to tell
  std::string summary = {};         // of a draft that is approved here: a vote covers it with the draft
  // The request that the note names, where a bridge wrote it. Anybody may write any note.
  struct Origin {
    std::string request;
    unsigned attempt = 0;
    std::string csr_sha256;  // hex
  };
  std::optional<Origin> origin;

  // Where an account decides:
  std::string status;  // the provider's own word
  Progress progress;
};

// What this side knows of a task. Whatever is stated must be so.
struct ApprovalExpectation {
  std::optional<std::string> request;         // our request, which the note must name
  std::optional<Bytes> to_be_signed;          // the TBSCertificate that was frozen for it
  std::optional<x509::Expectation> content;   // where its bytes cannot be known beforehand: what they must say
  std::optional<std::string> payload_sha256;  // hex, as a person typed it
  std::vector<std::string> known;             // what speaks against it for reasons outside the task
  Instant at{};                               // the time at which it is judged
};

// One approver at one provider. Thread rule: one thread at a time.
class Approvals {
 public:
  virtual ~Approvals() = default;
  virtual const std::string& approver() const = 0;  // a person of the configuration; "" for the provider's own account
  virtual const std::string& provider() const = 0;
  // The provider of this bridge whose requests such a task is for: a CA of ours may have its key there.
  virtual std::string provider_of(const ApprovalTask&) const { return provider(); }
  // Every open task of the approver, oldest first, without what came beside its bytes. Where an account decides: none,
  // since such a provider tells only of what it is asked about.
  virtual std::vector<ApprovalTask> list() = 0;
  // One task. `csr` (DER): of our own request, empty for somebody else's; throws corrupt where the provider has it for
  // another CSR, and not_found.
  virtual ApprovalTask show(const std::string& id, ByteView csr) = 0;
  struct Judged {
    std::vector<std::string> objections;  // every reason not to approve it
    std::vector<std::string> deviations;  // what differs from what was asked, and is none
  };
  virtual Judged judge(const ApprovalTask& task, const ApprovalExpectation& expectation) = 0;
  // Both are irrevocable and written down first. approve() is about exactly what show() gave: the bytes that were shown
  // where a key signs, the CSR that was given where an account decides (somebody else's request is only known by its
  // id there). It throws refused naming every objection; both throw conflict for a task that is not waiting for
  // approval, and outcome_unknown when no complete answer came.
  virtual void approve(const ApprovalTask& task, const ApprovalExpectation& expectation, const std::string& reason) = 0;
  virtual void reject(const ApprovalTask& task, const std::string& reason) = 0;
};

}  // namespace hsmbridge::workflow
