#include "base/bytes.h"

#include "base/error.h"
#include "base/text.h"

#include <openssl/evp.h>
#include <openssl/rand.h>

#include <algorithm>
#include <limits>

namespace hsmbridge {
namespace {

bool is_base64_digit(char c) {
  return is_letter_or_digit(c) || c == '+' || c == '/';
}

int checked_int(std::size_t size) {
  if (size > static_cast<std::size_t>(std::numeric_limits<int>::max()) / 2) {
    throw Error{ErrorKind::invalid_input, "more data than base64 is made for here (1 GiB)"};
  }
  return static_cast<int>(size);
}

}  // namespace

Bytes to_bytes(std::string_view text) {
  return Bytes(text.begin(), text.end());
}

std::string to_text(ByteView bytes) {
  return std::string(bytes.begin(), bytes.end());
}

ByteView as_bytes(std::string_view text) {
  return ByteView(reinterpret_cast<const std::uint8_t*>(text.data()), text.size());
}

std::string_view as_text(ByteView bytes) {
  return std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

std::string hex(ByteView bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  text.reserve(bytes.size() * 2);
  for (const std::uint8_t byte : bytes) {
    text.push_back(kDigits[byte >> 4]);
    text.push_back(kDigits[byte & 0x0f]);
  }
  return text;
}

Bytes from_hex(std::string_view text) {
  if (text.size() % 2 != 0) throw Error{ErrorKind::invalid_input, "hex needs an even number of digits"};
  Bytes bytes;
  bytes.reserve(text.size() / 2);
  for (std::size_t i = 0; i < text.size(); i += 2) {
    const int high = hex_digit(text[i]);
    const int low = hex_digit(text[i + 1]);
    if (high < 0 || low < 0) throw Error{ErrorKind::invalid_input, "not a hex digit"};
    bytes.push_back(static_cast<std::uint8_t>(high * 16 + low));
  }
  return bytes;
}

std::string base64(ByteView bytes) {
  std::string text((bytes.size() + 2) / 3 * 4 + 1, '\0');
  const int length =
      EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()), bytes.data(), checked_int(bytes.size()));
  text.resize(static_cast<std::size_t>(length));
  return text;
}

Bytes from_base64(std::string_view text) {
  const auto refuse = [](const char* why) { throw Error{ErrorKind::invalid_input, why}; };
  if (text.size() % 4 != 0) refuse("base64 needs a multiple of four characters");
  if (text.empty()) return {};
  std::size_t padding = 0;
  while (padding < 2 && text[text.size() - 1 - padding] == '=') ++padding;
  const std::string_view digits = text.substr(0, text.size() - padding);
  if (!std::all_of(digits.begin(), digits.end(), is_base64_digit)) refuse("not a base64 character");
  Bytes bytes(text.size() / 4 * 3);
  const int length =
      EVP_DecodeBlock(bytes.data(), reinterpret_cast<const unsigned char*>(text.data()), checked_int(text.size()));
  if (length < 0) refuse("not base64");
  bytes.resize(static_cast<std::size_t>(length) - padding);
  if (base64(bytes) != text) refuse("base64 whose unused bits are not zero");
  return bytes;
}

bool equal(ByteView a, ByteView b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end());
}

namespace {

Bytes digest_of(ByteView bytes, const EVP_MD* algorithm) {
  Bytes digest(static_cast<std::size_t>(EVP_MD_get_size(algorithm)));
  if (EVP_Digest(bytes.data(), bytes.size(), digest.data(), nullptr, algorithm, nullptr) != 1) {
    throw Error{ErrorKind::internal, std::string(EVP_MD_get0_name(algorithm)) + " failed in OpenSSL"};
  }
  return digest;
}

}  // namespace

Bytes sha256(ByteView bytes) {
  return digest_of(bytes, EVP_sha256());
}

Bytes sha1(ByteView bytes) {
  return digest_of(bytes, EVP_sha1());
}

Bytes random_bytes(std::size_t count) {
  Bytes bytes(count);
  if (RAND_bytes(bytes.data(), checked_int(count)) != 1) {
    throw Error{ErrorKind::internal, "RAND_bytes failed"};
  }
  return bytes;
}

}  // namespace hsmbridge
