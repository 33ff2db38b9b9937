#pragma once

#include "base/bytes.h"
#include "base/clock.h"
#include "base/json.h"
#include "tools/rig/pki/software_key.h"
#include "tools/rig/tsb/policy.h"

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
  Bytes certificate;  // DER; empty: none attached
  std::shared_ptr<const SoftwareKey> key;
};

enum class RequestKind { sign, csr, certificate, self_signed };
enum class RequestStatus { pending, approved, executed, failed, expired, rejected, cancelled };

// "PENDING" and so on, and back; the words of the API.
std::string_view to_string(RequestStatus status);
std::optional<RequestStatus> request_status(std::string_view word);
bool is_open(RequestStatus status);

struct TaskRecord {
  std::string id;
  Approver approver;
  std::optional<Instant> last_fetched;
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
};

// For the state file. The private key is not in it: it has a file of its own.
Json to_json(const KeyRecord& key);
KeyRecord key_from_json(const Json& json);
Json to_json(const RequestRecord& request);
RequestRecord request_from_json(const Json& json);

}  // namespace hsmbridge::rig
