#include "providers/verdict.h"

#include "base/text.h"
#include "base/unicode.h"
#include "providers/credentials.h"

namespace hsmbridge::providers {
namespace {

bool is_success(const Dialect& dialect, const net::Response& answer) {
  return answer.status >= 200 && answer.status <= dialect.last_success;
}

// A status that says something about the service and nothing about the request that was asked for: asked too often, or
// a gateway that does not reach what is behind it.
bool is_service_down(long status) {
  return status == 429 || status == 502 || status == 503 || status == 504;
}

// The service says that it was not able to, whatever else it says.
bool is_later(long status) {
  return status >= 500 || status == 429 || status == 408;
}

}  // namespace

bool is_html(std::string_view content_type, std::string_view body) {
  const std::size_t first = body.find_first_not_of(" \t\r\n");
  return lower(content_type).find("html") != std::string::npos || (first != std::string::npos && body[first] == '<');
}

std::string described(const net::Response& answer, Holds holds) {
  const std::string_view body = answer.body;
  return fmt::format("HTTP {} {}", answer.status,
                     body.empty()                           ? "without a body"
                     : is_html(answer.content_type(), body) ? "with an HTML page (of a proxy?)"
                     : holds == Holds::secrets              ? "with a body that is not shown"
                                                            : "with \"" + printable(body.substr(0, 60)) + "\"");
}

Answer::Answer(const Dialect& dialect, std::string what, net::Exchange exchange, Instant now, Credential credential)
    : dialect_(&dialect), what_(std::move(what)), came_(net::OutcomeUnknown{}), now_(now), credential_(credential) {
  if (auto* not_sent = std::get_if<net::NotSent>(&exchange)) {
    came_ = Error{ErrorKind::unavailable,
                  fmt::format("{}: {} cannot be reached: {}", what_, dialect.service, not_sent->spoken())}
                .with("lane", "down");
  } else if (auto* lost = std::get_if<net::OutcomeUnknown>(&exchange)) {
    came_ = std::move(*lost);
  } else {
    auto& answer = std::get<net::Response>(exchange);
    if (!is_success(dialect, answer)) refused_ = dialect.refusal_in(what_, answer);
    // A service in trouble is not believed about credentials.
    if (refused_ && (answer.status < 400 || is_later(answer.status))) refused_->credential.reset();
    came_ = std::move(answer);
  }
}

Answer::Answer(const Dialect& dialect, std::string what, Error nothing_sent)
    : dialect_(&dialect), what_(std::move(what)), came_(std::move(nothing_sent)) {}

std::optional<Duration> Answer::retry_after() const {
  return response() == nullptr ? std::nullopt : response()->retry_after(now_);
}

std::optional<Instant> Answer::date() const {
  return response() == nullptr ? std::nullopt : response()->date(now_);
}

std::string Answer::came_but(const Error& error) const {
  return fmt::format("{}: HTTP {} came, but {}", what_, response()->status, error.message());
}

Error Answer::refusal() const {
  Error error = refused_->error;
  if (!refused_->credential) return error;
  if (credential_ == Credential::of_all) return about_credentials(std::move(error));
  if (credential_ == Credential::another_next) error.hint("the next attempt uses another configured credential");
  return error;
}

std::optional<Trouble> Answer::trouble() const {
  if (const auto* error = std::get_if<Error>(&came_)) return workflow::NotAccepted{*error, std::nullopt};
  if (const auto* lost = std::get_if<net::OutcomeUnknown>(&came_)) {
    return workflow::OutcomeUnknown{fmt::format("{}: no complete answer came: {}", what_, lost->why)};
  }
  const net::Response& answer = *response();
  if (is_success(*dialect_, answer)) return std::nullopt;
  if (answer.status == 429) {
    return workflow::NotAccepted{
        Error{ErrorKind::unavailable, fmt::format("{}: {} is asked too often (HTTP 429)", what_, dialect_->service)}
            .with("http", "429")
            .with("lane", "down"),
        retry_after()};
  }
  if (!refused_) return workflow::OutcomeUnknown{fmt::format("{}: {}", what_, described(answer, dialect_->holds))};
  if (answer.status < 400 || is_later(answer.status)) return workflow::OutcomeUnknown{refused_->error.message()};
  if (refused_->fate == Refused::Fate::for_good) return workflow::RefusedForGood{refusal()};
  return workflow::NotAccepted{refusal(), retry_after()};
}

const net::Response& Answer::success() const {
  if (const auto* error = std::get_if<Error>(&came_)) throw Error(*error);
  if (const auto* lost = std::get_if<net::OutcomeUnknown>(&came_)) {
    Error error(ErrorKind::unavailable, fmt::format("{}: no complete answer came: {}", what_, lost->why));
    if (lost->too_large) error.with("too-large", "yes");
    throw error;
  }
  const net::Response& answer = *response();
  if (is_success(*dialect_, answer)) return answer;
  const long status = answer.status;
  Error error = [&] {
    if (refused_ && status >= 400) {
      Error said = refusal();
      // The next call goes out with another one: nothing is decided by this one's.
      const bool again = refused_->credential && credential_ == Credential::another_next;
      return again || is_later(status) ? said.restated(ErrorKind::unavailable, said.message()) : said;
    }
    const auto foreign = [&](ErrorKind kind) {
      return Error(kind, fmt::format("{}: {}", what_, described(answer, dialect_->holds)))
          .with("http", std::to_string(status));
    };
    if (status == 404 || status == 405) {
      return foreign(ErrorKind::not_found)
          .hint(fmt::format("check `url`: this is not an answer of {}", dialect_->service));
    }
    if (status != 401 && status != 403) return foreign(ErrorKind::unavailable);
    Error denied = foreign(ErrorKind::denied)
                       .hint(fmt::format("this is not an answer of {}: check the credentials, the proxy and `url`",
                                         dialect_->service));
    return status == 401 && credential_ == Credential::of_all ? about_credentials(std::move(denied)) : denied;
  }();
  if (const auto wait = retry_after()) error.with("retry-after", duration_text(*wait));
  if (is_service_down(status) && error.detail("lane").empty()) error.with("lane", "down");
  throw error;
}

void Answer::expect_clear(const std::string& look) const {
  if (response() != nullptr && response()->status >= 200 && response()->status < 300) return;
  auto found = trouble();
  if (!found) return;
  if (auto* not_accepted = std::get_if<workflow::NotAccepted>(&*found)) throw Error(std::move(not_accepted->error));
  if (auto* refused = std::get_if<workflow::RefusedForGood>(&*found)) throw Error(std::move(refused->error));
  Error error(ErrorKind::outcome_unknown, std::get<workflow::OutcomeUnknown>(*found).why);
  if (refused_) error = refused_->error.restated(ErrorKind::outcome_unknown, error.message());
  throw error.hint(look);
}

}  // namespace hsmbridge::providers
