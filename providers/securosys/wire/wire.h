#pragma once

#include "approval/policy.h"
#include "base/bytes.h"
#include "base/json.h"
#include "base/secret.h"

#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

// The TSB's JSON as structs. Strict in what is sent (the server refuses unknown fields); tolerant of unknown fields in
// what is read, strict about the type of those that are known: a wrong one throws corrupt naming the field.
namespace hsmbridge::securosys {

// What differs between server generations, see certificate_mode.h. `modern` is 2.4 and newer.
enum class Generation { classic, modern };

// GET /v1/versionInfo: {"Version":"2.5.1","Vendor":"Securosys SA"}.
struct VersionInfo {
  std::string version;
  std::string vendor;  // "" before 2.4
};
VersionInfo version_info_from(std::string_view body);
// Throws corrupt for a text that does not begin with MAJOR.MINOR.
Generation generation_of(std::string_view version);

// GET /v1/licenseInfo: {"clientFlags":["KEY_AUTH","REST_API","TSB_ENGINE"]}.
std::vector<std::string> license_flags_from(std::string_view body);

// A refusal in the TSB's own form. Nothing when the body is not one (HTML, a framework's own error page).
struct Refusal {
  int code = 0;
  std::string reason;   // "res.error.key.not.existent"
  std::string message;  // may be empty
};
std::optional<Refusal> refusal_from(std::string_view body);
// True for the error page of the server's framework ({"timestamp","status","error","path"}) with this status: no
// handler of the TSB saw the request.
bool is_framework_error(std::string_view body, long status);

// What a creating call answers: an id, or at once the result (a key without policy on a server without TSB_ENGINE).
struct Created {
  std::string request_id;  // "" when the result came at once
  std::string result;      // base64 signature, or PEM
};
// Throws corrupt when there is neither.
Created created_from(std::string_view body);

// GET /v1/request/{id}. Beside a result everything else is read as far as it goes and may be empty: a result may be
// handed out only once, so that a fault in the other members must not lose it.
struct SignRequestStatus {
  std::string id;
  std::string status;                    // its own word
  std::vector<std::string> approved_by;  // base64 SPKI, also for certificate approvers
  std::vector<std::string> not_yet_approved_by;
  std::vector<std::string> rejected_by;
  std::optional<std::string> result;  // nothing for null, absent or ""
};
SignRequestStatus sign_request_status_from(std::string_view body);
// Whether something that may be a result is in a body that no reader of JSON takes: one of these members with a
// value that is neither null nor "". Not in a page of HTML.
bool may_hold_any_of(std::initializer_list<std::string_view> members, std::string_view body);

// GET /v1/certificate/{key}: the DER. Reads `certificate` (PEM) and the newer `rawCertificate` (base64 DER).
Bytes certificate_from(std::string_view body);

// POST /v1/certificate/import/plain answers what is attached now. Throws corrupt when it holds neither.
struct Imported {
  std::string label;  // "" when absent
  Bytes certificate;  // DER; empty when absent
};
Imported imported_from(std::string_view body);

// POST /v1/key/attributes, the parts this bridge uses.
struct KeyAttributes {
  Bytes public_key;  // SPKI; empty when the server does not say
  bool blocked = false;
  std::optional<approval::Policy> rule_use;  // what signing needs; only with a policy
};
KeyAttributes key_attributes_from(std::string_view body);

// One task of an approver. Fields beyond the level asked for are absent.
struct Task {
  std::string id;     // "" when it cannot be read
  std::string fault;  // what of it cannot be read; the rest is there as far as it goes
  Bytes approval_to_be_signed;
  std::string approver_public_key;  // base64 SPKI, "" for certificate approvers
  std::optional<Bytes> meta_data;
  std::optional<Bytes> meta_data_signature;
  std::optional<Bytes> payload;
  std::optional<std::string> request_id;  // from requestStatus (level6)
};
// An entry that cannot be read is a Task with a fault: whoever can make one broken task must not hide all others.
std::vector<Task> tasks_from(std::string_view body);

// --- what is sent ---------------------------------------------------------------------------------------------------

// `keyPassword`: null, or the characters one by one (the server's type is a Java char array). Throws invalid_input for
// a password with characters outside the Basic Multilingual Plane or broken UTF-8.
Json key_password(const Secret& password);

// What is shown to approvers next to the bytes they sign; not covered by their signature.
struct MetaData {
  std::string summary;
  std::string payload_sha256;  // hex, of the TBSCertificate; "" when the TSB builds it
  std::string csr_sha256;      // hex, of the CertificationRequest
  std::string request;         // our request id
  unsigned attempt = 1;
};
// Compact JSON octets, and back (nothing when they are not ours).
Bytes meta_data_octets(const MetaData& meta_data);
std::optional<MetaData> meta_data_from(ByteView octets);

struct SignedMetaData {
  Bytes octets;
  std::optional<Bytes> signature;  // over the octets, by the application key
};

struct SignRequest {
  std::string key;
  Secret key_password;
  Bytes payload;
  std::string algorithm;  // SHA256_WITH_ECDSA
  SignedMetaData meta_data;
};
// The compact text of the inner object: what a requestSignature covers and what is then sent. Secret, since it holds
// the key's password.
Secret inner_text(const SignRequest& request);

struct CertificateSignRequest {
  std::string key;
  Secret key_password;
  std::string algorithm;
  std::string common_name;
  bool certificate_authority = false;
  std::string csr_pem;
  std::vector<std::string> key_usage;           // enum words
  std::vector<std::string> extended_key_usage;  // enum words
  SignedMetaData meta_data;
  // Only what a modern server takes.
  struct Modern {
    std::vector<std::pair<std::string, std::string>> attributes;  // standardCertificateAttributes
    std::vector<std::pair<std::string, std::string>> names;       // sanType, sanValue
    std::int64_t validity_days = 0;
    bool copy_extensions = false;
  };
  std::optional<Modern> modern;
};
Secret inner_text(const CertificateSignRequest& request);

struct RequestSignature {
  Bytes signature;
  Bytes public_key;  // SPKI
};
// {"<name>":<inner>,"requestSignature":null or {…}}
Secret outer_text(std::string_view name, const Secret& inner, const std::optional<RequestSignature>& signature);

// Proof that a listing or a rejection comes from the holder of a key.
struct TimestampProof {
  std::string timestamp;
  Bytes signature;
  std::string digest;  // "SHA-256", "EdDSA"
  enum class Form { public_key, certificate, timestamp_certificate };
  Form form = Form::public_key;
  Bytes identity;  // SPKI or certificate, by form
};

struct TaskFilter {
  std::string task_id;  // "" for all
  unsigned level = 1;
  unsigned page = 0;
  unsigned page_size = 25;
};
std::string tasks_text(const TimestampProof& proof, const TaskFilter& filter);
std::string reject_text(const TimestampProof& proof, const std::string& task_id);

struct Approval {
  std::string task_id;
  Bytes to_be_signed;
  Bytes signature;
  std::string digest;
  TimestampProof::Form form = TimestampProof::Form::public_key;  // public_key or certificate
  Bytes identity;
};
std::string approval_text(const Approval& approval);

std::string import_text(const std::string& label, ByteView certificate);
Secret key_attributes_text(const std::string& label, const Secret& password);

}  // namespace hsmbridge::securosys
