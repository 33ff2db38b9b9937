#pragma once

#include "base/clock.h"
#include "base/error.h"
#include "net/transport.h"
#include "providers/credentials.h"
#include "providers/json_fields.h"
#include "workflow/ports/provider.h"

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

// What the answer to a call means for a request: the one ladder of all providers.
//
//   Dialect   a row of each vendor: how its service is called in messages, and how it refuses
//   Refused   one refusal in the service's own form, as the vendor's table of errors reads it
//   Answer    one call and what came of it; asked by success() for a call that may be repeated, by verdict() for one
//             that is made once and creates something, by decided() for a decision that cannot be taken back
//
//   nothing left this machine (no connection, no credential)  not accepted: another attempt may follow
//   no complete answer                                        unknown
//   200 to the last status that is a success                  the caller's reader; unreadable: unknown
//   429                                                       not accepted, the lane is down
//   a complete 4xx but 408 in the service's own form          the vendor's row: not accepted or refused for good
//   everything else                                           unknown: 5xx even in its own form, 408, redirects, a
//                                                             page of a proxy
//
// Not checked here: whether the content of a success is about what was asked (the provider), and the removal of secrets
// (net::Transport). Thread rule: values and plain functions.
namespace hsmbridge::providers {

struct Refused {
  Error error;  // the service's words, and by the vendor's table: kind, details, what to do
  // Whether sending the same again, unchanged, may succeed.
  enum class Fate { for_good, not_accepted };
  Fate fate = Fate::for_good;
  // Not the call but a credential was judged, before anything else was looked at: the header that carries it, or "" for
  // whichever was sent.
  std::optional<std::string_view> credential = std::nullopt;
};

struct Dialect {
  std::string_view service;  // the subject of a sentence: "the TSB"
  // The refusal that an answer without success holds in the service's own form; nothing for anybody else's words.
  // `what` names the call. Does not throw.
  std::optional<Refused> (*refusal_in)(std::string_view what, const net::Response& answer);
  long last_success = 204;                       // a success is 200 to this status
  std::string_view accept = "application/json";  // what every call says it takes; "" for nothing
  bool always_typed = false;                     // Content-Type even without a body
  Holds holds = Holds::facts;                    // secrets: nothing of an answer in another form is shown
};

using Trouble = std::variant<workflow::NotAccepted, workflow::RefusedForGood, workflow::OutcomeUnknown>;

// The same where the answer to a call that is made once brings one of `Taken`.
template <class... Taken>
using VerdictOf = std::variant<Taken..., workflow::NotAccepted, workflow::RefusedForGood, workflow::OutcomeUnknown>;

class Answer {
 public:
  // What a refused credential means to other calls.
  enum class Credential {
    of_all,        // they need the same one: their lane waits until it is corrected
    of_this_call,  // they need others
    another_next,  // another one takes its place with the next call
  };

  Answer(const Dialect& dialect, std::string what, net::Exchange exchange, Instant now,
         Credential credential = Credential::of_all);
  // Nothing was sent, for a reason on this side.
  Answer(const Dialect& dialect, std::string what, Error nothing_sent);

  // The complete answer, whatever it says; null when there is none.
  const net::Response* response() const { return std::get_if<net::Response>(&came_); }
  // What the service said against it in its own form, and nothing for a success.
  const std::optional<Refused>& refused() const { return refused_; }
  Credential meaning() const { return credential_; }
  void means(Credential credential) { credential_ = credential; }
  bool has_status(long status) const { return response() != nullptr && response()->status == status; }
  // Retry-After and Date of the answer.
  std::optional<Duration> retry_after() const;
  std::optional<Instant> date() const;

  // Of a call that may be repeated: a complete success, else an Error: `unavailable` for transport trouble (with the
  // detail "too-large" for an answer that was not read to its end), 429, 408, 5xx and pages of proxies; a refusal as
  // its row says; a foreign 404 or 405 `not_found`, a foreign 401 or 403 `denied`. Details: "http", and "retry-after"
  // when that was asked for.
  const net::Response& success() const;

  // Of a call that is made once: everything but a success, whose body is the caller's to read.
  std::optional<Trouble> trouble() const;
  // The same with `read`, which makes a Result (a variant with the members of Trouble) of the success. What it throws
  // makes the outcome unknown. Does not throw.
  template <class Result, class Read>
  Result verdict(Read read) const {
    if (auto found = trouble()) {
      return std::visit([](auto&& one) -> Result { return std::forward<decltype(one)>(one); }, std::move(*found));
    }
    try {
      return read(*response());
    } catch (const Error& error) {
      return workflow::OutcomeUnknown{came_but(error)};
    }
  }

  // Of a decision that is final there: what `read` makes of a 2xx. Throws the refusal, `unavailable` when nothing
  // was decided for sure, and outcome_unknown with the hint `look` for everything else: a page of a proxy says nothing,
  // and a 5xx may come after the decision was recorded.
  template <class Read>
  auto decided(const std::string& look, Read read) const {
    expect_clear(look);
    try {
      return read(*response());
    } catch (const Error& error) {
      throw Error{ErrorKind::outcome_unknown, came_but(error)}.hint(look);
    }
  }

 private:
  std::string came_but(const Error& error) const;
  void expect_clear(const std::string& look) const;
  Error refusal() const;

  const Dialect* dialect_;
  std::string what_;
  std::variant<Error, net::OutcomeUnknown, net::Response> came_;  // Error: nothing was sent
  Instant now_{};
  Credential credential_ = Credential::of_all;
  std::optional<Refused> refused_;
};

// The end of an attempt that a verdict says, other than a success: nothing for that.
template <class Verdict>
std::optional<workflow::SubmitAnswer> passed_on(Verdict& verdict) {
  if (auto* again = std::get_if<workflow::NotAccepted>(&verdict)) return std::move(*again);
  if (auto* refused = std::get_if<workflow::RefusedForGood>(&verdict)) return std::move(*refused);
  if (auto* unknown = std::get_if<workflow::OutcomeUnknown>(&verdict)) return std::move(*unknown);
  return std::nullopt;
}

// Whether it is a web page, of a proxy or a login, where JSON or plain text should be.
bool is_html(std::string_view content_type, std::string_view body);
// What came, in words: `HTTP 502 with an HTML page (of a proxy?)`.
std::string described(const net::Response& answer, Holds holds = Holds::facts);

}  // namespace hsmbridge::providers
