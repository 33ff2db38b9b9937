#pragma once

#include "base/clock.h"
#include "base/error.h"
#include "base/secret.h"
#include "net/transport.h"
#include "providers/securosys/submission.h"
#include "providers/securosys/wire/wire.h"

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace hsmbridge::securosys {

// An API key has one role, and each endpoint wants one.
enum class Role { key_operation, key_management, approver, service };
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

// Gives a secret when it is needed, so that a rotated file needs no restart. Throws what reading it throws.
using SecretGetter = std::function<Secret()>;

struct ClientOptions {
  // When one is refused (HTTP 401, errorCode 631) the next takes its place, after the last the first again.
  std::map<Role, std::vector<SecretGetter>> api_keys;
  SecretGetter bearer_token;                          // may be empty
  std::map<Endpoint, Role> roles;                     // where it differs from the table
  enum class RejectVerb { delete_task, patch_task };  // release notes 1.14.2 say PATCH, older texts DELETE
  RejectVerb reject_verb = RejectVerb::delete_task;
};

// The answer to GET /v1/request/{id}.
struct RequestAnswer {
  std::optional<SignRequestStatus> status;  // nothing: the TSB does not know the id (any more), or `fault`
  std::string unknown_why;                  // its words, when it does not know the id
  std::optional<Error> fault;               // why its 200 cannot be read; a result may be in `body` all the same
  std::string body;                         // exactly as it came
  std::optional<Duration> retry_after;
};

// The TSB's REST interface, one function an endpoint. `limit` bounds a whole call. One that may be repeated is sent
// again with the next API key when the first is refused; every other one is one request, and the next call uses the
// next key. Functions that are not submissions throw what success_of throws, and corrupt for a success of another
// shape. Thread rule: may be called from several threads at once.
class Client {
 public:
  // The clock must outlive the client.
  Client(std::shared_ptr<net::Transport> transport, ClientOptions options, const Clock& clock);

  VersionInfo version_info(Duration limit);
  std::vector<std::string> license_flags(Duration limit);
  KeyAttributes key_attributes(const std::string& label, const Secret& password, Duration limit);
  Bytes certificate(const std::string& label, Duration limit);

  // `body` as outer_text made it. Sent once, whatever comes back.
  // `call_until`: on CLOCK_BOOTTIME; past it nothing is sent.
  Verdict sign(std::string_view body, Duration limit, std::optional<Duration> call_until = std::nullopt);
  Verdict certificate_sign(std::string_view body, Duration limit, std::optional<Duration> call_until = std::nullopt);

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
  void leave_out(const Secret& secret);

  const Clock& clock() const { return clock_; }

 private:
  struct KeyRing {
    std::vector<SecretGetter> sources;
    std::vector<std::optional<Secret>> read;
    std::size_t current = 0;
    std::size_t refused = 0;  // one after the other, since one was taken
  };
  struct Call {
    Endpoint endpoint;
    std::string method;
    std::string path;
    std::string_view body = {};  // may hold a password: the one copy is the request's, which is overwritten
    net::Repeat repeat = net::Repeat::allowed;
    std::optional<Duration> call_until = std::nullopt;
  };
  Role role_of(Endpoint endpoint) const;
  net::Exchange exchange(const Call& call, Duration limit);
  Verdict submit(Endpoint endpoint, const std::string& path, std::string_view body, Duration limit,
                 std::optional<Duration> call_until);
  std::vector<Task> filtered(const std::string& path, const std::string& body, Duration limit);
  std::optional<Secret> key(Role role, std::size_t index);
  std::size_t current_key(Role role);
  // Whether there is a key that was not refused.
  bool note_refused(Role role, std::size_t index);
  void note_taken(Role role, std::size_t index);
  // Whether the last was refused and another one takes its place.
  bool another_key(Role role);
  bool is_about_credentials(Endpoint endpoint, const Error& error) const;
  // success_of, with an error about the credentials marked as such (providers::about_credentials).
  const net::Response& success(Endpoint endpoint, std::string_view what, const net::Exchange& exchange) const;
  std::optional<Secret> bearer();
  void forget_refused_bearer(const net::Response& answer);
  std::vector<Secret> secrets_at_hand();

  const std::shared_ptr<net::Transport> transport_;
  const ClientOptions options_;
  const Clock& clock_;
  std::mutex mutex_;  // guards the three below
  std::map<Role, KeyRing> rings_;
  std::optional<Secret> bearer_;
  std::vector<Secret> left_out_;  // the latest last
  std::atomic<bool> old_filters_{false};
};

}  // namespace hsmbridge::securosys
