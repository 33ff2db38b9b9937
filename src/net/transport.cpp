#include "net/transport.h"

#include "base/bytes.h"
#include "base/error.h"
#include "base/redact.h"
#include "base/text.h"
#include "base/wipe.h"
#include "net/http_date.h"

#include <algorithm>
#include <array>

namespace hsmbridge::net {
namespace {

bool is_harmless(std::string_view header) {
  constexpr std::array<std::string_view, 5> kHarmless{"Accept", "Content-Type", "User-Agent", "If-Match",
                                                      "If-None-Match"};
  return std::any_of(kHarmless.begin(), kHarmless.end(),
                     [&](std::string_view name) { return equal_ignoring_case(header, name); });
}

// The secret of "Bearer SECRET"; of "Basic BASE64" also the password in it (RFC 7617 §2).
void add_authorization(std::string_view value, std::vector<Secret>& secrets) {
  const std::size_t space = value.find(' ');
  if (space == std::string_view::npos) return;
  const std::string_view credentials = value.substr(space + 1);
  secrets.emplace_back(std::string(credentials));
  if (!equal_ignoring_case(value.substr(0, space), "Basic")) return;
  try {
    const Bytes decoded = from_base64(credentials);
    const std::string_view pair = as_text(decoded);
    if (const std::size_t colon = pair.find(':'); colon != std::string_view::npos) {
      secrets.emplace_back(std::string(pair.substr(colon + 1)));
    }
  } catch (const Error&) {
    return;  // not what RFC 7617 says: taken out as a whole
  }
}

std::vector<Secret> secrets_of(const Request& request) {
  std::vector<Secret> secrets = request.secrets;
  for (const auto& [name, value] : request.headers) {
    if (is_harmless(name)) continue;
    secrets.emplace_back(value);
    if (equal_ignoring_case(name, "Authorization") || equal_ignoring_case(name, "Proxy-Authorization"))
      add_authorization(value, secrets);
  }
  return secrets;
}

}  // namespace

Request::~Request() {
  wipe(body);
  for (auto& [name, value] : headers) wipe(value);
}

std::optional<std::string_view> Response::header(std::string_view name) const {
  for (const auto& [header, value] : headers) {
    if (equal_ignoring_case(header, name)) return value;
  }
  return std::nullopt;
}

std::string_view Response::content_type() const {
  return header("Content-Type").value_or("");
}

std::optional<Duration> Response::retry_after(Instant now) const {
  const auto value = header("Retry-After");
  return value ? parse_retry_after(*value, now) : std::nullopt;
}

std::optional<Instant> Response::date(Instant now) const {
  const auto value = header("Date");
  return value ? parse_http_date(*value, now) : std::nullopt;
}

namespace {

// A date, or a number of seconds: what is read of these headers tells no secret, also where a secret is as short.
bool is_time(const std::string& name, const std::string& value) {
  const Instant any{};
  if (lower(name) == "date") return parse_http_date(value, any).has_value();
  return lower(name) == "retry-after" && parse_retry_after(value, any).has_value();
}

}  // namespace

std::shared_ptr<const Redactor> Transport::redactor_for(std::vector<Secret> secrets) {
  const auto same = [](const Secret& one, const Secret& other) { return one.reveal() == other.reveal(); };
  {
    const std::lock_guard lock(mutex_);
    if (redactor_ && std::equal(secrets.begin(), secrets.end(), secrets_.begin(), secrets_.end(), same)) {
      return redactor_;
    }
  }
  const auto made = std::make_shared<const Redactor>(secrets);
  const std::lock_guard lock(mutex_);
  redactor_ = made;
  secrets_ = std::move(secrets);
  return made;
}

namespace {

thread_local unsigned long exchanges = 0;

}  // namespace

unsigned long exchanges_of_this_thread() noexcept {
  return exchanges;
}

Exchange Transport::send(const Request& request) {
  Exchange exchange = carry(request);
  if (!std::holds_alternative<NotSent>(exchange)) ++exchanges;
  std::vector<Secret> secrets = secrets_of(request);
  if (secrets.empty()) return exchange;
  const auto redactor = redactor_for(std::move(secrets));
  const auto redacted = [&redactor](const std::string& text) { return redactor->run(text); };
  if (auto* response = std::get_if<Response>(&exchange)) {
    response->body = redacted(response->body);
    for (auto& [name, value] : response->headers) {
      if (!is_time(name, value)) value = redacted(value);
    }
  } else if (auto* unknown = std::get_if<OutcomeUnknown>(&exchange)) {
    unknown->why = redacted(unknown->why);
  } else {
    auto& not_sent = std::get<NotSent>(exchange);
    not_sent.why = redacted(not_sent.why);
    not_sent.hint = redacted(not_sent.hint);
  }
  return exchange;
}

}  // namespace hsmbridge::net
