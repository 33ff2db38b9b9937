#include "tools/rig/server/call.h"

#include <algorithm>
#include <string_view>

namespace hsmbridge::rig {
namespace {

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

std::string percent_decoded(std::string_view text) {
  std::string decoded;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size() && hex_value(text[i + 1]) >= 0 && hex_value(text[i + 2]) >= 0) {
      decoded += static_cast<char>(hex_value(text[i + 1]) * 16 + hex_value(text[i + 2]));
      i += 2;
    } else {
      decoded += text[i];
    }
  }
  return decoded;
}

}  // namespace

std::string Call::path() const {
  return target.substr(0, target.find('?'));
}

std::vector<std::string> Call::segments() const {
  std::vector<std::string> parts;
  const std::string whole = path();
  std::size_t begin = 0;
  while (begin < whole.size()) {
    std::size_t end = whole.find('/', begin);
    if (end == std::string::npos) end = whole.size();
    if (end > begin) parts.push_back(percent_decoded(std::string_view(whole).substr(begin, end - begin)));
    begin = end + 1;
  }
  return parts;
}

std::map<std::string, std::string, std::less<>> Call::query() const {
  std::map<std::string, std::string, std::less<>> values;
  const std::size_t mark = target.find('?');
  if (mark == std::string::npos) return values;
  std::string_view rest = std::string_view(target).substr(mark + 1);
  while (!rest.empty()) {
    const std::string_view pair = rest.substr(0, rest.find('&'));
    rest.remove_prefix(std::min(pair.size() + 1, rest.size()));
    const std::size_t equals = pair.find('=');
    if (pair.empty()) continue;
    values[percent_decoded(pair.substr(0, equals))] =
        equals == std::string_view::npos ? "" : percent_decoded(pair.substr(equals + 1));
  }
  return values;
}

std::string Call::query_value(std::string_view name) const {
  const auto values = query();
  const auto found = values.find(name);
  return found == values.end() ? "" : found->second;
}

std::string Call::header(std::string_view name) const {
  const auto found = headers.find(name);
  return found == headers.end() ? "" : found->second;
}

std::optional<std::vector<std::string>> match(std::string_view pattern, const std::vector<std::string>& segments) {
  std::vector<std::string> parameters;
  std::size_t at = 0;
  while (!pattern.empty()) {
    pattern.remove_prefix(1);  // the slash
    const std::size_t end = std::min(pattern.find('/'), pattern.size());
    if (at == segments.size()) return std::nullopt;
    if (pattern.substr(0, end) == "{}") {
      parameters.push_back(segments[at]);
    } else if (pattern.substr(0, end) != segments[at]) {
      return std::nullopt;
    }
    ++at;
    pattern.remove_prefix(end);
  }
  if (at != segments.size()) return std::nullopt;
  return parameters;
}

}  // namespace hsmbridge::rig
