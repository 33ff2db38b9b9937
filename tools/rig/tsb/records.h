#pragma once

#include "base/bytes.h"
#include "base/clock.h"
#include "base/json.h"
#include "tools/rig/pki/software_key.h"
#include "tools/rig/server/record.h"
#include "tools/rig/tsb/policy.h"

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

// What the simulated TSB remembers.
namespace hsmbridge::rig {

struct KeyRecord {
  std::string label;
  Json id;  // string or null
  std::string uuid;
  std::string algorithm;  // RSA, EC, ED
  int bits = 0;
  std::string algorithm_oid;
  std::string curve_oid;  // "" for RSA
  std::string password;
  Json attributes;
  Json policy;  // null: not an SKA key
  Rule rule;    // policy.ruleUse
  bool blocked = false;
  Instant created;
  Bytes certificate;                       // DER; empty: none attached
  std::shared_ptr<const SoftwareKey> key;  // in a file of its own

  template <class Self, class Visit>
  static void members(Self& self, Visit visit) {
    visit("label", self.label, "id", self.id, "uuid", self.uuid, "algorithm", self.algorithm, "bits", self.bits,
          "algorithm_oid", self.algorithm_oid, "curve_oid", self.curve_oid, "password", self.password, "attributes",
          self.attributes, "policy", self.policy, "blocked", self.blocked, "created", self.created, "certificate",
          self.certificate);
  }
};

enum class RequestKind { sign, csr, certificate, self_signed };
enum class RequestStatus { pending, approved, executed, failed, expired, rejected, cancelled };

inline constexpr std::array<std::string_view, 4> kRequestKinds{"sign", "csr", "certificate", "self_signed"};
inline const auto& words_of(RequestKind) {
  return kRequestKinds;
}
// The words of the API.
inline constexpr std::array<std::string_view, 7> kRequestStatuses{"PENDING", "APPROVED", "EXECUTED", "FAILED",
                                                                  "EXPIRED", "REJECTED", "CANCELLED"};
inline const auto& words_of(RequestStatus) {
  return kRequestStatuses;
}
inline bool is_open(RequestStatus status) {
  return status == RequestStatus::pending || status == RequestStatus::approved;
}

struct TaskRecord {
  std::string id;
  Approver approver;
  std::optional<Instant> last_fetched;

  template <class Self, class Visit>
  static void members(Self& self, Visit visit) {
    visit("id", self.id, "form", self.approver.form, "name", self.approver.name, "value", self.approver.value,
          "public_key", self.approver.public_key, "last_fetched", self.last_fetched);
  }
};

struct RequestRecord {
  std::string id;
  RequestKind kind = RequestKind::sign;
  std::string key_label;
  Bytes payload;  // what the HSM signs: the payload of /v1/sign, or the to-be-signed DER built when the request came
  std::string algorithm;
  std::string signature_type;
  Json body;             // as received
  std::string original;  // the inner object as compact JSON text
  Bytes approval_bytes;  // approvalToBeSigned
  Bytes timestamp;       // the time stamp in it, as the HSM signs it; empty: none
  Bytes timestamp_signature;
  Instant created;
  RequestStatus status = RequestStatus::pending;
  std::optional<Instant> executed;
  std::optional<std::string> result;
  bool handed_out = false;
  std::vector<Bytes> approved;  // public keys
  std::vector<Bytes> rejected;
  std::vector<TaskRecord> tasks;

  // The inner object of `body`.
  const Json& inner() const {
    const Json::Object& members = body.as_object();
    return members.front().first == "requestSignature" ? members.at(1).second : members.front().second;
  }

  template <class Self, class Visit>
  static void members(Self& self, Visit visit) {
    visit("id", self.id, "kind", self.kind, "key_label", self.key_label, "payload", self.payload, "algorithm",
          self.algorithm, "signature_type", self.signature_type, "body", self.body, "original", self.original,
          "approval_bytes", self.approval_bytes, "timestamp", self.timestamp, "timestamp_signature",
          self.timestamp_signature, "created", self.created, "status", self.status, "executed", self.executed, "result",
          self.result, "handed_out", self.handed_out, "approved", self.approved, "rejected", self.rejected, "tasks",
          self.tasks);
  }
};

}  // namespace hsmbridge::rig
