#pragma once

#include "base/bytes.h"
#include "base/clock.h"
#include "x509/asn1/oid.h"

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

// DER (X.690) in and out, for the frames around the parts. Our own, and not OpenSSL's d2i_X509_REQ and friends, for
// three reasons: the public key stays opaque bytes (decoding it costs more than a P-256 signature), every byte that
// came in can be kept exactly, and BER or trailing bytes are refused where OpenSSL would read on.
namespace hsmbridge::x509::der {

// Identifier octets used in X.509. High tag numbers do not occur there and are refused.
enum Tag : std::uint8_t {
  kBoolean = 0x01,
  kInteger = 0x02,
  kBitString = 0x03,
  kOctetString = 0x04,
  kNull = 0x05,
  kOid = 0x06,
  kEnumerated = 0x0A,
  kUtf8String = 0x0C,
  kNumericString = 0x12,
  kPrintableString = 0x13,
  kTeletexString = 0x14,
  kIa5String = 0x16,
  kUtcTime = 0x17,
  kGeneralizedTime = 0x18,
  kVisibleString = 0x1A,
  kUniversalString = 0x1C,
  kBmpString = 0x1E,
  kSequence = 0x30,
  kSet = 0x31,
};
// Context-specific tags: [n] IMPLICIT of a primitive type, and [n] constructed (EXPLICIT, or IMPLICIT of a SEQUENCE).
constexpr std::uint8_t context(unsigned number) {
  return static_cast<std::uint8_t>(0x80U | number);
}
constexpr std::uint8_t context_constructed(unsigned number) {
  return static_cast<std::uint8_t>(0xA0U | number);
}

// One tag-length-value. Views point into the bytes that were read.
struct Element {
  std::uint8_t tag = 0;
  ByteView content;
  ByteView whole;  // with tag and length
};

// Reads elements one after another. Each function throws invalid_input, "<what>: …", when the bytes are not what was
// asked for; `what` names the field to a person ("TBSCertificate serialNumber").
// The bytes must outlive the reader and every Element it gave.
class Reader {
 public:
  explicit Reader(ByteView bytes) : rest_(bytes) {}

  bool at_end() const noexcept { return rest_.empty(); }
  // The next element's tag, or 0 at the end.
  std::uint8_t peek() const noexcept { return rest_.empty() ? std::uint8_t{0} : rest_[0]; }

  Element any(std::string_view what);
  Element expect(std::uint8_t tag, std::string_view what);
  std::optional<Element> optional(std::uint8_t tag, std::string_view what);
  // A reader of the content of the next element, which must have that tag.
  Reader enter(std::uint8_t tag, std::string_view what);
  void expect_end(std::string_view what) const;

  Oid oid(std::string_view what);
  bool boolean(std::string_view what);
  // INTEGER content octets (two's complement, big-endian), minimal as DER demands.
  ByteView integer(std::string_view what);
  // A non-negative INTEGER that fits.
  std::uint64_t small_integer(std::string_view what);
  // BIT STRING with no unused bits.
  ByteView octet_aligned_bits(std::string_view what);
  ByteView octet_string(std::string_view what);
  // UTCTime or GeneralizedTime in the forms RFC 5280 §4.1.2.5 allows (seconds stated, Z, no fraction).
  Instant time(std::string_view what);

 private:
  ByteView rest_;
};

// The only element in `bytes`; anything after it is refused.
Element only(ByteView bytes, std::string_view what);
// A reader of its content; it must have that tag.
Reader inside(ByteView bytes, std::uint8_t tag, std::string_view what);

// Writers return complete elements.
Bytes element(std::uint8_t tag, ByteView content);
template <class... Parts>
Bytes constructed(std::uint8_t tag, const Parts&... parts);  // the parts one after another
template <class... Parts>
Bytes sequence(const Parts&... parts);
// SET OF: sorted as X.690 §11.6 demands.
Bytes set_of(std::vector<Bytes> members);
Bytes oid(const Oid& value);
Bytes boolean(bool value);
Bytes null();
Bytes integer(std::uint64_t value);
// From an unsigned big-endian number: leading zeros cut, one added where the top bit is set.
Bytes unsigned_integer(ByteView big_endian);
Bytes bit_string(ByteView octets);
// Named bits: bit 0 is the first; trailing zero bits are cut (X.690 §11.2.2).
Bytes named_bits(std::uint16_t bits);
Bytes octet_string(ByteView octets);
Bytes text(std::uint8_t tag, std::string_view octets);
// RFC 5280 §4.1.2.5: UTCTime through 2049, GeneralizedTime from 2050 (and before 1950); milliseconds are cut.
Bytes time(Instant instant);

void append(Bytes& to, ByteView more);

template <class... Parts>
Bytes constructed(std::uint8_t tag, const Parts&... parts) {
  Bytes content;
  (append(content, parts), ...);
  return element(tag, content);
}

template <class... Parts>
Bytes sequence(const Parts&... parts) {
  return constructed(kSequence, parts...);
}

}  // namespace hsmbridge::x509::der
