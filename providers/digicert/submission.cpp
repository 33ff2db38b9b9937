#include "providers/digicert/submission.h"

#include "providers/answer.h"
#include "providers/credential.h"
#include "x509/names/name.h"

#include <fmt/core.h>

#include <algorithm>

namespace hsmbridge::digicert {
namespace {

constexpr std::string_view kNoCode = "(none)";

bool has(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

bool is_html(const net::Response& answer) {
  const std::size_t first = answer.body.find_first_not_of(" \t\r\n");
  return has(lower(answer.content_type()), "html") || (first != std::string::npos && answer.body[first] == '<');
}

// What came instead of the service's JSON, in words.
std::string describe(const net::Response& answer) {
  if (answer.body.empty()) return fmt::format("HTTP {} without a body", answer.status);
  return fmt::format("HTTP {} with {}", answer.status,
                     is_html(answer) ? std::string("an HTML page (of a proxy?)")
                                     : "\"" + x509::printable(answer.body.substr(0, 60)) + "\"");
}

// What was said, in the service's own form or not.
std::string said(const net::Response& answer, const std::vector<Refusal>& refusals) {
  return refusals.empty() ? describe(answer) : fmt::format("{}, HTTP {}", refusals_text(refusals), answer.status);
}

struct StatusRow {
  long status;
  ErrorKind kind;
  std::string_view advice;
};
// What a complete refusal of that HTTP status lets the caller do. The status counts, not the code: two vocabularies of
// codes are in use, and no source ties one to a status.
constexpr StatusRow kStatuses[] = {
    {400, ErrorKind::invalid_input, "`hsmbridge provider show NAME --profiles` shows what the profile wants"},
    {401, ErrorKind::denied,
     "give `api_key` a valid API token of a service user of this DigiCert ONE account; tokens of the demo and the "
     "production system are not interchangeable"},
    {403, ErrorKind::denied,
     "the service user needs EM_EPKI_USER_&_CERT_MANAGER and access to the profile; an unknown profile is answered in "
     "the same way, and a profile may be bound to other API tokens"},
    {404, ErrorKind::not_found, "check `url`, and that it is still there"},
    {409, ErrorKind::refused, ""},
    {410, ErrorKind::not_found, ""},
    {422, ErrorKind::refused, ""},
};
const StatusRow* row_of(long status) {
  const auto* row = std::find_if(std::begin(kStatuses), std::end(kStatuses),
                                 [status](const StatusRow& one) { return one.status == status; });
  return row == std::end(kStatuses) ? nullptr : row;
}

// The service's own word against the request itself, whatever the status.
bool is_a_no(const std::vector<Refusal>& refusals) {
  return std::any_of(refusals.begin(), refusals.end(), [](const Refusal& one) {
    const std::string code = lower(one.code);
    return has(code, "duplicate") || has(code, "rejected");
  });
}

Error refusal_error(std::string_view what, const net::Response& answer, const std::vector<Refusal>& refusals) {
  const StatusRow* row = row_of(answer.status);
  ErrorKind kind = row != nullptr ? row->kind : ErrorKind::invalid_input;
  if (kind == ErrorKind::invalid_input && is_a_no(refusals)) kind = ErrorKind::refused;
  const std::string_view verb = answer.status == 401 ? "DigiCert does not take our credentials" : "DigiCert refuses";
  Error error(kind, fmt::format("{}: {}: {}", what, verb, said(answer, refusals)));
  error.with("http", std::to_string(answer.status));
  if (!refusals.empty()) {
    const std::string& code = refusals.front().code;
    error.with("code", code.empty() ? std::string(kNoCode) : x509::printable(code));
    if (!refusals.front().field.empty()) error.with("field", x509::printable(refusals.front().field));
    error.with("envelope", refusals.front().envelope == Refusal::Envelope::list ? "errors" : "error");
  }
  if (row != nullptr && kind == row->kind && !row->advice.empty()) error.hint(std::string(row->advice));
  return error;
}

// What all creating calls have in common; nothing: an answer that only the call itself can judge (a success).
template <class Result>
std::optional<Result> refused_or_unknown(std::string_view what, const net::Exchange& exchange, Instant now) {
  if (const auto* not_sent = std::get_if<net::NotSent>(&exchange)) {
    return workflow::NotAccepted{
        Error{ErrorKind::unavailable, fmt::format("{}: DigiCert cannot be reached: {}", what, not_sent->spoken())}.with(
            "lane", "down"),
        {}};
  }
  if (const auto* lost = std::get_if<net::OutcomeUnknown>(&exchange)) {
    return workflow::OutcomeUnknown{fmt::format("{}: no complete answer came: {}", what, lost->why)};
  }
  const auto& answer = std::get<net::Response>(exchange);
  if (answer.status >= 200 && answer.status < 300) return std::nullopt;
  const std::vector<Refusal> refusals = refusals_from(answer.body);
  if (answer.status == 429) {
    return workflow::NotAccepted{
        Error{ErrorKind::unavailable, fmt::format("{}: DigiCert is asked too often (HTTP 429)", what)}
            .with("http", "429")
            .with("lane", "down"),
        answer.retry_after(now)};
  }
  if (answer.status == 401) {
    return workflow::NotAccepted{providers::about_credentials(refusal_error(what, answer, refusals)),
                                 answer.retry_after(now)};
  }
  const bool client_error = answer.status >= 400 && answer.status < 500 && answer.status != 408;
  if (client_error && !refusals.empty()) return workflow::RefusedForGood{refusal_error(what, answer, refusals)};
  return workflow::OutcomeUnknown{fmt::format("{}: {}", what, said(answer, refusals))};
}

}  // namespace

Verdict classify_submission(std::string_view what, const net::Exchange& exchange, Instant now) {
  if (auto verdict = refused_or_unknown<Verdict>(what, exchange, now)) return std::move(*verdict);
  const auto& answer = std::get<net::Response>(exchange);
  if (answer.status > 202) return workflow::OutcomeUnknown{fmt::format("{}: {}", what, describe(answer))};
  try {
    CertificateAnswer read = certificate_answer_from(answer.body);
    if (read.serial.empty() && read.request_id.empty()) {
      throw Error{ErrorKind::corrupt, "it names neither a serial number nor a request_id"};
    }
    return Taken{std::move(read), answer.body};
  } catch (const Error& error) {
    return workflow::OutcomeUnknown{fmt::format("{}: HTTP {} came, but {}", what, answer.status, error.message())};
  }
}

RevocationVerdict classify_revocation(std::string_view what, const net::Exchange& exchange, Instant now) {
  if (const auto* answer = std::get_if<net::Response>(&exchange); answer != nullptr && answer->status >= 400) {
    for (const Refusal& one : refusals_from(answer->body)) {
      // The service's own client knows this only by its words; the code is written down nowhere.
      if (has(lower(one.message), "already has been revoked")) return Revoked{one.message};
      if (answer->status < 500 && has(lower(one.message), "thumbprint_sha256")) return Collision{};
    }
  }
  if (auto verdict = refused_or_unknown<RevocationVerdict>(what, exchange, now)) return std::move(*verdict);
  const auto& answer = std::get<net::Response>(exchange);
  if (answer.status == 204) return Revoked{};
  if (is_html(answer)) return workflow::OutcomeUnknown{fmt::format("{}: {}", what, describe(answer))};
  return RevocationTaken{fmt::format("HTTP {}", answer.status)};
}

bool refuses_the_form(const workflow::RefusedForGood& refused) {
  if (refused.error.detail("http") != "400" || refused.error.kind() != ErrorKind::invalid_input) return false;
  if (!has_own_code(refused.error)) return false;
  // A complaint that names a place which both shapes have in common is about a value, not about the form.
  static constexpr std::string_view kPlaces[] = {
      "",    "profile",     "profile.id", "profile.seat", "profile.seat.id",   "seat", "seat.seat_id", "seat.id",
      "csr", "profile.csr", "seat_id",    "attributes",   "profile.attributes"};
  const std::string field = lower(refused.error.detail("field"));
  return std::find(std::begin(kPlaces), std::end(kPlaces), field) != std::end(kPlaces);
}

bool has_own_code(const Error& refusal) {
  const std::string code = lower(refusal.detail("code"));
  return code != kNoCode && code.find_first_of("abcdefghijklmnopqrstuvwxyz") != std::string::npos;
}

bool says_it_exists(const workflow::RefusedForGood& refused) {
  const std::string said = lower(refused.error.message());  // the code is in it
  return refused.error.detail("http") == "409" || has(said, "duplicate") || has(said, "already");
}

bool refuses_only_the_renewal(const workflow::RefusedForGood& refused) {
  const Error& error = refused.error;
  return error.detail("http") == "400" && error.kind() == ErrorKind::invalid_input && has_own_code(error) &&
         error.detail("envelope") == "errors" && !says_it_exists(refused);
}

bool says_not_there(const Error& error) {
  return error.kind() == ErrorKind::not_found && !error.detail("code").empty();
}

const net::Response& success_of(std::string_view what, const net::Exchange& exchange, Instant now) {
  if (const auto* not_sent = std::get_if<net::NotSent>(&exchange)) {
    throw Error{ErrorKind::unavailable, fmt::format("{}: DigiCert cannot be reached: {}", what, not_sent->spoken())}
        .with("lane", "down");
  }
  if (const auto* lost = std::get_if<net::OutcomeUnknown>(&exchange)) {
    throw Error{ErrorKind::unavailable, fmt::format("{}: no complete answer came: {}", what, lost->why)};
  }

  const auto& answer = std::get<net::Response>(exchange);
  if (answer.status >= 200 && answer.status <= 202) return answer;
  const std::vector<Refusal> refusals = refusals_from(answer.body);
  const bool later = answer.status >= 500 || answer.status == 429 || answer.status == 408;
  Error error = [&] {
    const bool own = !later && answer.status >= 400 && (!refusals.empty() || answer.status == 401);
    if (own) return refusal_error(what, answer, refusals);
    Error other(ErrorKind::unavailable, fmt::format("{}: {}", what, said(answer, refusals)));
    other.with("http", std::to_string(answer.status));
    // A page of a web server where the service should be.
    if (!later && row_of(answer.status) != nullptr) {
      Error refused(row_of(answer.status)->kind, other.message());
      refused.with("http", std::to_string(answer.status)).hint("check `url`: this is no answer of DigiCert ONE");
      return refused;
    }
    return other;
  }();
  if (const auto wait = answer.retry_after(now)) error.with("retry-after", duration_text(*wait));
  if (providers::is_service_down(answer.status)) error.with("lane", "down");
  throw answer.status == 401 ? providers::about_credentials(std::move(error)) : error;
}

}  // namespace hsmbridge::digicert
