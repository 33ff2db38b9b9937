#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace hsmbridge {

using Bytes = std::vector<std::uint8_t>;
using ByteView = std::span<const std::uint8_t>;

// The octets of `text`, and back. No encoding is applied.
Bytes to_bytes(std::string_view text);
inline Bytes to_bytes(ByteView bytes) {
  return {bytes.begin(), bytes.end()};
}
std::string to_text(ByteView bytes);
// The same octets seen as the other type; valid as long as the argument's storage.
ByteView as_bytes(std::string_view text);
std::string_view as_text(ByteView bytes);

// Lower-case hex without separators, and its strict inverse (either case; throws invalid_input on anything else).
std::string hex(ByteView bytes);
Bytes from_hex(std::string_view text);

// RFC 4648 §4 base64 with padding, on one line. The inverse is strict: it throws invalid_input on white space, wrong
// padding or a foreign character.
std::string base64(ByteView bytes);
Bytes from_base64(std::string_view text);

bool equal(ByteView a, ByteView b);
// SHA-256 of `bytes`, 32 octets.
Bytes sha256(ByteView bytes);
// SHA-1, 20 octets: where a format says so (key identifiers, fingerprints), never as proof of anything.
Bytes sha1(ByteView bytes);
// `count` octets of the operating system's cryptographic randomness (RAND_bytes). Throws internal when it has none.
Bytes random_bytes(std::size_t count);

}  // namespace hsmbridge
