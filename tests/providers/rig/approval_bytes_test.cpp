#include "tools/rig/tsb/approval_bytes.h"

#include "base/error.h"
#include "providers/securosys/approval_bytes.h"

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

TEST_CASE("what the simulator writes for an approver is read by an approver as it was meant") {
  ApprovalBytes approval;
  approval.label = "Broker-Transaction-Key-01";
  for (std::size_t size = 1; size < 40; ++size) {
    approval.payload = Bytes(size, 0xA5);
    approval.timestamp.reset();
    CHECK_FALSE(securosys::parse_approval_to_be_signed(encode(approval)).stamp);
    approval.timestamp = ApprovalTimestamp{approval.payload, 1707390965, "timestamp-key",
                                           timestamp_signature(from_hex("3006020101020101"))};
    const securosys::ApprovalBytes read = securosys::parse_approval_to_be_signed(encode(approval));
    CHECK(read.key_label == approval.label);
    CHECK(read.payload == approval.payload);
    CHECK(read.stamp->at == Instant{std::chrono::seconds{1707390965}});
    CHECK(read.stamp->clock_key == "timestamp-key");
    CHECK(read.stamp->signature == approval.timestamp->signature);
  }
}

TEST_CASE("a part of an approval that its length field cannot hold is refused") {
  ApprovalBytes approval;
  approval.payload = Bytes(0x10000);
  CHECK_THROWS_AS(encode(approval), Error);
}
