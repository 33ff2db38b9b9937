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

}  // namespace hsmbridge
