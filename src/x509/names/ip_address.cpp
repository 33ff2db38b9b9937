#include "x509/names/ip_address.h"

#include "base/error.h"
#include "x509/names/name.h"

#include <arpa/inet.h>

#include <charconv>
#include <optional>

namespace hsmbridge::x509 {
namespace {

[[noreturn]] void refuse_address(std::string_view text, const std::string& why) {
  throw Error{ErrorKind::invalid_input, "IP address \"" + printable(text) + "\": " + why};
}

// Number of leading one bits, or nothing when another one follows a zero.
std::optional<unsigned> prefix_length(ByteView mask) {
  unsigned length = 0;
  bool ended = false;
  for (const std::uint8_t octet : mask) {
    for (unsigned bit = 0x80; bit != 0; bit >>= 1U) {
      const bool set = (octet & bit) != 0;
      if (set && ended) return std::nullopt;
      ended = ended || !set;
      length += set ? 1 : 0;
    }
  }
  return length;
}

}  // namespace

Bytes ip_octets(std::string_view text) {
  const std::string copy(text);
  if (text.find('\0') == std::string_view::npos && text.size() < 64) {
    Bytes octets(16);
    if (::inet_pton(AF_INET6, copy.c_str(), octets.data()) == 1) return octets;
    octets.resize(4);
    if (::inet_pton(AF_INET, copy.c_str(), octets.data()) == 1) return octets;
  }
  refuse_address(text.substr(0, 64),
                 "neither IPv4 like 192.0.2.1 nor IPv6 like 2001:db8::1 (no brackets, port or zone)");
}

std::string ip_text(ByteView octets) {
  if (octets.size() != 4 && octets.size() != 16) {
    throw Error{ErrorKind::invalid_input,
                "an IP address has 4 or 16 octets, this one " + std::to_string(octets.size()) + ": " + hex(octets)};
  }
  char text[INET6_ADDRSTRLEN] = {};
  if (::inet_ntop(octets.size() == 4 ? AF_INET : AF_INET6, octets.data(), text, sizeof text) == nullptr) {
    throw Error{ErrorKind::internal, "an IP address cannot be written as text: " + hex(octets)};
  }
  return text;
}

Bytes ip_network_octets(std::string_view text) {
  const std::size_t slash = text.find('/');
  if (slash == std::string_view::npos) refuse_address(text, "a constraint needs a mask, like 10.0.0.0/8");
  Bytes address = ip_octets(text.substr(0, slash));
  const std::string_view mask_text = text.substr(slash + 1);
  Bytes mask(address.size());
  unsigned length = 0;
  const char* end = mask_text.data() + mask_text.size();
  const auto [at, error] = std::from_chars(mask_text.data(), end, length);
  if (error == std::errc{} && at == end) {
    if (length > address.size() * 8) refuse_address(text, "a mask of " + std::to_string(length) + " bits is too long");
    for (unsigned bit = 0; bit < length; ++bit) {
      mask[bit / 8] = static_cast<std::uint8_t>(mask[bit / 8] | (0x80U >> (bit % 8)));
    }
  } else {
    mask = ip_octets(mask_text);
    if (mask.size() != address.size()) refuse_address(text, "address and mask are of different kinds");
    if (!prefix_length(mask)) refuse_address(text, "a mask must be ones followed by zeros");
  }
  for (std::size_t i = 0; i < address.size(); ++i) {
    if ((address[i] & ~mask[i] & 0xFFU) != 0) refuse_address(text, "the address has bits outside its mask");
  }
  address.insert(address.end(), mask.begin(), mask.end());
  return address;
}

std::string ip_network_text(ByteView octets) {
  if (octets.size() != 8 && octets.size() != 32) {
    throw Error{ErrorKind::invalid_input, "an IP address constraint has 8 or 32 octets, this one " +
                                              std::to_string(octets.size()) + ": " + hex(octets)};
  }
  const ByteView mask = octets.subspan(octets.size() / 2);
  const auto length = prefix_length(mask);
  return ip_text(octets.first(octets.size() / 2)) + "/" + (length ? std::to_string(*length) : ip_text(mask));
}

}  // namespace hsmbridge::x509
