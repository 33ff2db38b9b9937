#include "base/json_text.h"

#include "base/bytes.h"
#include "base/unicode.h"

#include <utility>

namespace hsmbridge {

void set_text(Json& object, const std::string& name, const std::string& text) {
  std::string escaped = escape_non_utf8(text);
  const bool is_utf8 = escaped == text;
  object.set(name, Json(std::move(escaped)));
  if (!is_utf8) object.set(name + "_hex", Json(hex(as_bytes(text))));
}

}  // namespace hsmbridge
