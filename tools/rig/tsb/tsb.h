#pragma once

#include "base/bytes.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/secret.h"
#include "tools/rig/pki/certificates.h"
#include "tools/rig/pki/rig_pki.h"
#include "tools/rig/pki/software_key.h"
#include "tools/rig/server/call.h"
#include "tools/rig/server/simulator.h"
#include "tools/rig/tsb/approval_bytes.h"
#include "tools/rig/tsb/policy.h"
#include "tools/rig/tsb/records.h"

#include <array>
#include <chrono>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace hsmbridge::rig {

enum class Generation {
  v2_0,  // before 2.0.1: filters by kind only, five levels of detail
  v2_2,
  v2_5,
};
inline constexpr std::array<std::string_view, 3> kGenerations{"2.0", "2.2", "2.5"};
inline const auto& words_of(Generation) {
  return kGenerations;
}
enum class CertificateStyle {
  as_documented,  // serial 0, 90 days, CN only, requested usages absent: what the vendor's published samples show
  complete,       // random serial, validity, subject, usages, basic constraints and SAN as asked
};
enum class ResultHandOut { always, once };

// The roles of API keys, by the names of the server's configuration: "keyManagementToken" and so on.
using ApiKeys = std::map<std::string, std::vector<std::string>>;
// Reads {"keyOperationToken": ["…"], …}. Throws invalid_input for another role or type.
ApiKeys read_api_keys(const Json& json);
// One a role, kept in the file (mode 0600).
ApiKeys kept_api_keys(const std::filesystem::path& file);

struct TsbOptions {
  std::filesystem::path dir;  // state, keys; must exist
  Generation generation = Generation::v2_2;
  CertificateStyle certificates = CertificateStyle::as_documented;
  std::optional<ApiKeys> api_keys;  // none: not asked for
  Secret bearer;                    // empty: not asked for
  TimeGranularity times = TimeGranularity::minutes;
  ResultHandOut hand_out = ResultHandOut::always;
  // Requests whose time is over become EXPIRED by a job that runs this often, as at the real TSB; 0: at once.
  std::chrono::seconds cleanup_interval{300};
  std::vector<Bytes> timestamp_signers;  // DER certificates that may list everybody's tasks
  std::vector<Bytes> request_signers;    // DER public keys; when there are any, each request must be signed by one
  std::optional<TestPki> pki;            // its task reader may list everybody's tasks too, and is told to clients
};

// The Securosys Transaction Security Broker, simulated: keys with policies, certificates, requests, approvals. HTTP in,
// HTTP out. Keys and requests survive a restart (tsb-state.jsonl and tsb-keys/ in the folder).
// Control calls: POST /rig/clock {"approver_skew_seconds"}: the server's clock against which approvers' timestamps are
// judged; POST /rig/certify {"label", "subject", "days"}: attaches a self-signed CA certificate to a key, whatever its
// policy; POST /rig/block {"label", "blocked"}.
class Tsb final : public Simulator {
 public:
  // Reads the folder. Throws invalid_input or corrupt when what is there cannot be read.
  Tsb(TsbOptions options, const Clock& clock);

  std::optional<Json> control(const std::string& what, const Json& body) override;
  Json requests() const override;
  // "generation", "api_keys" and "task_reader".
  Json about() const override;
  std::string trouble() const override;
  std::optional<Bytes> certificate_for_another_key(ByteView certificate) override;
  // Removes the files of the keys too.
  void reset() override;

  // What only a rig can do.
  void skew(std::chrono::seconds approver_clock);  // the server's clock against which approvers' timestamps are judged
  void set_blocked(const std::string& label, bool blocked);
  // Attaches a self-signed CA certificate to a key, whatever its policy, and returns the DER. `subject` as in
  // parse_name. Throws not_found.
  Bytes certify(const std::string& label, const std::string& subject, std::chrono::days validity);

 private:
  using Route = Endpoint<Tsb>;
  static const std::vector<Route>& routes();
  struct Approving;  // who speaks in a body that proves possession of an approver's key
  struct CertificateOrder;

  Answer answer(const Call& call) override;
  void check_credentials(const Call& call, const Route& route) const;

  // tsb.cpp
  Answer version_info(const Asked&);
  Answer license_info(const Asked&);

  // keys.cpp
  Answer create_key(const Asked&);
  Answer list_keys(const Asked&);
  Answer key_attributes(const Asked&);
  Answer delete_key(const Asked&);
  KeyRecord& find_key(const std::string& label);
  void check_password(const KeyRecord& key, const std::string& password) const;
  // Not blocked, and of that password.
  KeyRecord& usable_key(const std::string& label, const std::string& password);
  std::string key_xml(const KeyRecord& key) const;
  Json signed_attributes(const KeyRecord& key) const;
  void remove_key(const std::string& label);

  // certificates.cpp
  Answer certificate_request(const Asked&);
  Answer self_sign(const Asked&);
  Answer certificate_sign(const Asked&);
  Answer import_certificate(const Asked&);
  Answer get_certificate(const Asked&);
  Answer certificate_operation(const Asked&, RequestKind kind);
  Bytes build(const CertificateOrder& order, RequestKind kind, const KeyRecord& key,
              const SignatureScheme& scheme) const;

  // requests.cpp
  Answer sign(const Asked&);
  Answer get_request(const Asked&);
  Answer delete_request(const Asked&);
  // What is asked for, and its text as it came: the application signs it.
  struct Inner {
    const Json& json;
    std::string text;
  };
  Inner inner_of(const Asked& asked, const std::string& name, Validation& validation) const;
  Answer create_request(RequestRecord request, const KeyRecord& key, const Asked& asked, std::string original);
  void check_request_signature(const Json* signature, const std::string& original) const;
  void make_approval_bytes(RequestRecord& request, const KeyRecord& key) const;
  RequestRecord& find_request(const std::string& id);
  // Where the rule stands decides what happens: execute, wait for the timelock, give up. Writes the request.
  void settle(RequestRecord& request);
  void execute(RequestRecord& request, KeyRecord& key);
  void finish(RequestRecord& request, RequestStatus status);
  void run_due_jobs();
  Json status_of(const RequestRecord& request, bool with_result) const;
  void save(const RequestRecord& request) { keep("request", kept(request)); }
  void save(const KeyRecord& key) { keep("key", kept(key)); }

  // approvals.cpp
  Answer list_sign_tasks(const Asked&);
  Answer list_all_tasks(const Asked&);
  Answer list_no_tasks(const Asked&);
  Answer approve(const Asked&);
  Answer reject(const Asked&);
  enum class TaskFilter { sign, all, none };
  Answer list_tasks(const Asked&, TaskFilter filter);
  struct FoundTask {
    RequestRecord* request;
    TaskRecord* task;
  };
  // Throws business error 652.
  FoundTask find_task(const std::string& id);
  void decide(FoundTask found, std::vector<Bytes> RequestRecord::*list);
  Json task_view(const RequestRecord& request, const TaskRecord& task, int level);

  std::filesystem::path key_file(const std::string& name) const;
  SoftwareKey load_or_make_key(const std::string& name);

  TsbOptions options_;
  SoftwareKey timestamp_key_;
  SoftwareKey attestation_key_;
  Records<KeyRecord, &KeyRecord::label> keys_;
  Records<RequestRecord, &RequestRecord::id> requests_;
  std::chrono::seconds skew_{0};
  Instant last_cleanup_;
  Instant last_execution_;
};

}  // namespace hsmbridge::rig
