#include "tools/rig/tsb/json_text.h"

namespace hsmbridge::rig {
namespace {

// The index after the string that begins at `at`.
std::size_t end_of_string(std::string_view json, std::size_t at) {
  for (++at; at < json.size() && json[at] != '"'; ++at) {
    if (json[at] == '\\') ++at;
  }
  return at + 1;
}

std::string compact(std::string_view json) {
  std::string text;
  for (std::size_t at = 0; at < json.size();) {
    if (json[at] == '"') {
      const std::size_t end = end_of_string(json, at);
      text += json.substr(at, end - at);
      at = end;
    } else {
      if (std::string_view(" \t\r\n").find(json[at]) == std::string_view::npos) text += json[at];
      ++at;
    }
  }
  return text;
}

// The index after the value that begins at `at`: the comma or brace that ends it.
std::size_t end_of_value(std::string_view json, std::size_t at) {
  for (int depth = 0; at < json.size(); ++at) {
    const char c = json[at];
    if (c == '"') at = end_of_string(json, at) - 1;
    if (c == '{' || c == '[') ++depth;
    if (depth == 0 && (c == ',' || c == '}' || c == ']')) return at;
    if (c == '}' || c == ']') --depth;
  }
  return at;
}

}  // namespace

std::string compact_member(std::string_view json, std::string_view name) {
  const std::string text = compact(json);
  const std::string_view all = text;
  for (std::size_t at = 1; at < all.size() && all[at] == '"';) {
    const std::size_t colon = end_of_string(all, at);
    const std::size_t end = end_of_value(all, colon + 1);
    if (all.substr(at + 1, colon - at - 2) == name) return std::string(all.substr(colon + 1, end - colon - 1));
    at = end + 1;
  }
  return {};
}

}  // namespace hsmbridge::rig
