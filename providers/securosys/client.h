#pragma once

#include "base/clock.h"
#include "base/error.h"
#include "base/secret.h"
#include "net/transport.h"
#include "providers/api_client.h"
#include "providers/securosys/wire/wire.h"

#include <atomic>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace hsmbridge::securosys {

// An API key has one role, and each endpoint wants one.
enum class Role { key_operation, key_management, approver, service };
struct RoleRow {
  Role role;
  std::string_view name;  // as the configuration names it
};
inline constexpr RoleRow kRoles[] = {{Role::key_operation, "key_operation"},
                                     {Role::key_management, "key_management"},
                                     {Role::approver, "approver"},
                                     {Role::service, "service"}};
std::string_view to_string(Role role);

enum class Endpoint {
  version_info,
  license_info,
  key_attributes,
  certificate,  // read
  certificate_sign,
  certificate_import,
  sign,
  request,  // status
  request_delete,
  tasks,
  approval,
  task_reject,
};
struct EndpointRow {
  Endpoint endpoint;
  std::string_view name;  // as `roles:` in the configuration names it
  Role role;              // as the vendor's table says; servers and vendor clients differ, hence configurable
};
std::span<const EndpointRow> endpoints();

struct ClientOptions {
  // When one is refused (HTTP 401, errorCode 631) the next takes its place, after the last the first again.
  std::map<Role, std::vector<providers::Source>> api_keys;
  std::optional<providers::Source> bearer_token;
  std::map<Endpoint, Role> roles;                     // where it differs from the table
  enum class RejectVerb { delete_task, patch_task };  // release notes 1.14.2 say PATCH, older texts DELETE
  RejectVerb reject_verb = RejectVerb::delete_task;
};

// A creating call that was accepted.
struct Taken {
  Created created;
  std::string body;   // as it came
  std::string fault;  // why a result in it cannot be read: it comes once, so the body is all there is; "": it was read
};
using Verdict = providers::VerdictOf<Taken>;
// Taken: a readable success, or an unreadable one that holds a result.
Verdict submission_verdict(const providers::Answer& answer);

// The answer to GET /v1/request/{id}.
struct RequestAnswer {
  std::optional<SignRequestStatus> status;  // nothing: the TSB does not know the id (any more), or `fault`
  std::string unknown_why;                  // its words, when it does not know the id
  std::optional<Error> fault;               // why its 200 cannot be read; a result may be in `body` nevertheless
  std::string body;                         // exactly as it came
  std::optional<Duration> retry_after;
};

// The TSB's REST interface, one function an endpoint. `limit` bounds a whole call. Functions that are not submissions
// throw what Answer::success throws, and corrupt for a success of another shape. Thread rule: may be called from
// several threads at once.
class Client {
 public:
  // The clock must outlive the client.
  Client(std::shared_ptr<net::Transport> transport, ClientOptions options, const Clock& clock);

  VersionInfo version_info(Duration limit);
  std::vector<std::string> license_flags(Duration limit);
  KeyAttributes key_attributes(const std::string& label, const Secret& password, Duration limit);
  Bytes certificate(const std::string& label, Duration limit);

  enum class Creates { signature, certificate };
  // `body` as outer_text made it. Sent once, whatever comes back.
  // `call_until`: on CLOCK_BOOTTIME; past it nothing is sent.
  Verdict submit(Creates what, std::string_view body, Duration limit,
                 std::optional<Duration> call_until = std::nullopt);

  // Only with an id that is ours: a GET may execute a request and consume its result.
  RequestAnswer request(const std::string& id, Duration limit);
  void delete_request(const std::string& id, Duration limit);
  // Overwrites what is attached to that key there: read it (certificate) before each try. Throws corrupt when another
  // certificate or label comes back.
  void import_certificate(const std::string& label, ByteView certificate, Duration limit);

  // One page. Servers before 2.0.1 have no filteredAllApprovalTask: there it is one page of each filter by kind, so
  // that a page with fewer tasks than `page_size` is still the last. A refused time stamp (errorCode 404) is an Error
  // with the detail "server-date" (RFC 3339) when the server told it.
  std::vector<Task> tasks(const TimestampProof& proof, const TaskFilter& filter, Duration limit);
  // Both throw outcome_unknown when the answer does not say what happened.
  void approve(const Approval& approval, Duration limit);
  void reject(const TimestampProof& proof, const std::string& task_id, Duration limit);

  // Whether calling it makes sense: not where API keys are configured, but none of its role. A server that wants none
  // (a bearer token or a client certificate opens it) may be asked everything.
  bool may_call(Endpoint endpoint) const;
  // What the server knows of us besides the credentials (a key's password): taken out of every later answer too, as a
  // server may repeat it when it carries a request out.
  void leave_out(const Secret& secret) { api_.leave_out(secret); }

  const Clock& clock() const { return api_.clock(); }

 private:
  Role role_of(Endpoint endpoint) const;
  providers::Answer call(Endpoint endpoint, net::Request request, Duration limit);
  void decide(Endpoint endpoint, net::Request request, Duration limit, const std::string& look);
  std::vector<Task> filtered(const std::string& path, const std::string& body, Duration limit);

  const ClientOptions options_;
  // The headers of a call, by the role of its endpoint.
  const std::map<Role, std::vector<providers::CredentialHeader>> headers_;
  providers::ApiClient api_;
  std::atomic<bool> old_filters_{false};
};

}  // namespace hsmbridge::securosys
