#include "tools/rig/tsb/approval_bytes.h"

#include "base/error.h"

namespace hsmbridge::rig {
namespace {

enum Type : std::uint16_t {
  kTagOperation = 0x003B,
  kSeconds = 0x0107,
  kLabel = 0x1002,
  kTimestamp = 0x1054,
  kSignature = 0x1056,
  kPayload = 0x1057,
};

Bytes little_endian(std::uint64_t value, std::size_t octets) {
  Bytes bytes;
  for (std::size_t i = 0; i < octets; ++i) bytes.push_back(static_cast<std::uint8_t>(value >> (8 * i)));
  return bytes;
}

void append(Bytes& out, ByteView more) {
  out.insert(out.end(), more.begin(), more.end());
}

void append_element(Bytes& out, Type type, ByteView data) {
  if (data.size() > 0xFFFF) throw Error{ErrorKind::invalid_input, "a part of the approval is longer than 65535 bytes"};
  append(out, little_endian(type, 2));
  append(out, little_endian(data.size(), 2));
  append(out, data);
  while (out.size() % 4 != 0) out.push_back(0);
}

Bytes as_list(const Bytes& elements) {
  Bytes list = little_endian(elements.size(), 4);
  append(list, elements);
  return list;
}

}  // namespace

Bytes timestamp_list(const ApprovalTimestamp& timestamp) {
  Bytes elements;
  append_element(elements, kPayload, timestamp.payload);
  append_element(elements, kSeconds, little_endian(timestamp.seconds, 8));
  append_element(elements, kLabel, as_bytes(timestamp.key_name));
  return as_list(elements);
}

Bytes timestamp_signature(ByteView ecdsa_signature) {
  const Bytes identifier = from_hex("300c06082a8648ce3d0403020500");
  Bytes content = identifier;
  content.push_back(0x03);
  content.push_back(static_cast<std::uint8_t>(ecdsa_signature.size() + 1));
  content.push_back(0);
  append(content, ecdsa_signature);
  // A P-256 signature has at most 72 octets, so every length here is one octet.
  Bytes der{0x30, static_cast<std::uint8_t>(content.size())};
  append(der, content);
  return der;
}

Bytes encode(const ApprovalBytes& approval) {
  Bytes elements;
  append_element(elements, kTagOperation, little_endian(approval.operation, 4));
  append_element(elements, kLabel, as_bytes(approval.label));
  if (approval.timestamp) {
    append_element(elements, kTimestamp, timestamp_list(*approval.timestamp));
    append_element(elements, kSignature, approval.timestamp->signature);
  }
  append_element(elements, kPayload, approval.payload);
  return as_list(elements);
}

}  // namespace hsmbridge::rig
