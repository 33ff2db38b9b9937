#include "providers/digicert/refusal.h"

#include "base/text.h"
#include "base/unicode.h"
#include "providers/following.h"

#include <fmt/core.h>

#include <algorithm>

namespace hsmbridge::digicert {
namespace {

constexpr std::string_view kNoCode = "(none)";

bool has(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

struct HttpStatusRow {
  long status;
  ErrorKind kind;
  std::string_view advice;
};
// What a complete refusal of that HTTP status lets the caller do. The status counts, not the code: two vocabularies of
// codes are in use, and no source ties one to a status.
constexpr HttpStatusRow kHttpStatuses[] = {
    {400, ErrorKind::invalid_input, "`hsmbridge provider show NAME --profiles` shows what the profile requires"},
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

// The service's own word against the request itself, whatever the status.
bool is_a_no(const std::vector<Refusal>& refusals) {
  return std::any_of(refusals.begin(), refusals.end(), [](const Refusal& one) {
    const std::string code = lower(one.code);
    return has(code, "duplicate") || has(code, "rejected");
  });
}

std::optional<providers::Refused> refusal_in(std::string_view what, const net::Response& answer) {
  const std::vector<Refusal> refusals = refusals_from(answer.body);
  // Its reference shows no body for a 401. A page in HTML is a proxy's, which says nothing of our key; whoever answered
  // anything else at the gate let nothing through.
  const bool at_the_gate = answer.status == 401 && !providers::is_html(answer.content_type(), answer.body);
  if (refusals.empty() && !at_the_gate) return std::nullopt;
  const HttpStatusRow* row = providers::row_with(kHttpStatuses, &HttpStatusRow::status, answer.status);
  ErrorKind kind = row != nullptr ? row->kind : ErrorKind::invalid_input;
  if (kind == ErrorKind::invalid_input && is_a_no(refusals)) kind = ErrorKind::refused;
  const std::string_view verb = answer.status == 401   ? "DigiCert does not accept our credentials"
                                : answer.status >= 500 ? "DigiCert says"
                                                       : "DigiCert refuses";
  const std::string said = refusals.empty() ? providers::described(answer)
                                            : fmt::format("{}, HTTP {}", refusals_text(refusals), answer.status);
  Error error(kind, fmt::format("{}: {}: {}", what, verb, said));
  error.with("http", std::to_string(answer.status));
  if (!refusals.empty()) {
    const Refusal& first = refusals.front();
    error.with("code", first.code.empty() ? std::string(kNoCode) : printable(first.code));
    if (!first.field.empty()) error.with("field", printable(first.field));
    error.with("envelope", first.envelope == Refusal::Envelope::list ? "errors" : "error");
  }
  if (row != nullptr && kind == row->kind && !row->advice.empty()) error.hint(std::string(row->advice));
  if (answer.status != 401) return providers::Refused{std::move(error)};
  return providers::Refused{std::move(error), providers::Refused::Fate::not_accepted, ""};
}

constexpr providers::Dialect kDialect{"DigiCert", &refusal_in};

}  // namespace

const providers::Dialect& dialect() {
  return kDialect;
}

Verdict submission_verdict(const providers::Answer& answer) {
  return answer.verdict<Verdict>([](const net::Response& success) -> Verdict {
    CertificateAnswer read = certificate_answer_from(success.body);
    if (read.serial.empty() && read.request_id.empty()) {
      throw Error{ErrorKind::corrupt, "it names neither a serial number nor a request_id"};
    }
    return Taken{std::move(read), success.body};
  });
}

RevocationVerdict revocation_verdict(const providers::Answer& answer) {
  if (const net::Response* response = answer.response(); response != nullptr && response->status >= 400) {
    for (const Refusal& one : refusals_from(response->body)) {
      // The service's own client knows this only by its words; the code is written down nowhere.
      if (has(lower(one.message), "already has been revoked")) return Revoked{one.message};
      if (response->status < 500 && has(lower(one.message), "thumbprint_sha256")) return Collision{};
    }
  }
  return answer.verdict<RevocationVerdict>([](const net::Response& success) -> RevocationVerdict {
    if (success.status == 204) return Revoked{};
    if (providers::is_html(success.content_type(), success.body))
      throw Error{ErrorKind::corrupt, "with an HTML page (of a proxy?)"};
    return RevocationTaken{fmt::format("HTTP {}", success.status)};
  });
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

}  // namespace hsmbridge::digicert
