#include "providers/securosys/submission.h"

#include "providers/answer.h"
#include "providers/securosys/error_code.h"
#include "x509/names/name.h"

#include <fmt/core.h>

namespace hsmbridge::securosys {
namespace {

bool is_success(const net::Response& answer) {
  return answer.status == 200 || answer.status == 201;
}

// What came instead of the TSB's JSON, in words.
std::string describe(const net::Response& answer) {
  if (answer.body.empty()) return fmt::format("HTTP {} without a body", answer.status);
  const bool html = answer.content_type().find("html") != std::string::npos || answer.body.find("<html") < 200;
  return fmt::format(
      "HTTP {} with {}", answer.status,
      html ? std::string("an HTML page (of a proxy?)") : "\"" + x509::printable(answer.body.substr(0, 60)) + "\"");
}

// Nothing, or JSON that is no refusal.
bool says_nothing(std::string_view body) {
  if (body.find_first_not_of(" \t\r\n") == std::string_view::npos) return true;
  try {
    const Json json = Json::parse(body);
    return !json.is_object() || json.find("errorCode") == nullptr;
  } catch (const Error&) {
    return false;
  }
}

bool no_handler(const net::Response& answer) {
  return (answer.status == 404 || answer.status == 405 || answer.status == 406 || answer.status == 415) &&
         is_framework_error(answer.body, answer.status);
}

Error no_handler_error(std::string_view what, const net::Response& answer) {
  return Error{ErrorKind::not_found, fmt::format("{}: this server has no such endpoint (HTTP {})", what, answer.status)}
      .with("http", std::to_string(answer.status))
      .with("no-handler", "yes")
      .hint("check `url` and the version of the TSB");
}

}  // namespace

Verdict classify_submission(std::string_view what, const net::Exchange& exchange, Instant now) {
  if (const auto* not_sent = std::get_if<net::NotSent>(&exchange)) {
    return workflow::NotAccepted{
        Error{ErrorKind::unavailable, fmt::format("{}: the TSB cannot be reached: {}", what, not_sent->spoken())}.with(
            "lane", "down"),
        {}};
  }
  if (const auto* lost = std::get_if<net::OutcomeUnknown>(&exchange)) {
    return workflow::OutcomeUnknown{fmt::format("{}: no complete answer came: {}", what, lost->why)};
  }

  const auto& answer = std::get<net::Response>(exchange);
  if (is_success(answer)) {
    try {
      return Taken{created_from(answer.body), answer.body, ""};
    } catch (const Error& error) {
      if (may_hold_any_of({"signature", "certificate"}, answer.body)) return Taken{{}, answer.body, error.message()};
      return workflow::OutcomeUnknown{fmt::format("{}: HTTP {} came, but {}", what, answer.status, error.message())};
    }
  }
  const std::optional<Refusal> refusal = refusal_from(answer.body);
  if (answer.status == 429) {
    return workflow::NotAccepted{
        Error{ErrorKind::unavailable, fmt::format("{}: the TSB is asked too often (HTTP 429)", what)}
            .with("http", "429")
            .with("lane", "down"),
        answer.retry_after(now)};
  }
  const bool client_error = answer.status >= 400 && answer.status < 500 && answer.status != 408;
  if (client_error && refusal) {
    Error error = business_error(what, answer.status, refusal->code, refusal->reason, refusal->message);
    const ErrorCode* row = find_error_code(refusal->code);
    if (row != nullptr && row->repeating == Repeating::cannot_help) return workflow::RefusedForGood{std::move(error)};
    return workflow::NotAccepted{std::move(error), answer.retry_after(now)};
  }
  if (no_handler(answer)) return workflow::RefusedForGood{no_handler_error(what, answer)};
  if (refusal) {
    return workflow::OutcomeUnknown{
        business_error(what, answer.status, refusal->code, refusal->reason, refusal->message).message() +
        fmt::format(", HTTP {}", answer.status)};
  }
  return workflow::OutcomeUnknown{fmt::format("{}: {}", what, describe(answer))};
}

void expect_decided(std::string_view what, const net::Exchange& exchange, Instant now, const std::string& look) {
  const auto unknown = [&](const std::string& why) {
    return Error{ErrorKind::outcome_unknown, fmt::format("{}: {}", what, why)}.hint(look);
  };
  if (const auto* lost = std::get_if<net::OutcomeUnknown>(&exchange)) {
    throw unknown(fmt::format("no complete answer came: {}", lost->why));
  }
  const auto* answer = std::get_if<net::Response>(&exchange);
  if (answer != nullptr && (answer->status == 200 || answer->status == 204)) {
    if (says_nothing(answer->body)) return;
    throw unknown(describe(*answer) + ", which is no answer of the TSB");
  }
  const bool clear = answer == nullptr || answer->status == 429 ||
                     (answer->status >= 400 && answer->status < 500 && answer->status != 408 &&
                      (refusal_from(answer->body) || no_handler(*answer)));
  if (clear) {
    success_of(what, exchange, now);
    return;
  }
  const std::optional<Refusal> refusal = refusal_from(answer->body);
  if (!refusal) throw unknown(describe(*answer));
  const Error words = business_error(what, answer->status, refusal->code, refusal->reason, refusal->message);
  Error error(ErrorKind::outcome_unknown, words.message());
  for (const auto& [name, value] : words.details()) error.with(name, value);
  throw error.hint(look);
}

const net::Response& success_of(std::string_view what, const net::Exchange& exchange, Instant now) {
  if (const auto* not_sent = std::get_if<net::NotSent>(&exchange)) {
    throw Error{ErrorKind::unavailable, fmt::format("{}: the TSB cannot be reached: {}", what, not_sent->spoken())}
        .with("lane", "down");
  }
  if (const auto* lost = std::get_if<net::OutcomeUnknown>(&exchange)) {
    Error error(ErrorKind::unavailable, fmt::format("{}: no complete answer came: {}", what, lost->why));
    if (lost->too_large) error.with("too-large", "yes");
    throw error;
  }

  const auto& answer = std::get<net::Response>(exchange);
  if (is_success(answer)) return answer;

  const bool later = answer.status >= 500 || answer.status == 429 || answer.status == 408;
  const auto fail = [&](ErrorKind kind) {
    return Error(kind, fmt::format("{}: {}", what, describe(answer))).with("http", std::to_string(answer.status));
  };
  Error error = [&] {
    if (const std::optional<Refusal> refusal = refusal_from(answer.body)) {
      Error business = business_error(what, answer.status, refusal->code, refusal->reason, refusal->message);
      if (!later || business.kind() == ErrorKind::unavailable) return business;
      Error again(ErrorKind::unavailable, business.message());
      for (const auto& [name, value] : business.details()) again.with(name, value);
      return again.hint(business.hint());
    }
    if (later) return fail(ErrorKind::unavailable);
    if (no_handler(answer)) return no_handler_error(what, answer);
    if (answer.status == 404 || answer.status == 405) return fail(ErrorKind::not_found).hint("check `url`");
    if (answer.status == 401 || answer.status == 403) {
      return fail(ErrorKind::denied).hint("check the credentials: API keys, `bearer_token`, client certificate");
    }
    return fail(ErrorKind::unavailable);
  }();
  if (const auto wait = answer.retry_after(now)) error.with("retry-after", duration_text(*wait));
  if (providers::is_service_down(answer.status)) error.with("lane", "down");
  throw error;
}

}  // namespace hsmbridge::securosys
