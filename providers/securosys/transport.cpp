#include "providers/securosys/transport.h"

namespace hsmbridge::securosys {

std::string path_segment(std::string_view text) {
  constexpr std::string_view kUnreserved = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
  constexpr std::string_view kHex = "0123456789ABCDEF";
  std::string result;
  // A segment of dots alone would climb the path.
  const bool dots = text.find_first_not_of('.') == std::string_view::npos;
  for (const char character : text) {
    if (kUnreserved.find(character) != std::string_view::npos && !(dots && character == '.')) {
      result += character;
      continue;
    }
    const auto octet = static_cast<unsigned char>(character);
    result += '%';
    result += kHex[octet >> 4U];
    result += kHex[octet & 0xFU];
  }
  return result;
}

}  // namespace hsmbridge::securosys
