#pragma once

#include "base/clock.h"
#include "providers/server_clock.h"
#include "providers/venafi/credentials.h"
#include "providers/venafi/submission.h"
#include "providers/venafi/wire/wire.h"

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace hsmbridge::venafi {

// What GET …/certificates/{id}/contents brought.
struct Contents {
  std::string body;     // exactly as it came; "" with `missing`
  std::string missing;  // why there is nothing yet: 404, or 409 while the authority has not signed
};

struct Status {
  std::optional<CertificateRequest> request;  // nothing: the service does not know the id
  std::string unknown_why;
  std::optional<Duration> retry_after;
};

// The service's REST interface and its GraphQL, one function an endpoint. `limit` bounds a whole call, getting a token
// included. Functions that are not submissions throw what success_of throws, and corrupt for a success of another
// shape. Thread rule: may be called from several threads at once.
class Client {
 public:
  // The clock must outlive the client.
  Client(std::shared_ptr<net::Transport> transport, std::shared_ptr<Credentials> credentials, const Clock& clock);

  // For API keys only: a service account's token is answered 403 or 500 there, whatever it may do elsewhere.
  UserAccount user_account(Duration limit);
  // Whose orders a search shows, in a text that is the same whenever it is; "" when neither the credentials nor the
  // service tell. Throws unavailable, and denied for a refused credential.
  std::string account(Duration limit);
  bool has_user_account() const { return credentials_->kind() == Credentials::Kind::api_key; }

  ApplicationInfo application(const std::string& name, Duration limit);
  Template issuing_template(const std::string& application, const std::string& alias, Duration limit);
  std::vector<Template> issuing_templates(Duration limit);

  // Sent once: a second sending happens only with another credential after a complete 401, whose gate does nothing
  // else. `body` as text_of made it. `call_until`: on CLOCK_BOOTTIME; past it nothing is sent.
  // `account`: of `account()`, and it must still be the one that orders when the request is sent; "" for any. Throws
  // unavailable, with nothing sent, where it is not.
  Verdict submit(const std::string& body, const std::string& account, Duration limit,
                 std::optional<Duration> call_until = std::nullopt);
  // The service's own judgement of such a body; creates nothing. Every objection; empty when it would be taken.
  std::vector<std::string> validate(const std::string& body, Duration limit);

  Status request(const std::string& id, Duration limit);
  SearchPage search_requests(const RequestSearch& search, Duration limit);
  // Nothing where no approval was asked.
  std::optional<ApprovalRequest> approval(const std::string& id, Duration limit);
  enum class Decision { approve, reject };
  // Irrevocable there. The request as it stands then. Throws as decision_of.
  CertificateRequest decide(const std::string& id, Decision decision, std::string_view reason, Duration limit);

  enum class ChainOrder { leaf_first, leaf_only };
  Contents contents(const std::string& certificate, ChainOrder order, Duration limit);
  std::optional<CertificateDetails> certificate(const std::string& id, Duration limit);
  std::vector<CertificateDetails> certificates_with(const std::string& fingerprint, Duration limit);

  // As `submit`.
  RevocationVerdict revoke(const std::string& body, Duration limit, std::optional<Duration> call_until = std::nullopt);
  // Throws unavailable when GraphQL answers with errors and without what became of the revocation.
  RevocationAnswer revocation(const std::string& fingerprint, Duration limit);

  const Clock& clock() const { return clock_; }
  std::optional<Duration> server_ahead() const { return server_clock_.ahead(); }

 private:
  struct Call {
    std::string method;
    std::string path;
    std::string body = {};
    net::Repeat repeat = net::Repeat::allowed;
    std::string accept = "application/json";
    std::optional<Duration> call_until = std::nullopt;
    std::string account = {};  // send it as this one or not at all; "": as anybody
  };
  net::Exchange exchange(const Call& call, Duration limit);
  void expect_account(const Credentials::Held& held, const std::string& account);

  const std::shared_ptr<net::Transport> transport_;
  const std::shared_ptr<Credentials> credentials_;
  const Clock& clock_;
  providers::ServerClock server_clock_;
  std::mutex mutex_;
  std::optional<Credentials::Held> api_key_;  // whose an API key is, as the service said last
};

}  // namespace hsmbridge::venafi
