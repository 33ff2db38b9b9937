#include "tools/rig/server/uuid.h"

#include "base/bytes.h"

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
  if (text.size() != 36) return false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool dash = i == 8 || i == 13 || i == 18 || i == 23;
    const bool digit =
        (text[i] >= '0' && text[i] <= '9') || (text[i] >= 'a' && text[i] <= 'f') || (text[i] >= 'A' && text[i] <= 'F');
    if (dash ? text[i] != '-' : !digit) return false;
  }
  return true;
}

}  // namespace hsmbridge::rig
