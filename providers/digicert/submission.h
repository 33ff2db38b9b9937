#pragma once

#include "net/transport.h"
#include "providers/digicert/wire/wire.h"
#include "workflow/ports/provider.h"

#include <string>
#include <string_view>
#include <variant>

// What the answer to a creating call means for the request (the one place where this provider decides it).
namespace hsmbridge::digicert {

struct Taken {
  CertificateAnswer answer;
  std::string body;  // exactly as it came
};
using Verdict = std::variant<Taken, workflow::NotAccepted, workflow::RefusedForGood, workflow::OutcomeUnknown>;

// - Nothing left this machine, or 429: not accepted, another attempt may follow.
// - 401, whatever its body: no handler saw the request; not accepted, the credentials must be mended.
// - Any other complete 4xx but 408 in the service's own error form: refused for good.
// - 200, 201 or 202 that names a certificate or a request: taken. (201 is what the sources show for both; a renewal
//   answers 200.)
// - Everything else (5xx even in the service's own form, 408, redirects, HTML, a cut or unreadable success, a time-out):
//   unknown.
// `what` names the call in messages. Does not throw.
Verdict classify_submission(std::string_view what, const net::Exchange& exchange, Instant now);

struct Revoked {
  std::string message;  // "" for an ordinary 204
};
struct RevocationTaken {
  std::string status;  // the HTTP status: accepted, and not said to be carried out
};
// The serial number is in the account more than once, and the service did not tell them apart by the SHA-256
// thumbprint: nothing was revoked.
struct Collision {};
using RevocationVerdict = std::variant<Revoked, RevocationTaken, Collision, workflow::NotAccepted,
                                       workflow::RefusedForGood, workflow::OutcomeUnknown>;
// The same for PUT …/revoke. 204 is done; so is "already has been revoked", in whatever status it comes. Another 2xx is
// taken and its effect has yet to be seen.
RevocationVerdict classify_revocation(std::string_view what, const net::Exchange& exchange, Instant now);

// Whether a refusal of a request is about its form: which members, where. Then the other form may be tried, since a
// complete 400 with a code of the service's own means that nothing was accepted (a gateway in front of it may say
// {"error":{"message"}} too, and knows nothing). When in doubt it is about the form: trying costs one more refusal.
bool refuses_the_form(const workflow::RefusedForGood& refused);
// Whether a refusal carries a code such as the service has: a word. A gateway's has none, or the number of its status.
bool has_own_code(const Error& refusal);
// Whether a refusal says that what was asked for exists: 409, or in words, since no source shows the code. After an
// earlier attempt that may be that attempt's own certificate.
bool says_it_exists(const workflow::RefusedForGood& refused);
// Whether nothing was renewed, for a reason that lies in the renewal alone: a complete 400 in the list `errors`, with a
// code, which does not say that a new certificate exists or that the request was rejected.
bool refuses_only_the_renewal(const workflow::RefusedForGood& refused);

// The answer to a repeatable call when its status is 200 to 202, else an Error: `unavailable` for transport trouble,
// 429, 408, 5xx and pages of proxies (with the detail "retry-after" when one was given), `denied` for 401 and 403,
// `not_found` for 404 and 410, `invalid_input` for other refusals in the service's own form. Details: "http", and
// "code", "field" and "envelope" of the first refusal.
const net::Response& success_of(std::string_view what, const net::Exchange& exchange, Instant now);
// Whether such an Error is the service's own word that the thing does not exist. A web server's page is not.
bool says_not_there(const Error& error);

}  // namespace hsmbridge::digicert
