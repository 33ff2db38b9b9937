#include "net/http_client.h"
#include "net/http_date.h"

#include <algorithm>
#include <cctype>

namespace hsmbridge::net {
namespace {

char lower(char c) {
  return static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
}

bool same_name(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](char x, char y) { return lower(x) == lower(y); });
}

}  // namespace

std::optional<std::string_view> Response::header(std::string_view name) const {
  for (const auto& [header, value] : headers) {
    if (same_name(header, name)) return value;
  }
  return std::nullopt;
}

std::optional<Duration> Response::retry_after(Instant now) const {
  const auto value = header("Retry-After");
  return value ? parse_retry_after(*value, now) : std::nullopt;
}

std::optional<Instant> Response::date(Instant now) const {
  const auto value = header("Date");
  return value ? parse_http_date(*value, now) : std::nullopt;
}

}  // namespace hsmbridge::net
