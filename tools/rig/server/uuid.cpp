#include "tools/rig/server/uuid.h"

#include "base/bytes.h"

#include <regex>

namespace hsmbridge::rig {

std::string new_uuid() {
  Bytes octets = random_bytes(16);
  octets[6] = static_cast<std::uint8_t>((octets[6] & 0x0FU) | 0x40U);
  octets[8] = static_cast<std::uint8_t>((octets[8] & 0x3FU) | 0x80U);
  std::string text = hex(octets);
  for (const std::size_t dash : {20U, 16U, 12U, 8U}) text.insert(dash, "-");
  return text;
}

bool is_uuid(std::string_view text) {
  static const std::regex form("[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}");
  return std::regex_match(text.begin(), text.end(), form);
}

}  // namespace hsmbridge::rig
