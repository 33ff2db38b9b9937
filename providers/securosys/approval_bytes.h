#pragma once

#include "base/bytes.h"
#include "base/clock.h"

#include <optional>
#include <string>

// The bytes a Securosys approver signs: `approvalToBeSigned`, the HSM's own type-length-value format. All integers are
// little-endian; element = u16 type, u16 length, data, zero padding to a multiple of four; list = u32 length of what
// follows, elements. Layout as documented in the TSB's Swagger text and round-tripped on the samples of its tutorials.
namespace hsmbridge::securosys {

// The HSM's word on when the approval was asked for, with a second copy of the payload.
struct ApprovalStamp {
  Instant at{};           // by the HSM's clock, the one that decides about timelock and timeout
  std::string clock_key;  // the HSM key that signed it, "timestamp-key"
  Bytes signature;        // DER SEQUENCE{AlgorithmIdentifier, BIT STRING}
};

struct ApprovalBytes {
  Bytes whole;            // what is signed, with the four length octets in front
  std::string key_label;  // the key that will sign the payload
  Bytes payload;          // what it will sign; every copy in `whole` is equal to it
  std::optional<ApprovalStamp> stamp;
};

// Reads one `approvalToBeSigned` for a signature. An approver must know what he signs, so nothing is let pass: every
// length exact, padding zero, elements in their order and no other, no trailing byte, operation 1 (sign), all copies of
// the payload equal, the label printable UTF-8. Throws refused naming what is wrong and at which offset.
ApprovalBytes parse_approval_to_be_signed(ByteView bytes);

}  // namespace hsmbridge::securosys
