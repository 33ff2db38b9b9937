#include "base/json_text.h"

#include "base/bytes.h"
#include "base/unicode.h"

#include <algorithm>
#include <utility>

namespace hsmbridge {

void set_text(Json& object, const std::string& name, const std::string& text) {
  std::string escaped = escape_non_utf8(text);
  const bool is_utf8 = escaped == text;
  object.set(name, Json(std::move(escaped)));
  if (!is_utf8) object.set(name + "_hex", Json(hex(as_bytes(text))));
}

Json sorted(const Json& json) {
  if (json.is_array()) return Json::list(json.as_array(), sorted);
  if (!json.is_object()) return json;
  Json::Object members;
  for (const auto& [name, value] : json.as_object()) members.emplace_back(name, sorted(value));
  std::sort(members.begin(), members.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  return Json(std::move(members));
}

}  // namespace hsmbridge
