#include "tools/rig/tsb/approval_bytes.h"

#include "base/error.h"

namespace hsmbridge::rig {
namespace {

enum Type : std::uint16_t {
  kOperation = 0x003B,
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

std::uint64_t number(ByteView bytes) {
  std::uint64_t value = 0;
  for (std::size_t i = bytes.size(); i-- > 0;) value = value << 8U | bytes[i];
  return value;
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

Error malformed() {
  return Error{ErrorKind::invalid_input, "the approval is malformed"};
}

class ListReader {
 public:
  explicit ListReader(ByteView list) {
    if (list.size() < 4 || number(list.first(4)) != list.size() - 4) throw malformed();
    rest_ = list.subspan(4);
  }

  bool next_is(Type type) const { return rest_.size() >= 4 && number(rest_.first(2)) == type; }
  ByteView take(Type type) {
    if (!next_is(type)) throw malformed();
    const std::size_t size = static_cast<std::size_t>(number(rest_.subspan(2, 2)));
    const std::size_t padded = (size + 3) / 4 * 4;
    if (rest_.size() < 4 + padded) throw malformed();
    for (const std::uint8_t octet : rest_.subspan(4 + size, padded - size)) {
      if (octet != 0) throw malformed();
    }
    const ByteView data = rest_.subspan(4, size);
    rest_ = rest_.subspan(4 + padded);
    return data;
  }
  void end() const {
    if (!rest_.empty()) throw malformed();
  }

 private:
  ByteView rest_;
};

Bytes copy(ByteView bytes) {
  return {bytes.begin(), bytes.end()};
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
  append_element(elements, kOperation, little_endian(approval.operation, 4));
  append_element(elements, kLabel, as_bytes(approval.label));
  if (approval.timestamp) {
    append_element(elements, kTimestamp, timestamp_list(*approval.timestamp));
    append_element(elements, kSignature, approval.timestamp->signature);
  }
  append_element(elements, kPayload, approval.payload);
  return as_list(elements);
}

ApprovalBytes decode_approval(ByteView bytes) {
  ListReader reader(bytes);
  ApprovalBytes approval;
  const ByteView operation = reader.take(kOperation);
  if (operation.size() != 4) throw malformed();
  approval.operation = static_cast<std::uint32_t>(number(operation));
  approval.label = to_text(reader.take(kLabel));
  if (reader.next_is(kTimestamp)) {
    ListReader inner(reader.take(kTimestamp));
    ApprovalTimestamp timestamp;
    timestamp.payload = copy(inner.take(kPayload));
    const ByteView seconds = inner.take(kSeconds);
    if (seconds.size() != 8) throw malformed();
    timestamp.seconds = number(seconds);
    timestamp.key_name = to_text(inner.take(kLabel));
    inner.end();
    timestamp.signature = copy(reader.take(kSignature));
    approval.timestamp = std::move(timestamp);
  }
  approval.payload = copy(reader.take(kPayload));
  reader.end();
  return approval;
}

}  // namespace hsmbridge::rig
