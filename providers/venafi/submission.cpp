#include "providers/venafi/submission.h"

#include "providers/answer.h"
#include "providers/credential.h"
#include "providers/venafi/error_code.h"
#include "x509/names/name.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

namespace hsmbridge::venafi {
namespace {

using workflow::NotAccepted;
using workflow::OutcomeUnknown;
using workflow::RefusedForGood;

bool is_success(const net::Response& answer) {
  return answer.status >= 200 && answer.status <= 204;
}

// What came instead of the service's JSON, in words.
std::string describe(const net::Response& answer) {
  if (answer.body.empty()) return fmt::format("HTTP {} without a body", answer.status);
  return fmt::format("HTTP {} with {}", answer.status,
                     is_html(answer.content_type(), answer.body)
                         ? std::string("an HTML page (of a proxy?)")
                         : "\"" + x509::printable(answer.body.substr(0, 60)) + "\"");
}

// Everything but a complete success, which is the caller's to read: nothing then.
std::optional<std::variant<NotAccepted, RefusedForGood, OutcomeUnknown>> trouble_of(std::string_view what,
                                                                                    const net::Exchange& exchange,
                                                                                    Instant now) {
  if (const auto* not_sent = std::get_if<net::NotSent>(&exchange)) {
    return NotAccepted{
        Error{ErrorKind::unavailable, fmt::format("{}: the service cannot be reached: {}", what, not_sent->spoken())}
            .with("lane", "down"),
        {}};
  }
  if (const auto* lost = std::get_if<net::OutcomeUnknown>(&exchange)) {
    return OutcomeUnknown{fmt::format("{}: no complete answer came: {}", what, lost->why)};
  }
  const auto& answer = std::get<net::Response>(exchange);
  if (is_success(answer)) return std::nullopt;
  if (answer.status == 429) {
    return NotAccepted{Error{ErrorKind::unavailable, fmt::format("{}: the service is asked too often (HTTP 429)", what)}
                           .with("http", "429")
                           .with("lane", "down"),
                       answer.retry_after(now)};
  }
  const std::optional<Refusal> refusal = refusal_from(answer.status, answer.content_type(), answer.body);
  const bool client_error = answer.status >= 400 && answer.status < 500 && answer.status != 408;
  if (client_error && refusal) {
    Error said = service_error(what, answer.status, *refusal);
    // The gate looked at the credential and at nothing else: another one may pass.
    if (answer.status == 401 || is_credential_refusal(*refusal)) {
      return NotAccepted{providers::about_credentials(std::move(said)), answer.retry_after(now)};
    }
    return RefusedForGood{std::move(said)};
  }
  if (refusal) return OutcomeUnknown{service_error(what, answer.status, *refusal).message()};
  return OutcomeUnknown{fmt::format("{}: {}", what, describe(answer))};
}

template <class To>
To widened(std::variant<NotAccepted, RefusedForGood, OutcomeUnknown> trouble) {
  return std::visit([](auto&& one) -> To { return std::forward<decltype(one)>(one); }, std::move(trouble));
}

// Codes with which a GraphQL server refuses what it was asked before anything is done. An error of any other code, or
// of none (the service's reference shows none), may come from a part behind it that had done its work by then.
constexpr auto kRefusals = std::to_array<std::string_view>({
    "BAD_REQUEST",
    "BAD_USER_INPUT",
    "FORBIDDEN",
    "GRAPHQL_PARSE_FAILED",
    "GRAPHQL_VALIDATION_FAILED",
    "NOT_FOUND",
    "UNAUTHENTICATED",
    "UNAUTHORIZED",
});

bool is_refusal(const RevocationAnswer::Trouble& trouble) {
  return std::find(kRefusals.begin(), kRefusals.end(), trouble.code) != kRefusals.end();
}

ErrorKind kind_of(const std::vector<RevocationAnswer::Trouble>& troubles) {
  for (const auto& trouble : troubles) {
    if (trouble.code == "UNAUTHENTICATED" || trouble.code == "UNAUTHORIZED" || trouble.code == "FORBIDDEN") {
      return ErrorKind::denied;
    }
    if (trouble.code == "NOT_FOUND") return ErrorKind::not_found;
  }
  return ErrorKind::refused;
}

std::string words_of(const std::vector<RevocationAnswer::Trouble>& troubles) {
  std::string text;
  for (const auto& trouble : troubles) text += (text.empty() ? "" : "; ") + trouble.message;
  return text;
}

using Reader = std::optional<Refusal> (*)(long, std::string_view, std::string_view);

const net::Response& success(std::string_view what, const net::Exchange& exchange, Instant now, Reader refusal_in) {
  if (const auto* not_sent = std::get_if<net::NotSent>(&exchange)) {
    throw Error{ErrorKind::unavailable, fmt::format("{}: the service cannot be reached: {}", what, not_sent->spoken())}
        .with("lane", "down");
  }
  if (const auto* lost = std::get_if<net::OutcomeUnknown>(&exchange)) {
    throw Error{ErrorKind::unavailable, fmt::format("{}: no complete answer came: {}", what, lost->why)};
  }
  const auto& answer = std::get<net::Response>(exchange);
  if (is_success(answer)) return answer;

  const bool later = answer.status >= 500 || answer.status == 429 || answer.status == 408;
  const auto fail = [&](ErrorKind kind) {
    return Error(kind, fmt::format("{}: {}", what, describe(answer))).with("http", std::to_string(answer.status));
  };
  Error error = [&] {
    if (const std::optional<Refusal> refusal = refusal_in(answer.status, answer.content_type(), answer.body)) {
      Error said = service_error(what, answer.status, *refusal);
      if (!later) return is_credential_refusal(*refusal) ? providers::about_credentials(std::move(said)) : said;
      // Whatever the code says: a server in trouble is asked again.
      return Error{ErrorKind::unavailable, said.message()}.with("http", std::to_string(answer.status));
    }
    if (later) return fail(ErrorKind::unavailable);
    if (answer.status == 404 || answer.status == 405) return fail(ErrorKind::not_found).hint("check `url`");
    if (answer.status == 401 || answer.status == 403) {
      return fail(ErrorKind::denied).hint("something before the service refuses: a proxy, or check `url`");
    }
    return fail(ErrorKind::unavailable);
  }();
  if (const auto wait = answer.retry_after(now)) error.with("retry-after", duration_text(*wait));
  if (providers::is_service_down(answer.status)) error.with("lane", "down");
  if (answer.status == 401) error = providers::about_credentials(std::move(error));
  throw Error(std::move(error));
}

}  // namespace

Verdict classify_submission(std::string_view what, const net::Exchange& exchange, Instant now) {
  if (auto trouble = trouble_of(what, exchange, now)) return widened<Verdict>(std::move(*trouble));
  const auto& answer = std::get<net::Response>(exchange);
  try {
    return Taken{created_from(answer.body)};
  } catch (const Error& error) {
    return OutcomeUnknown{fmt::format("{}: HTTP {} came, but {}", what, answer.status, error.message())};
  }
}

RevocationVerdict classify_revocation(std::string_view what, const net::Exchange& exchange, Instant now) {
  if (auto trouble = trouble_of(what, exchange, now)) return widened<RevocationVerdict>(std::move(*trouble));
  const auto& http = std::get<net::Response>(exchange);
  RevocationAnswer answer;
  try {
    answer = revocation_from(http.body, "revokeCertificate");
  } catch (const Error& error) {
    return OutcomeUnknown{fmt::format("{}: HTTP {} came, but {}", what, http.status, error.message())};
  }
  if (answer.present && !answer.status.empty()) return RevocationTaken{std::move(answer)};
  if (answer.troubles.empty()) {
    return OutcomeUnknown{fmt::format("{}: the answer does not say what became of the revocation", what)};
  }
  const std::string words = words_of(answer.troubles);
  if (answer.present || !std::all_of(answer.troubles.begin(), answer.troubles.end(), is_refusal)) {
    return OutcomeUnknown{fmt::format("{}: {}", what, words)};
  }
  return RefusedForGood{Error(kind_of(answer.troubles), fmt::format("{}: the service says: {}", what, words))};
}

CertificateRequest decision_of(std::string_view what, const net::Exchange& exchange, Instant now) {
  const auto unknown = [](const std::string& why) {
    return Error{ErrorKind::outcome_unknown, why}.hint(
        "look at the request again before deciding once more: a decision is final there");
  };
  if (auto trouble = trouble_of(what, exchange, now)) {
    if (auto* not_accepted = std::get_if<NotAccepted>(&*trouble)) throw Error(std::move(not_accepted->error));
    if (auto* refused = std::get_if<RefusedForGood>(&*trouble)) throw Error(std::move(refused->error));
    throw unknown(std::get<OutcomeUnknown>(*trouble).why);
  }
  const auto& answer = std::get<net::Response>(exchange);
  try {
    return certificate_request_from(answer.body);
  } catch (const Error& error) {
    throw unknown(fmt::format("{}: HTTP {} came, but {}", what, answer.status, error.message()));
  }
}

const net::Response& success_of(std::string_view what, const net::Exchange& exchange, Instant now) {
  return success(what, exchange, now, &refusal_from);
}

const net::Response& token_success_of(std::string_view what, const net::Exchange& exchange, Instant now) {
  return success(what, exchange, now, &token_refusal_from);
}

}  // namespace hsmbridge::venafi
