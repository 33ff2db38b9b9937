#pragma once

#include "base/clock.h"
#include "providers/api_client.h"
#include "providers/venafi/credentials.h"
#include "providers/venafi/wire/wire.h"

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace hsmbridge::venafi {

struct Taken {
  CertificateRequest request;
};
// Taken: 201, or another success, with one readable request. Only 201 was ever seen, but a reference is a reference.
using Verdict = providers::VerdictOf<Taken>;
Verdict submission_verdict(const providers::Answer& answer);

struct RevocationTaken {
  RevocationAnswer answer;
};
using RevocationVerdict = providers::VerdictOf<RevocationTaken>;
// The troubles of the GraphQL mutation come as HTTP 200 with "errors": refused for good only where there is no
// certificate and every error has a code that says so; with any other, or without a code, it may have happened.
RevocationVerdict revocation_verdict(const providers::Answer& answer);

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
// included. Functions that are not submissions throw what Answer::success throws, and corrupt for a success of another
// shape. Thread rule: may be called from several threads at once.
class Client {
 public:
  // The clock must outlive the client.
  Client(std::shared_ptr<net::Transport> transport, const Access& access, const Clock& clock);

  // For API keys only: a service account's token is answered 403 or 500 there, whatever it may do elsewhere.
  UserAccount user_account(Duration limit);
  // Whose orders a search shows, in a text that is the same whenever it is; "" when neither the credentials nor the
  // service tell. An API key's is asked for, no longer ago than `age`. Throws unavailable, and denied for a refused
  // credential.
  std::string account(Duration age, Duration limit);
  bool has_user_account() const { return kind_ == Access::Kind::api_key; }

  ApplicationInfo application(const std::string& name, Duration limit);
  Template issuing_template(const std::string& application, const std::string& alias, Duration limit);
  std::vector<Template> issuing_templates(Duration limit);

  // Sent once. `body` as text_of made it. `call_until`: on CLOCK_BOOTTIME; past it nothing is sent. `account`: of
  // `account()`, and it must still be the one that orders when the request is sent, or nothing is; "" for any.
  Verdict submit(const std::string& body, const std::string& account, Duration limit,
                 std::optional<Duration> call_until = std::nullopt);
  // The service's own judgement of such a body; creates nothing. Every objection; empty when it would be taken.
  std::vector<std::string> validate(const std::string& body, Duration limit);

  Status request(const std::string& id, Duration limit);
  SearchPage search_requests(const RequestSearch& search, Duration limit);
  // Nothing where no approval was asked.
  std::optional<ApprovalRequest> approval(const std::string& id, Duration limit);
  using Decision = workflow::ApprovalAuthority::Decision;
  // Irrevocable there. The request as it is then. Throws as Answer::decided.
  CertificateRequest decide(const std::string& id, Decision decision, std::string_view reason, Duration limit);

  enum class ChainOrder { leaf_first, leaf_only };
  Contents contents(const std::string& certificate, ChainOrder order, Duration limit);
  std::optional<CertificateDetails> certificate(const std::string& id, Duration limit);
  std::vector<CertificateDetails> certificates_with(const std::string& fingerprint, Duration limit);

  // As `submit`.
  RevocationVerdict revoke(const std::string& body, Duration limit, std::optional<Duration> call_until = std::nullopt);
  // Throws unavailable when GraphQL answers with errors and without what became of the revocation.
  RevocationAnswer revocation(const std::string& fingerprint, Duration limit);

  const Clock& clock() const { return api_.clock(); }
  std::optional<Duration> server_ahead() const { return api_.server_ahead(); }

 private:
  const Access::Kind kind_;
  providers::ApiClient api_;
};

}  // namespace hsmbridge::venafi
