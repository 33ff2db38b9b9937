#include "providers/local/crl_put.h"

#include "base/error.h"
#include "base/unicode.h"

#include <fmt/core.h>

#include <string_view>
#include <utility>
#include <variant>

namespace hsmbridge::local {
namespace {

constexpr long kOk = 200;
constexpr long kCreated = 201;
constexpr long kNoContent = 204;
constexpr long kUnauthorized = 401;
constexpr long kForbidden = 403;
constexpr long kNotFound = 404;
constexpr long kRequestTimeout = 408;
constexpr long kConflict = 409;
constexpr long kGone = 410;
constexpr long kPreconditionFailed = 412;
constexpr long kTooManyRequests = 429;
constexpr long kServerError = 500;

// A web server has no form of its own: of its refusals the statuses count.
std::optional<providers::Refused> refused_credential(std::string_view what, const net::Response& answer) {
  if (answer.status != kUnauthorized) return std::nullopt;
  return providers::Refused{Error{ErrorKind::denied, fmt::format("{}: status {}", what, answer.status)},
                            providers::Refused::Fate::not_accepted, ""};
}
constexpr providers::Dialect kFileServer{"the web server", &refused_credential, kNoContent, "*/*"};

// A weak one never matches an If-Match (RFC 9110 §13.1.1).
bool is_strong(std::string_view etag) {
  return etag.size() >= 2 && etag.front() == '"' && etag.back() == '"';
}

// Of an answer that is neither what was asked for nor "nothing is there". `verb`: "read", "put".
[[noreturn]] void refuse_status(const std::string& url, std::string_view verb, long status) {
  if (status == kUnauthorized || status == kForbidden) {
    throw Error{ErrorKind::denied,
                fmt::format("{}: the server does not let this program {} it (status {})", url, verb, status)}
        .hint("look at bearer_token, or user and password, under `put` of the CA's `crl`");
  }
  const bool later =
      status >= kServerError || status == kRequestTimeout || status == kConflict || status == kTooManyRequests;
  throw Error{later ? ErrorKind::unavailable : ErrorKind::refused,
              fmt::format("{}: the server answers with status {} when this program {}s it", url, status, verb)};
}

}  // namespace

CrlPut::CrlPut(std::string service, std::shared_ptr<net::Transport> transport,
               std::vector<providers::CredentialHeader> credentials, const Clock& clock)
    : service_(std::move(service)),
      clock_(clock),
      client_(std::move(transport), kFileServer, std::move(credentials), clock) {}

std::string CrlPut::path_of(const std::string& url) const {
  if (url.size() > service_.size() && url.starts_with(service_)) return url.substr(service_.size());
  throw Error{ErrorKind::internal, fmt::format("{} is not at {}", url, service_)};
}

std::optional<CrlPut::There> CrlPut::look(const std::string& url, Duration end) {
  const providers::Answer answer =
      client_.call({"GET", path_of(url), {}, "", net::Repeat::allowed}, end - clock_.since_boot());
  if (answer.response() == nullptr) answer.success();  // throws why
  const net::Response& response = *answer.response();
  if (response.status == kNotFound || response.status == kGone) return std::nullopt;
  if (response.status != kOk) refuse_status(url, "read", response.status);
  const std::string etag(response.header("ETag").value_or(""));
  if (!is_strong(etag)) {
    throw Error{ErrorKind::refused,
                fmt::format("{}: the server gives {} with what is there, so that nobody can tell whether somebody else "
                            "puts something there meanwhile: nothing was replaced",
                            url, etag.empty() ? "no ETag" : "a weak ETag (" + printable(etag) + ")")}
        .hint("use a server that has strong ETags and keeps to If-Match");
  }
  return There{to_bytes(response.body), etag};
}

std::optional<Bytes> CrlPut::there(const std::string& url, Duration limit) {
  auto found = look(url, clock_.since_boot() + limit);
  return found ? std::optional(std::move(found->octets)) : std::nullopt;
}

void CrlPut::put(const std::string& url, const Bytes& der, const ExpectOwn& expect_own, Duration limit) {
  const Duration end = clock_.since_boot() + limit;
  const std::optional<There> before = look(url, end);
  if (before && before->octets == der) return;
  if (before) expect_own(before->octets);

  net::Request request{"PUT", path_of(url), {{"Content-Type", "application/pkix-crl"}}, to_text(der)};
  if (before) {
    request.headers.emplace_back("If-Match", before->etag);
  } else {
    request.headers.emplace_back("If-None-Match", "*");
  }
  const providers::Answer answer = client_.call(std::move(request), end - clock_.since_boot());
  const auto trouble = answer.trouble();
  const bool unknown = trouble && std::holds_alternative<workflow::OutcomeUnknown>(*trouble);
  if (answer.response() == nullptr && !unknown) answer.success();  // nothing was sent
  if (answer.has_status(kPreconditionFailed)) {
    throw Error{ErrorKind::conflict,
                fmt::format("somebody else put something at {} this moment: nothing was replaced", url)}
        .hint("stop the other program that publishes there; then try again");
  }
  const bool done = answer.has_status(kOk) || answer.has_status(kCreated) || answer.has_status(kNoContent);
  if (answer.response() != nullptr && !done) refuse_status(url, "put", answer.response()->status);
  // Whatever the answer was, and where none came: what is there tells.
  const std::optional<There> after = look(url, end);
  if (after && after->octets == der) {
    if (!before || before->etag != after->etag) return;
    throw Error{ErrorKind::refused,
                fmt::format("{}: the server gives the same ETag with other octets: nobody can tell by it whether "
                            "somebody else puts something there",
                            url)};
  }
  if (after) expect_own(after->octets);
  if (!done) {
    throw Error{ErrorKind::unavailable,
                fmt::format("{}: it is not there; {}", url, std::get<workflow::OutcomeUnknown>(*trouble).why)};
  }
  throw Error{ErrorKind::corrupt, fmt::format("{} does not give what was put there, though the server answered with "
                                              "status {}",
                                              url, answer.response()->status)};
}

providers::CredentialHeader basic_credentials(const std::string& user, providers::Source password) {
  const bool reread = password.reread;
  const auto pair = [user, get = std::move(password.get)] {
    return Secret(base64(as_bytes(fmt::format("{}:{}", user, get().reveal()))));
  };
  return {"Authorization", "Basic ", providers::stored_credentials({{pair, reread}})};
}

}  // namespace hsmbridge::local
