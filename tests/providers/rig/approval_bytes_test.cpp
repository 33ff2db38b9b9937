#include "tools/rig/tsb/approval_bytes.h"

#include "base/error.h"

#include <catch2/catch.hpp>

using namespace hsmbridge;
using namespace hsmbridge::rig;

namespace {

// The sample of the vendor's page on the timestamp notification service: 212 bytes.
const char* const kPublished =
    "0AAAADsABAABAAAAAhAZAEJyb2tlci1UcmFuc2FjdGlvbi1LZXktMDEAAABUEDQAMAAAAFcQCQBzZWN1cm9zeXMAAAAHAQgA9bfEZQAAAAACEA0A"
    "dGltZXN0YW1wLWtleQAAAFYQWgAwWDAMBggqhkjOPQQDAgUAA0gAMEUCID1N3RL1dIikAHTWiQWWtwLUdFIRHS2ZqAhx46ZsJU8yAiEA6LzgUSw+"
    "dVbFUUvOI/XkgZu739yvejXSZcMUvOjPW7YAAFcQCQBzZWN1cm9zeXMAAAA=";

}  // namespace

TEST_CASE("the approval bytes published by the vendor come out of the same inputs") {
  ApprovalTimestamp timestamp;
  timestamp.payload = to_bytes("securosys");
  timestamp.seconds = 1707390965;  // 2024-02-08T11:16:05Z
  timestamp.key_name = "timestamp-key";
  timestamp.signature =
      timestamp_signature(from_hex("304502203d4ddd12f57488a40074d6890596b702d47452111d2d99a80871e3a66c254f32"
                                   "022100e8bce0512c3e7556c5514bce23f5e4819bbbdfdcaf7a35d265c314bce8cf5bb6"));
  ApprovalBytes approval;
  approval.label = "Broker-Transaction-Key-01";
  approval.payload = to_bytes("securosys");
  approval.timestamp = timestamp;
  CHECK(base64(encode(approval)) == kPublished);
}

TEST_CASE("reading the published approval bytes and writing them again gives the same bytes") {
  const Bytes published = from_base64(kPublished);
  CHECK(encode(decode_approval(published)) == published);
}

TEST_CASE("approval bytes with one bit changed are never read as the same approval") {
  const Bytes published = from_base64(kPublished);
  const ApprovalBytes original = decode_approval(published);
  for (std::size_t bit = 0; bit < published.size() * 8; ++bit) {
    Bytes changed = published;
    changed[bit / 8] = static_cast<std::uint8_t>(changed[bit / 8] ^ (1U << (bit % 8)));
    bool same = false;
    try {
      same = decode_approval(changed) == original;
    } catch (const Error& error) {
      CHECK(error.kind() == ErrorKind::invalid_input);
    }
    CHECK(!same);
  }
}

TEST_CASE("a cut approval is refused at every length") {
  const Bytes published = from_base64(kPublished);
  for (std::size_t size = 0; size < published.size(); ++size) {
    CHECK_THROWS_AS(decode_approval(ByteView(published).first(size)), Error);
  }
}
