#pragma once

#include "base/bytes.h"
#include "base/json.h"

#include <fmt/core.h>

#include <string>
#include <string_view>
#include <vector>

// A secret as a server may repeat it, and what of it is still in a text.
namespace hsmbridge::test {

inline std::vector<std::string> spellings(const std::string& secret) {
  std::string percent;
  std::string unicode;
  std::string array = "[";
  for (const char c : secret) {
    const unsigned octet = static_cast<unsigned char>(c);
    percent += fmt::format("%{:02X}", octet);
    unicode += fmt::format("\\u{:04x}", octet);
    array += fmt::format("{}\"{}\"", array.size() > 1 ? "," : "", c);
  }
  return {secret, percent, unicode, array + "]", base64(as_bytes("user:" + secret))};
}

// An answer, as JSON text, that says all of them: as a text of its own, within others, and as names and values that a
// reader may show.
inline std::string echo_of(const std::string& secret) {
  std::string words = "not taken:";
  for (const std::string& one : spellings(secret)) words += " " + one;
  const Json error = Json::object({{"code", "odd_" + secret}, {"message", words}, {"field", words}});
  return Json::object({{"errors", Json::array({error})},
                       {"error", words},
                       {"error_description", words},
                       {"status", secret},
                       {"request_id", "x y"},
                       {"id", secret},
                       {"name", words}})
      .dump();
}

// The beginning of the first spelling that stands in `text`, or "". A third of a spelling is enough.
inline std::string found_of(const std::string& secret, std::string_view text) {
  for (const std::string& one : spellings(secret)) {
    const std::string piece = one.substr(one.size() / 3, one.size() / 3);
    if (text.find(piece) != std::string_view::npos) return piece;
  }
  return "";
}

}  // namespace hsmbridge::test
