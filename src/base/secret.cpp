#include "base/secret.h"

#include <openssl/crypto.h>

#include <utility>

namespace hsmbridge {

Secret::Secret(std::string value) : value_(std::move(value)) {
  // A short string is copied, not moved: its characters are still in the argument, which calls itself empty now.
  value.resize(value.capacity());
  OPENSSL_cleanse(value.data(), value.size());
}

Secret::~Secret() {
  wipe();
}

Secret::Secret(const Secret& other) = default;

Secret& Secret::operator=(const Secret& other) {
  if (this != &other) {
    wipe();
    value_ = other.value_;
  }
  return *this;
}

Secret::Secret(Secret&& other) noexcept : value_(other.value_) {
  other.wipe();
}

Secret& Secret::operator=(Secret&& other) noexcept {
  if (this != &other) {
    wipe();
    value_ = other.value_;
    other.wipe();
  }
  return *this;
}

void Secret::wipe() noexcept {
  if (!value_.empty()) OPENSSL_cleanse(value_.data(), value_.size());
  value_.clear();
}

std::size_t without_line_end(std::string_view text) noexcept {
  if (text.ends_with("\r\n")) return text.size() - 2;
  return text.ends_with('\n') ? text.size() - 1 : text.size();
}

std::string_view mistake_in(std::string_view secret) noexcept {
  for (const std::string_view mark : {"\xEF\xBB\xBF", "\xFF\xFE", "\xFE\xFF"}) {
    if (secret.starts_with(mark)) return "begins with a byte order mark";
  }
  if (secret.find_first_of("\r\n") != std::string_view::npos) return "holds a line break";
  for (std::size_t i = 0; i < secret.size(); ++i) {
    const auto octet = static_cast<unsigned char>(secret[i]);
    // U+0080 to U+009F are control characters too.
    const bool second = octet >= 0x80 && octet < 0xA0 && i > 0 && static_cast<unsigned char>(secret[i - 1]) == 0xC2;
    if (octet == '\t') return "holds a tab";
    if (octet < 0x20 || octet == 0x7F || second) return "holds a control character";
  }
  return {};
}

}  // namespace hsmbridge
