#include "providers/transport.h"

#include "base/bytes.h"
#include "base/error.h"
#include "base/redact.h"
#include "base/wipe.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <string_view>

namespace hsmbridge::providers {
namespace {

bool same_name(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](unsigned char x, unsigned char y) { return std::tolower(x) == std::tolower(y); });
}

bool is_harmless(std::string_view header) {
  constexpr std::array<std::string_view, 3> kHarmless{"Accept", "Content-Type", "User-Agent"};
  return std::any_of(kHarmless.begin(), kHarmless.end(),
                     [&](std::string_view name) { return same_name(header, name); });
}

// The secret of "Bearer SECRET"; of "Basic BASE64" also the password in it (RFC 7617 §2).
void add_authorization(std::string_view value, std::vector<Secret>& secrets) {
  const std::size_t space = value.find(' ');
  if (space == std::string_view::npos) return;
  const std::string_view credentials = value.substr(space + 1);
  secrets.emplace_back(std::string(credentials));
  if (!same_name(value.substr(0, space), "Basic")) return;
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

std::vector<Secret> secrets_of(const HttpRequest& request) {
  std::vector<Secret> secrets = request.secrets;
  for (const auto& [name, value] : request.headers) {
    if (is_harmless(name)) continue;
    secrets.emplace_back(value);
    if (same_name(name, "Authorization") || same_name(name, "Proxy-Authorization")) add_authorization(value, secrets);
  }
  return secrets;
}

}  // namespace

HttpRequest::~HttpRequest() {
  wipe(body);
  for (auto& [name, value] : headers) wipe(value);
}

Exchange Transport::send(const HttpRequest& request) {
  Exchange exchange = carry(request);
  const std::vector<Secret> secrets = secrets_of(request);
  if (secrets.empty()) return exchange;
  if (auto* answer = std::get_if<HttpAnswer>(&exchange)) {
    answer->body = redacted(answer->body, secrets);
    answer->content_type = redacted(answer->content_type, secrets);
  } else if (auto* lost = std::get_if<AnswerLost>(&exchange)) {
    lost->why = redacted(lost->why, secrets);
  } else {
    auto& not_sent = std::get<NotSent>(exchange);
    not_sent.why = redacted(not_sent.why, secrets);
  }
  return exchange;
}

}  // namespace hsmbridge::providers
