#include "x509/asn1/der.h"

#include "base/error.h"

#include <algorithm>
#include <chrono>
#include <string>

namespace hsmbridge::x509::der {
namespace {

[[noreturn]] void refuse_der(std::string_view what, const std::string& why) {
  throw Error{ErrorKind::invalid_input, std::string(what) + ": " + why};
}

std::string tag_text(std::uint8_t tag) {
  return "0x" + hex(ByteView(&tag, 1));
}

unsigned two_digits(ByteView text, std::size_t at, std::string_view what) {
  const unsigned high = static_cast<unsigned>(text[at]) - '0';
  const unsigned low = static_cast<unsigned>(text[at + 1]) - '0';
  if (high > 9 || low > 9) refuse_der(what, "a time contains a character that is not a digit");
  return high * 10 + low;
}

}  // namespace

Element Reader::any(std::string_view what) {
  if (rest_.empty()) refuse_der(what, "it is missing");
  const std::uint8_t tag = rest_[0];
  if (tag == 0 || (tag & 0x1FU) == 0x1FU) refuse_der(what, "tag " + tag_text(tag) + " does not occur in X.509");
  if (rest_.size() < 2) refuse_der(what, "it is cut off");
  std::size_t length = rest_[1];
  std::size_t header = 2;
  if (length >= 0x80) {
    const std::size_t octets = length & 0x7FU;
    if (octets == 0 || octets > 4) refuse_der(what, "its length is not DER (indefinite or too long)");
    if (rest_.size() < 2 + octets) refuse_der(what, "it is cut off");
    length = 0;
    for (std::size_t i = 0; i < octets; ++i) length = (length << 8U) | rest_[2 + i];
    // X.690 §10.1: the fewest length octets.
    if (rest_[2] == 0 || length < 0x80) refuse_der(what, "its length is not DER (not the shortest form)");
    header += octets;
  }
  if (rest_.size() - header < length) {
    refuse_der(what, "it is cut off: " + std::to_string(length) + " octets announced, " +
                         std::to_string(rest_.size() - header) + " there");
  }
  const Element element{tag, rest_.subspan(header, length), rest_.first(header + length)};
  rest_ = rest_.subspan(header + length);
  return element;
}

Element Reader::expect(std::uint8_t tag, std::string_view what) {
  if (rest_.empty()) refuse_der(what, "it is missing");
  if (peek() != tag) refuse_der(what, "tag " + tag_text(tag) + " was expected, found " + tag_text(peek()));
  return any(what);
}

std::optional<Element> Reader::optional(std::uint8_t tag, std::string_view what) {
  if (peek() != tag || rest_.empty()) return std::nullopt;
  return any(what);
}

Reader Reader::enter(std::uint8_t tag, std::string_view what) {
  return Reader(expect(tag, what).content);
}

void Reader::expect_end(std::string_view what) const {
  if (!rest_.empty()) refuse_der(what, std::to_string(rest_.size()) + " octets too many at its end");
}

Oid Reader::oid(std::string_view what) {
  const Element element = expect(kOid, what);
  try {
    return Oid::from_content(element.content);
  } catch (Error& error) {
    throw error.prefix(what);
  }
}

bool Reader::boolean(std::string_view what) {
  const ByteView content = expect(kBoolean, what).content;
  if (content.size() != 1 || (content[0] != 0 && content[0] != 0xFF)) refuse_der(what, "not a DER BOOLEAN");
  return content[0] != 0;
}

ByteView Reader::integer(std::string_view what) {
  const ByteView content = expect(kInteger, what).content;
  if (content.empty()) refuse_der(what, "an INTEGER without octets");
  if (content.size() > 1 && ((content[0] == 0 && content[1] < 0x80) || (content[0] == 0xFF && content[1] >= 0x80))) {
    refuse_der(what, "an INTEGER that is not in its shortest form");
  }
  return content;
}

std::uint64_t Reader::small_integer(std::string_view what) {
  const ByteView content = integer(what);
  if ((content[0] & 0x80U) != 0) refuse_der(what, "a negative number");
  if (content.size() > 8) refuse_der(what, "a number too large");
  std::uint64_t value = 0;
  for (const std::uint8_t octet : content) value = (value << 8U) | octet;
  return value;
}

ByteView Reader::octet_aligned_bits(std::string_view what) {
  const ByteView content = expect(kBitString, what).content;
  if (content.empty() || content[0] != 0) refuse_der(what, "a BIT STRING of whole octets was expected");
  return content.subspan(1);
}

ByteView Reader::octet_string(std::string_view what) {
  return expect(kOctetString, what).content;
}

Instant Reader::time(std::string_view what) {
  namespace ch = std::chrono;
  if (peek() != kUtcTime && peek() != kGeneralizedTime)
    refuse_der(what, "a time was expected, found " + tag_text(peek()));
  const Element element = any(what);
  const ByteView text = element.content;
  const std::size_t year_digits = element.tag == kUtcTime ? 2 : 4;
  if (text.size() != year_digits + 11 || text.back() != 'Z') {
    refuse_der(what, "a time must be written to the second and end in Z (RFC 5280 section 4.1.2.5)");
  }
  unsigned year = two_digits(text, 0, what);
  if (element.tag == kUtcTime) {
    year += year >= 50 ? 1900 : 2000;
  } else {
    year = year * 100 + two_digits(text, 2, what);
  }
  const std::size_t at = year_digits;
  const ch::year_month_day date{ch::year(static_cast<int>(year)), ch::month(two_digits(text, at, what)),
                                ch::day(two_digits(text, at + 2, what))};
  const unsigned hour = two_digits(text, at + 4, what);
  const unsigned minute = two_digits(text, at + 6, what);
  const unsigned second = two_digits(text, at + 8, what);
  if (!date.ok() || hour > 23 || minute > 59 || second > 59) {
    refuse_der(what, "\"" + to_text(text) + "\" is not a valid time");
  }
  return Instant(ch::sys_days(date).time_since_epoch() + ch::hours(hour) + ch::minutes(minute) + ch::seconds(second));
}

Element only(ByteView bytes, std::string_view what) {
  Reader reader(bytes);
  const Element element = reader.any(what);
  reader.expect_end(what);
  return element;
}

Reader inside(ByteView bytes, std::uint8_t tag, std::string_view what) {
  Reader outer(bytes);
  Reader content = outer.enter(tag, what);
  outer.expect_end(what);
  return content;
}

Bytes element(std::uint8_t tag, ByteView content) {
  Bytes der;
  der.reserve(content.size() + 6);
  der.push_back(tag);
  if (content.size() < 0x80) {
    der.push_back(static_cast<std::uint8_t>(content.size()));
  } else {
    std::size_t octets = 1;
    while (octets < sizeof(std::size_t) && (content.size() >> (8 * octets)) != 0) ++octets;
    der.push_back(static_cast<std::uint8_t>(0x80U | octets));
    for (std::size_t i = octets; i-- > 0;) der.push_back(static_cast<std::uint8_t>(content.size() >> (8 * i)));
  }
  der.insert(der.end(), content.begin(), content.end());
  return der;
}

Bytes set_of(std::vector<Bytes> members) {
  std::sort(members.begin(), members.end());
  Bytes content;
  for (const Bytes& member : members) append(content, member);
  return element(kSet, content);
}

Bytes oid(const Oid& value) {
  return element(kOid, value.content());
}

Bytes boolean(bool value) {
  return Bytes{kBoolean, 1, static_cast<std::uint8_t>(value ? 0xFF : 0)};
}

Bytes null() {
  return Bytes{kNull, 0};
}

Bytes integer(std::uint64_t value) {
  Bytes octets;
  for (int shift = 56; shift >= 0; shift -= 8) octets.push_back(static_cast<std::uint8_t>(value >> shift));
  return unsigned_integer(octets);
}

Bytes unsigned_integer(ByteView big_endian) {
  while (!big_endian.empty() && big_endian[0] == 0) big_endian = big_endian.subspan(1);
  Bytes content;
  if (big_endian.empty() || big_endian[0] >= 0x80) content.push_back(0);
  append(content, Bytes(big_endian.begin(), big_endian.end()));
  return element(kInteger, content);
}

Bytes bit_string(ByteView octets) {
  Bytes content{0};
  content.insert(content.end(), octets.begin(), octets.end());
  return element(kBitString, content);
}

Bytes named_bits(std::uint16_t bits) {
  Bytes octets;
  unsigned last = 0;
  for (unsigned bit = 0; bit < 16; ++bit) {
    if (((bits >> bit) & 1U) == 0) continue;
    octets.resize(bit / 8 + 1);
    octets[bit / 8] = static_cast<std::uint8_t>(octets[bit / 8] | (0x80U >> (bit % 8)));
    last = bit;
  }
  Bytes content{static_cast<std::uint8_t>(octets.empty() ? 0 : 7 - last % 8)};
  append(content, octets);
  return element(kBitString, content);
}

Bytes octet_string(ByteView octets) {
  return element(kOctetString, octets);
}

Bytes text(std::uint8_t tag, std::string_view octets) {
  return element(tag, as_bytes(octets));
}

Bytes time(Instant instant) {
  namespace ch = std::chrono;
  const auto seconds = ch::floor<ch::seconds>(instant);
  const auto day = ch::floor<ch::days>(seconds);
  const ch::year_month_day date(day);
  const ch::hh_mm_ss clock(seconds - day);
  const int year = static_cast<int>(date.year());
  if (year < 0 || year > 9999) {
    throw Error{ErrorKind::invalid_input, "a certificate cannot carry a date in the year " + std::to_string(year)};
  }
  std::string digits;
  const auto two = [&digits](unsigned value) {
    digits.push_back(static_cast<char>('0' + value / 10 % 10));
    digits.push_back(static_cast<char>('0' + value % 10));
  };
  const bool utc = year >= 1950 && year <= 2049;
  if (!utc) two(static_cast<unsigned>(year) / 100);
  two(static_cast<unsigned>(year) % 100);
  two(static_cast<unsigned>(date.month()));
  two(static_cast<unsigned>(date.day()));
  two(static_cast<unsigned>(clock.hours().count()));
  two(static_cast<unsigned>(clock.minutes().count()));
  two(static_cast<unsigned>(clock.seconds().count()));
  digits.push_back('Z');
  return text(utc ? kUtcTime : kGeneralizedTime, digits);
}

void append(Bytes& to, ByteView more) {
  to.insert(to.end(), more.begin(), more.end());
}

}  // namespace hsmbridge::x509::der
