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
  Json policy;  // null: no SKA key
  Rule rule;    // policy.ruleUse
  bool blocked = false;
  Instant created;
  Bytes certificate;                       // DER; empty: none attached
  std::shared_ptr<const SoftwareKey> key;  // in a file of its own

  template <class Self, class Visit>
  static void members(Self& self, Visit visit) {
    visit("label", self.label);
    visit("id", self.id);
    visit("uuid", self.uuid);
    visit("algorithm", self.algorithm);
    visit("bits", self.bits);
    visit("algorithm_oid", self.algorithm_oid);
    visit("curve_oid", self.curve_oid);
    visit("password", self.password);
    visit("attributes", self.attributes);
    visit("policy", self.policy);
    visit("blocked", self.blocked);
    visit("created", self.created);
    visit("certificate", self.certificate);
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
std::string_view to_string(RequestStatus status);
bool is_open(RequestStatus status);

struct TaskRecord {
  std::string id;
  Approver approver;
  std::optional<Instant> last_fetched;

  template <class Self, class Visit>
  static void members(Self& self, Visit visit) {
    visit("id", self.id);
    visit("form", self.approver.form);
    visit("name", self.approver.name);
    visit("value", self.approver.value);
    visit("public_key", self.approver.public_key);
    visit("last_fetched", self.last_fetched);
  }
};

struct RequestRecord {
  std::string id;
  std::int64_t sequence = 0;  // in order of creation
  RequestKind kind = RequestKind::sign;
  std::string key_label;
  Bytes payload;  // what the HSM signs: the payload of /v1/sign, or the to-be-signed DER built when the request came
  std::string algorithm;
  std::string signature_type;
  Json body;             // as received
  std::string original;  // the inner object as compact JSON text
  Bytes approval_bytes;  // approvalToBeSigned
  Instant created;
  RequestStatus status = RequestStatus::pending;
  std::optional<Instant> executed;
  std::optional<std::string> result;
  bool handed_out = false;
  std::vector<Bytes> approved;  // public keys
  std::vector<Bytes> rejected;
  std::vector<TaskRecord> tasks;

  // The inner object of `body`.
  const Json& inner() const;

  template <class Self, class Visit>
  static void members(Self& self, Visit visit) {
    visit("id", self.id);
    visit("sequence", self.sequence);
    visit("kind", self.kind);
    visit("key_label", self.key_label);
    visit("payload", self.payload);
    visit("algorithm", self.algorithm);
    visit("signature_type", self.signature_type);
    visit("body", self.body);
    visit("original", self.original);
    visit("approval_bytes", self.approval_bytes);
    visit("created", self.created);
    visit("status", self.status);
    visit("executed", self.executed);
    visit("result", self.result);
    visit("handed_out", self.handed_out);
    visit("approved", self.approved);
    visit("rejected", self.rejected);
    visit("tasks", self.tasks);
  }
};

}  // namespace hsmbridge::rig
