#pragma once

#include "providers/digicert/wire/wire.h"
#include "providers/verdict.h"

#include <string>

// How Trust Lifecycle Manager refuses, and what that means.
namespace hsmbridge::digicert {

// - 401 in the service's own form is about the credentials: no handler saw the request. In any other form it is a
//   proxy's, which tells nothing about the request or the key.
// - Any other refusal in the service's own form is for good. Its kind is that of the HTTP status: `denied` for 403,
//   `not_found` for 404 and 410, `invalid_input` for 400; `refused` where its words are a no to the request itself.
// Details: "http", and "code", "field" and "envelope" of the first refusal.
const providers::Dialect& dialect();

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
// Whether an error is the service's own word that the thing does not exist. A web server's page is not.
bool says_not_there(const Error& error);

struct Taken {
  CertificateAnswer answer;
  std::string body;  // exactly as it came
};
using Verdict = providers::VerdictOf<Taken>;
// Taken: a success that names a certificate or a request. (201 is what the sources show for both; a renewal answers
// 200.)
Verdict submission_verdict(const providers::Answer& answer);

struct Revoked {
  std::string message;  // "" for an ordinary 204
};
struct RevocationTaken {
  std::string status;  // the HTTP status: accepted, and not said to be carried out
};
// The serial number is in the account more than once, and the service did not tell them apart by the SHA-256
// thumbprint: nothing was revoked.
struct Collision {};
using RevocationVerdict = providers::VerdictOf<Revoked, RevocationTaken, Collision>;
// 204 is done; so is "already has been revoked", in whatever status it comes. Another success is taken and its effect
// has yet to be seen.
RevocationVerdict revocation_verdict(const providers::Answer& answer);

}  // namespace hsmbridge::digicert
