#pragma once

#include "net/transport.h"
#include "providers/securosys/wire/wire.h"
#include "workflow/ports/provider.h"

#include <string_view>
#include <variant>

// What the answer to a creating call means for the request (the one place where this provider decides it).
namespace hsmbridge::securosys {

struct Taken {
  Created created;
  std::string body;  // as it came
  std::string
      fault;  // why a result in it cannot be read: it comes once, so the body is all there is; "" when it was read
};
using Verdict = std::variant<Taken, workflow::NotAccepted, workflow::RefusedForGood, workflow::OutcomeUnknown>;

// - Nothing left this machine, or 429: not accepted, another attempt may follow.
// - A complete 4xx other than 408 in the TSB's own error form: not accepted or refused for good, by the code's row; a
//   404, 405, 406 or 415 in the form of the server's framework means that no handler saw the request: refused for good.
// - 200 or 201 with a readable body, or an unreadable one that holds a result: taken.
// - Everything else (5xx even in the TSB's form, 408, redirects, HTML, a cut or unreadable success, a time-out):
// unknown. `what` names the call in messages. Does not throw.
Verdict classify_submission(std::string_view what, const net::Exchange& exchange, Instant now);

// The answer to a repeatable call when it is a success (200 or 201), else an Error: `unavailable` for transport
// trouble, 429, 408, 5xx and pages of proxies (with the detail "retry-after" when one was given, "too-large" for an
// answer that was not read to its end); a refusal in the TSB's form as its row says; a 404, 405, 406 or 415 of the
// framework `not_found` with the detail "no-handler" and without "errorCode".
const net::Response& success_of(std::string_view what, const net::Exchange& exchange, Instant now);

// The answer to a decision that cannot be taken back (an approval, a rejection), whose success says nothing. Passes for
// 200 or 204 with nothing in it, or JSON without an errorCode. `unavailable` when nothing left this machine and for
// 429; a complete 4xx other than 408 in the TSB's own form as its row says. Everything else throws outcome_unknown with
// `look` as its hint: a page of a proxy says nothing, and a 5xx may come after the decision was recorded, since the
// last approval executes the request.
void expect_decided(std::string_view what, const net::Exchange& exchange, Instant now, const std::string& look);

}  // namespace hsmbridge::securosys
