#pragma once

#include "base/bytes.h"

#include <cstdint>
#include <optional>
#include <string>

// The bytes an approver of the TSB signs (`approvalToBeSigned`): integers little-endian, every element is
// u16 type, u16 length, data, zero padding to a multiple of four; a list is its u32 length and its elements.
//   0x003B operation (u32)  0x1002 key label  [0x1054 time stamp  0x1056 signature of it]  0x1057 payload
// The time stamp's data is itself a list: 0x1057 the payload again, 0x0107 seconds (u64), 0x1002 name of the time key.
// Written here on purpose a second time, and read by the approver in providers/securosys: neither can hide a mistake of
// the other.
namespace hsmbridge::rig {

struct ApprovalTimestamp {
  Bytes payload;
  std::uint64_t seconds = 0;  // since 1970
  std::string key_name;       // of the HSM's time-stamp key
  Bytes signature;            // DER SEQUENCE{ AlgorithmIdentifier ecdsa-with-SHA256 with NULL, BIT STRING }
};

struct ApprovalBytes {
  std::uint32_t operation = 1;  // 1: use the key (sign, CSR, certificate, self-signed certificate)
  std::string label;
  std::optional<ApprovalTimestamp> timestamp;  // absent when the rule has no times
  Bytes payload;
};

// The largest payload that fits the 16-bit lengths, with a time stamp around it.
inline constexpr std::size_t kLargestPayload = 65'000;

// The data of the 0x1054 element: what the HSM's time-stamp key signs. `signature` is not used.
Bytes timestamp_list(const ApprovalTimestamp& timestamp);
// ecdsa-with-SHA256 as the HSM writes it, NULL parameters included, around a DER ECDSA signature.
Bytes timestamp_signature(ByteView ecdsa_signature);

// Throws invalid_input when something does not fit its length field.
Bytes encode(const ApprovalBytes& approval);

}  // namespace hsmbridge::rig
