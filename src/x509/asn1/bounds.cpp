#include "x509/asn1/bounds.h"

namespace hsmbridge::x509 {

std::string bounded(std::string_view text, std::size_t most) {
  if (text.size() <= most) return std::string(text);
  std::size_t end = most;
  // Not into a character: its later octets begin with the bits 10.
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0U) == 0x80U) --end;
  return std::string(text.substr(0, end)) + "…";
}

std::string listed(const std::vector<std::string>& texts) {
  std::string all;
  for (std::size_t i = 0; i < texts.size(); ++i) {
    if (i == kMostListed) return all + " and " + std::to_string(texts.size() - i) + " more";
    all += (i == 0 ? "" : ", ") + texts[i];
  }
  return all;
}

}  // namespace hsmbridge::x509
