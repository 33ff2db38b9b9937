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

// RFC 9110 §8.3.1 and RFC 6839 §3.1: the media type without its parameters is application/json or ends in +json.
bool is_json_type(std::string_view content_type) {
  std::string type(content_type.substr(0, content_type.find(';')));
  while (!type.empty() && (type.back() == ' ' || type.back() == '\t')) type.pop_back();
  std::transform(type.begin(), type.end(), type.begin(), lower);
  return type == "application/json" || type == "text/json" ||
         (type.find('/') != std::string::npos && type.ends_with("+json"));
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

std::optional<Json> Response::json() const {
  const auto type = header("Content-Type");
  if (!type || !is_json_type(*type)) return std::nullopt;
  try {
    return Json::parse(body);
  } catch (const Error&) {
    return std::nullopt;  // cut, or not what its header says: the caller knows no more than with HTML
  }
}

}  // namespace hsmbridge::net
