#pragma once

#include "net/transport.h"
#include "providers/venafi/wire/wire.h"
#include "workflow/ports/provider.h"

#include <string>
#include <string_view>
#include <variant>

// What the answer to a creating call means for the request (the one place where this provider decides it).
namespace hsmbridge::venafi {

struct Taken {
  CertificateRequest request;
};
using Verdict = std::variant<Taken, workflow::NotAccepted, workflow::RefusedForGood, workflow::OutcomeUnknown>;

// - Nothing left this machine, or 429: not accepted, another attempt may follow.
// - A complete refusal of our credential (401 in the service's own form, plain text included, or one of the codes for
//   it): not accepted. It may be in the middle of a rotation.
// - Another complete 4xx other than 408 in the service's own error form: refused for good. None of these refusals goes
//   away by sending the same again.
// - 201, or another 2xx, with one readable request: taken. Only 201 was ever seen, but a reference is a reference.
// - Everything else (5xx even in the service's form, 408, redirects, HTML, a cut or unreadable success, a time-out):
//   unknown. `what` names the call in messages. Does not throw.
Verdict classify_submission(std::string_view what, const net::Exchange& exchange, Instant now);

struct RevocationTaken {
  RevocationAnswer answer;
};
using RevocationVerdict =
    std::variant<RevocationTaken, workflow::NotAccepted, workflow::RefusedForGood, workflow::OutcomeUnknown>;
// The same for the GraphQL mutation, whose troubles come as HTTP 200 with "errors": refused for good only where there
// is no certificate and every error has a code that says so; with any other, or without a code, it may have happened.
RevocationVerdict classify_revocation(std::string_view what, const net::Exchange& exchange, Instant now);

// The answer to a decision about a request: the request as it stands then. Throws the refusal, unavailable when nothing
// was decided for sure, and outcome_unknown for everything that is neither a refusal nor a readable success.
CertificateRequest decision_of(std::string_view what, const net::Exchange& exchange, Instant now);

// The answer to a repeatable call when it is a success (200 to 204), else an Error: `unavailable` for transport
// trouble, 429, 408, 5xx and pages of proxies (with the detail "retry-after" when one was given); a refusal in the
// service's form as its row says; a foreign 404 `not_found`.
const net::Response& success_of(std::string_view what, const net::Exchange& exchange, Instant now);
// The same for a token endpoint.
const net::Response& token_success_of(std::string_view what, const net::Exchange& exchange, Instant now);

}  // namespace hsmbridge::venafi
