#pragma once

#include "base/clock.h"
#include "providers/securosys/approval_bytes.h"
#include "providers/securosys/client.h"
#include "providers/securosys/timestamp_prover.h"
#include "x509/judge/check.h"
#include "x509/objects/crl.h"
#include "x509/objects/signer.h"

#include <optional>
#include <string>
#include <vector>

// The approver's side of a Securosys TSB: sees what is asked, and signs exactly the bytes that were shown.
namespace hsmbridge::securosys {

// One task, read and understood as far as it can be.
struct TaskView {
  std::string id;                      // the task's id, not the request's
  std::string fault;                   // why its bytes cannot be approved at all; "" when they were read
  ApprovalBytes approval;              // empty with a fault
  std::string payload_sha256;          // hex
  x509::ToBeSigned content;            // the payload decoded: a certificate, a revocation list, or neither
  std::string title;                   // one line: "certificate for CN=www (dns:www.example.com)"
  std::string text;                    // everything the payload says, for reading
  std::string meta_text;               // metaData as it came, escaped; NOT covered by the approver's signature
  std::optional<MetaData> meta_data;   // the same when a bridge like this one wrote it
  std::optional<SignedMetaData> note;  // the same as octets, with the signature that came with them
  std::optional<Bytes> shown_payload;  // the server's own copy next to the bytes to be signed
  std::string approver_public_key;     // whose task it is, base64; "" when the server does not say
};

// What the approver knows from elsewhere. Whatever is stated must be so.
struct Expectation {
  std::optional<std::string> key_label;  // the CA key
  std::optional<Bytes> to_be_signed;     // the frozen TBSCertificate of our own request
  std::optional<std::string> request;    // our request id, compared with metaData
  // Hex SHA-256 of a payload that is neither a TBSCertificate nor a TBSCertList: without it such bytes are refused.
  std::optional<std::string> payload_sha256;
  // What the certificate must say, where the TSB builds it and its bytes cannot be known beforehand. Judged as the
  // certificate itself will be when it comes back: every fatal finding is an objection.
  std::optional<x509::Expectation> certificate = std::nullopt;
  Instant at{};  // the time at which it is judged
  // What speaks against it for reasons outside the task: the request is over, say.
  std::vector<std::string> known = {};
};

// Every objection to approving that task, in plain words; empty when there is none.
std::vector<std::string> objections(const TaskView& task, const Expectation& expectation, const Bytes& approver_spki);

// What differs from what our request asked for and is no objection, since CAs set it from their own templates or the
// profile accepts it: for the person to see.
std::vector<std::string> deviations(const TaskView& task, const Expectation& expectation);

// Thread rule: one thread at a time. The client, signer and clock must outlive it.
class Approver {
 public:
  // `identity` in the form in which the policy names this approver. `limit` bounds each call.
  Approver(Client& client, x509::Signer& signer, Identity identity, const Clock& clock, Duration limit);

  // Every open task of this approver, oldest first: the bytes to be signed and what they say, nothing else. One
  // signature by the approver's key (over a time stamp).
  std::vector<TaskView> list();
  // One task with its metaData and the server's own copy of the payload. Throws not_found.
  TaskView show(const std::string& task_id);

  // Signs the task's bytes exactly as they were shown, after every objection was looked for: throws refused naming
  // each. Nothing is sent: the caller journals the use of the key first.
  Approval sign(const TaskView& task, const Expectation& expectation);
  // Throws outcome_unknown when no complete answer came, not_found when the task is gone.
  void send(const Approval& approval);
  // Rejecting is not bound to what the task says, only to this approver and the time.
  void reject(const std::string& task_id);

 private:
  std::vector<Task> page(const TaskFilter& filter);
  std::vector<Task> fetch(const std::string& task_id);

  Client& client_;
  x509::Signer& signer_;
  const Identity identity_;
  TimestampProver prover_;
  const Duration limit_;
};

// Reads what the server sent as a task. Does not throw: what cannot be understood is the view's fault.
TaskView view_of(const Task& task);

// Whether a task's metaData carries a signature over it by that key (SubjectPublicKeyInfo of the application key).
// Anybody who may submit can write any metaData, and no approver's signature covers it: this is all that tells whose it
// is. False also for a key that no such signature can be of.
bool meta_data_signed_by(const SignedMetaData& meta_data, const Bytes& application_key);

}  // namespace hsmbridge::securosys
