#pragma once

#include "base/bytes.h"

#include <cstdint>
#include <string>

namespace hsmbridge::test {

inline void put_little_endian(Bytes& to, std::uint64_t value, unsigned octets) {
  for (unsigned i = 0; i < octets; ++i) to.push_back(static_cast<std::uint8_t>(value >> (8 * i)));
}

inline void put_element(Bytes& to, std::uint16_t type, ByteView data) {
  put_little_endian(to, type, 2);
  put_little_endian(to, data.size(), 2);
  to.insert(to.end(), data.begin(), data.end());
  while (to.size() % 4 != 0) to.push_back(0);
}

// approvalToBeSigned without a time stamp.
inline Bytes to_be_approved(const std::string& label, ByteView payload) {
  Bytes content;
  put_element(content, 0x003B, from_hex("01000000"));
  put_element(content, 0x1002, as_bytes(label));
  put_element(content, 0x1057, payload);
  Bytes whole;
  put_little_endian(whole, content.size(), 4);
  whole.insert(whole.end(), content.begin(), content.end());
  return whole;
}

}  // namespace hsmbridge::test
