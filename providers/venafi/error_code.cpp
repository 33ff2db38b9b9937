#include "providers/venafi/error_code.h"

#include "base/text.h"
#include "base/unicode.h"
#include "providers/following.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>

namespace hsmbridge::venafi {
namespace {

constexpr std::int64_t kNoCredential = 1004;
constexpr std::int64_t kUnknownKey = 10501;
constexpr std::int64_t kBadComponent = 10726;
constexpr std::int64_t kNotAssigned = 20216;

constexpr std::string_view kCredential =
    "see whether this provider's credential in the configuration is right and has not run out; `hsmbridge provider "
    "test` tries it";

// code, kind, advice
constexpr auto kErrorCodes = std::to_array<ErrorCode>({
    {1002, ErrorKind::denied, "these credentials may not do that: see the account's role, scopes and applications"},
    {kNoCredential, ErrorKind::denied, kCredential},
    {1006, ErrorKind::invalid_input, "this service does not know a field that was sent"},
    {10006, ErrorKind::invalid_input, "this service does not know a field that was sent"},
    {10051, ErrorKind::not_found, "it does not exist, or these credentials may not see it"},
    {10055, ErrorKind::invalid_input, "an id of this service is a UUID"},
    {kUnknownKey, ErrorKind::denied, kCredential},
    {10702, ErrorKind::invalid_input, "the service could not read the CSR, or its signature is bad"},
    {10726, ErrorKind::refused, "change the subject or the names, or ask the owner of the issuing template"},
    {10803, ErrorKind::not_found, "check `zone`"},
    {20216, ErrorKind::not_found, "check `zone`: 'Application\\Template alias'"},
});

struct HttpStatusRow {
  long status;
  ErrorKind kind;
  std::string_view advice;
};
constexpr auto kHttpStatuses = std::to_array<HttpStatusRow>({
    {401, ErrorKind::denied, kCredential},
    {403, ErrorKind::denied, "these credentials may not do that: see the account's role, scopes and applications"},
    {404, ErrorKind::not_found, ""},
    {409, ErrorKind::conflict, ""},
});

std::string text_of(const Json& json) {
  constexpr std::size_t kLongest = 200;
  const std::string text = json.is_string() ? json.as_string() : json.dump();
  return printable(text.substr(0, kLongest)) + (text.size() > kLongest ? "…" : "");
}

// Lists in lists, as one: ["CN",["a",["b"]]] is CN, a, b. The depth was bounded when it was read.
void flatten(const Json& json, std::vector<std::string>& to) {
  if (to.size() >= 40 || json.is_null()) return;
  if (!json.is_array()) {
    to.push_back(text_of(json));
    return;
  }
  for (const Json& item : json.as_array()) flatten(item, to);
}

// args ["CN","x",["regex…"]]: one entry a bad component, with "" for one that the CSR leaves out.
std::string bad_component(const ServiceError& error) {
  std::vector<std::string> words;
  flatten(error.args, words);
  if (words.size() < 2) return error.message;
  std::string text = words[1].empty() ? fmt::format("{} is missing and is required", words[0])
                                      : fmt::format("{} \"{}\" is not allowed", words[0], words[1]);
  if (words.size() > 2) text += fmt::format(" (allowed: {})", joined(std::span(words).subspan(2)));
  return text;
}

bool is_credential_refusal(const Refusal& refusal) {
  return std::any_of(refusal.errors.begin(), refusal.errors.end(), [](const ServiceError& error) {
    return error.code == kNoCredential || error.code == kUnknownKey;
  });
}

Error service_error(std::string_view what, long http_status, const Refusal& refusal) {
  ErrorKind kind = ErrorKind::refused;
  std::string_view advice;
  if (const HttpStatusRow* status = providers::row_with(kHttpStatuses, &HttpStatusRow::status, http_status)) {
    kind = status->kind;
    advice = status->advice;
  }
  for (const ServiceError& error : refusal.errors) {
    if (const ErrorCode* row = find_error_code(error.code); row != nullptr) {
      kind = row->kind;
      advice = row->advice;
      break;
    }
  }
  // In 401 it is the credential that is judged, not the call.
  Error result(kind,
               http_status == 401
                   ? fmt::format("the service does not accept our credential: {} ({}, HTTP 401)", spoken(refusal), what)
                   : fmt::format("{}: the service says: {} (HTTP {})", what, spoken(refusal), http_status));
  result.with("http", std::to_string(http_status));
  for (const ServiceError& error : refusal.errors) {
    if (error.code != 0) result.with("code", std::to_string(error.code));
  }
  if (!advice.empty()) result.hint(std::string(advice));
  return result;
}

using Reader = std::optional<Refusal> (*)(long, std::string_view, std::string_view);

template <Reader kRead>
std::optional<providers::Refused> refusal_in(std::string_view what, const net::Response& answer) {
  const std::optional<Refusal> refusal = kRead(answer.status, answer.content_type(), answer.body);
  if (!refusal) return std::nullopt;
  providers::Refused refused{service_error(what, answer.status, *refusal)};
  // The gate looked at the credential and at nothing else: another one may pass.
  if (answer.status == 401 || is_credential_refusal(*refusal)) {
    refused.fate = providers::Refused::Fate::not_accepted;
    refused.credential = "";
  }
  return refused;
}

constexpr providers::Dialect kDialect{"the service", &refusal_in<&refusal_from>};
constexpr providers::Dialect kTokenDialect{.service = "the token endpoint",
                                           .refusal_in = &refusal_in<&token_refusal_from>,
                                           .holds = providers::Holds::secrets};

}  // namespace

const providers::Dialect& dialect() {
  return kDialect;
}

const providers::Dialect& token_dialect() {
  return kTokenDialect;
}

std::span<const ErrorCode> error_codes() {
  return kErrorCodes;
}

const ErrorCode* find_error_code(std::int64_t code) {
  return providers::row_with(kErrorCodes, &ErrorCode::code, code);
}

std::string spoken(const ServiceError& error) {
  std::string text = error.message;
  if (error.code == kBadComponent) text = bad_component(error);
  // The service has been seen to swap the two names in this sentence.
  if (error.code == kNotAssigned) text += " (it may name the two in the wrong order)";
  if (text.empty()) text = "no reason given";
  if (error.code != 0) text += fmt::format(" [{}]", error.code);
  return text;
}

std::string spoken(const Refusal& refusal) {
  return joined(refusal.errors, "; ", [](const ServiceError& error) { return spoken(error); });
}

}  // namespace hsmbridge::venafi
