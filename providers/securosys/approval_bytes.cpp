#include "providers/securosys/approval_bytes.h"

#include "base/error.h"
#include "base/unicode.h"
#include "x509/asn1/der.h"
#include "x509/names/name.h"

#include <fmt/core.h>

#include <algorithm>
#include <string_view>

namespace hsmbridge::securosys {
namespace {

// Element types of the HSM's format.
enum Type : std::uint16_t {
  kOperation = 0x003B,
  kSecondsSinceEpoch = 0x0107,
  kLabel = 0x1002,
  kTimestamp = 0x1054,
  kDerSignature = 0x1056,
  kPayload = 0x1057,
  kModifyPayload = 0x1058,
};

constexpr std::uint64_t kOperationSign = 1;
// 9999-12-31T23:59:59Z, the last moment that RFC 3339 and X.509 can write.
constexpr std::uint64_t kLastSecond = 253402300799U;

[[noreturn]] void refuse(std::size_t offset, const std::string& what) {
  throw Error{ErrorKind::refused, fmt::format("approvalToBeSigned: {} (at offset 0x{:02x})", what, offset)}.hint(
      "do not approve this; ask the operator of the TSB what it is");
}

std::uint64_t little_endian(ByteView bytes) {
  std::uint64_t value = 0;
  for (std::size_t i = bytes.size(); i > 0; --i) value = value << 8U | bytes[i - 1];
  return value;
}

// Reads a list element by element. `offset` is where its bytes stand in the whole, for the messages.
class List {
 public:
  List(ByteView bytes, std::size_t offset, std::string_view name) : bytes_(bytes), offset_(offset) {
    if (bytes.size() < 4) refuse(offset, fmt::format("{} ends inside its length", name));
    const std::uint64_t length = little_endian(bytes.first(4));
    if (length != bytes.size() - 4) {
      refuse(offset, fmt::format("{} says {} bytes and has {}", name, length, bytes.size() - 4));
    }
    at_ = 4;
  }

  bool at_end() const { return at_ == bytes_.size(); }
  std::size_t offset() const { return offset_ + at_; }

  std::optional<std::uint16_t> peek() const {
    if (bytes_.size() - at_ < 4) return std::nullopt;
    return static_cast<std::uint16_t>(little_endian(bytes_.subspan(at_, 2)));
  }

  // The data of the next element, which must be of that type.
  ByteView expect(std::uint16_t type, std::string_view name) {
    const std::size_t left = bytes_.size() - at_;
    if (left == 0) refuse(offset(), fmt::format("{} is missing", name));
    if (left < 4) refuse(offset(), "an element ends inside its header");
    const auto found = static_cast<std::uint16_t>(little_endian(bytes_.subspan(at_, 2)));
    if (found != type) {
      refuse(offset(), fmt::format("{} (0x{:04x}) is expected, element 0x{:04x} found", name, type, found));
    }
    const auto length = static_cast<std::size_t>(little_endian(bytes_.subspan(at_ + 2, 2)));
    const std::size_t padded = (length + 3) / 4 * 4;
    if (padded > left - 4) refuse(offset(), fmt::format("{} is longer than what holds it", name));
    const ByteView padding = bytes_.subspan(at_ + 4 + length, padded - length);
    if (std::any_of(padding.begin(), padding.end(), [](std::uint8_t octet) { return octet != 0; })) {
      refuse(offset() + 4 + length, fmt::format("the padding of {} is not zero", name));
    }
    data_offset_ = offset() + 4;
    const ByteView data = bytes_.subspan(at_ + 4, length);
    at_ += 4 + padded;
    return data;
  }
  // Where the data that `expect` gave last begins.
  std::size_t data_offset() const { return data_offset_; }

  void expect_end(std::string_view name) const {
    if (!at_end()) refuse(offset(), fmt::format("{} bytes follow {}", bytes_.size() - at_, name));
  }

 private:
  ByteView bytes_;
  std::size_t offset_;
  std::size_t at_ = 0;
  std::size_t data_offset_ = 0;
};

std::string label(List& list, std::string_view name) {
  const ByteView data = list.expect(kLabel, name);
  std::string text = to_text(data);
  if (!is_utf8(text) || printable(text) != text) {
    refuse(list.data_offset(), fmt::format("{} is not printable UTF-8", name));
  }
  return text;
}

// SEQUENCE { AlgorithmIdentifier, BIT STRING }: the form only. The HSM made it and the HSM will judge it.
void check_signature_form(ByteView der, std::size_t offset) {
  try {
    x509::der::Reader outer(der);
    x509::der::Reader signature = outer.enter(x509::der::kSequence, "timestamp signature");
    outer.expect_end("timestamp signature");
    x509::der::Reader algorithm = signature.enter(x509::der::kSequence, "timestamp signature algorithm");
    algorithm.oid("timestamp signature algorithm");
    algorithm.optional(x509::der::kNull, "timestamp signature parameters");  // the HSM writes NULL
    algorithm.expect_end("timestamp signature algorithm");
    signature.octet_aligned_bits("timestamp signature value");
    signature.expect_end("timestamp signature");
  } catch (const Error& error) {
    refuse(offset, error.message());
  }
}

ApprovalStamp timestamp(List& list, Bytes& payload) {
  const ByteView data = list.expect(kTimestamp, "EkaTimeStamp");
  List inner(data, list.data_offset(), "EkaTimeStamp");
  const ByteView copy = inner.expect(kPayload, "the payload of EkaTimeStamp");
  payload.assign(copy.begin(), copy.end());
  const std::size_t time_offset = inner.offset();
  const ByteView seconds = inner.expect(kSecondsSinceEpoch, "SecondsSinceEpoch");
  if (seconds.size() != 8) refuse(time_offset, fmt::format("SecondsSinceEpoch has {} bytes, not 8", seconds.size()));
  const std::uint64_t since_epoch = little_endian(seconds);
  if (since_epoch > kLastSecond) refuse(time_offset, fmt::format("{} is not a valid time", since_epoch));
  ApprovalStamp stamp;
  stamp.at = Instant(std::chrono::seconds(static_cast<std::int64_t>(since_epoch)));
  stamp.clock_key = label(inner, "the label of the timestamp key");
  inner.expect_end("EkaTimeStamp");
  return stamp;
}

}  // namespace

ApprovalBytes parse_approval_to_be_signed(ByteView bytes) {
  ApprovalBytes result;
  List list(bytes, 0, "the whole");

  const std::size_t operation_offset = list.offset();
  const ByteView operation = list.expect(kOperation, "EkaOperation");
  if (operation.size() != 4) {
    refuse(operation_offset, fmt::format("EkaOperation has {} bytes, not 4", operation.size()));
  }
  if (little_endian(operation) != kOperationSign) {
    refuse(operation_offset,
           fmt::format("it asks for operation {}, not for a signature (1)", little_endian(operation)));
  }

  result.key_label = label(list, "the key's label");

  Bytes stamped_payload;
  if (list.peek() == kTimestamp) {
    result.stamp = timestamp(list, stamped_payload);
    const ByteView signature = list.expect(kDerSignature, "the signature of EkaTimeStamp");
    check_signature_form(signature, list.data_offset());
    result.stamp->signature.assign(signature.begin(), signature.end());
  }

  if (list.peek() == kModifyPayload) refuse(list.offset(), "it asks to change the key's policy, not for a signature");
  const ByteView payload = list.expect(kPayload, "the payload");
  if (result.stamp && !equal(payload, stamped_payload)) {
    refuse(list.data_offset(), "the payload is not the one that the HSM stamped");
  }
  list.expect_end("the payload");
  if (payload.empty()) refuse(list.data_offset(), "the payload is empty");

  result.payload.assign(payload.begin(), payload.end());
  result.whole.assign(bytes.begin(), bytes.end());
  return result;
}

}  // namespace hsmbridge::securosys
