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

Words Call::query() const {
  const std::size_t mark = target.find('?');
  return mark == std::string::npos ? Words{} : form_values(std::string_view(target).substr(mark + 1));
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

Words form_values(std::string_view text) {
  Words values;
  while (!text.empty()) {
    const std::string_view pair = text.substr(0, text.find('&'));
    text.remove_prefix(std::min(pair.size() + 1, text.size()));
    const std::size_t equals = std::min(pair.find('='), pair.size());
    if (!pair.empty()) {
      values[percent_decoded(pair.substr(0, equals))] = percent_decoded(pair.substr(std::min(equals + 1, pair.size())));
    }
  }
  return values;
}

Error refusal(std::string message, const Answer& answer) {
  return Error{ErrorKind::refused, std::move(message)}
      .with("status", std::to_string(answer.status))
      .with("body", answer.body)
      .with("type", answer.content_type);
}

std::optional<Answer> answer_in(const Error& error) {
  const std::string status(error.detail("status"));
  if (status.empty()) return std::nullopt;
  return Answer{std::stoi(status), std::string(error.detail("body")), std::string(error.detail("type"))};
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
