#include "x509/names/dns_name.h"

#include "base/error.h"
#include "base/text.h"
#include "x509/asn1/unicode.h"
#include "x509/names/name.h"

#include <idn2.h>

#include <algorithm>
#include <memory>

namespace hsmbridge::x509 {
namespace {

[[noreturn]] void refuse_dns_name(std::string_view name, const std::string& why, const std::string& hint = "") {
  Error error{ErrorKind::invalid_input, "DNS name \"" + printable(name) + "\": " + why};
  if (!hint.empty()) error.hint(hint);
  throw error;
}

struct Idn2Deleter {
  void operator()(char* text) const noexcept { ::idn2_free(text); }
};

std::string to_a_labels(std::string_view name, std::string_view shown) {
  // libidn2 accepts symbols and emoji in some versions' mapping step; what IDNA 2008 disallows it answers with an
  // error.
  char* output = nullptr;
  const int code = ::idn2_to_ascii_8z(std::string(name).c_str(), &output,
                                      IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL | IDN2_USE_STD3_ASCII_RULES);
  const std::unique_ptr<char, Idn2Deleter> owner(output);
  if (code != IDN2_OK) {
    refuse_dns_name(shown, std::string("it cannot be written in A-labels (IDNA 2008): ") + ::idn2_strerror(code));
  }
  return owner.get();
}

void check_label(std::string_view label, std::string_view shown) {
  if (label.empty()) refuse_dns_name(shown, "it has an empty label (two dots in a row, or one at an end)");
  if (label.size() > 63)
    refuse_dns_name(shown, "a label has " + std::to_string(label.size()) + " octets, 63 is the most");
  if (label.front() == '-' || label.back() == '-') refuse_dns_name(shown, "a label begins or ends with a hyphen");
  for (const char c : label) {
    if (c == '*') {
      refuse_dns_name(shown,
                      "a wildcard is the whole leftmost label, with at least two labels after it, like *.example.com");
    }
    if (c == '_') refuse_dns_name(shown, "an underscore is not allowed in a host name (RFC 5280 section 4.2.1.6)");
    if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-')) {
      refuse_dns_name(
          shown, "a label holds \"" + printable(std::string(1, c)) + "\"; letters, digits and hyphens are allowed");
    }
  }
}

bool all_digits(std::string_view text) {
  return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
}

}  // namespace

std::string host_name(std::string_view name, Wildcard wildcard) {
  if (name.empty()) refuse_dns_name(name, "it is empty");
  if (name.size() > 1024) refuse_dns_name(name.substr(0, 64), "it is far too long");
  if (!is_utf8(name)) refuse_dns_name(name, "it is not valid UTF-8");
  if (has_control(name)) refuse_dns_name(name, "it holds a control character");
  if (name.find(':') != std::string_view::npos) {
    refuse_dns_name(name, "a colon is not allowed in a host name",
                    "write an IPv6 address as ip:…, and leave out a port");
  }
  std::string_view rest = name;
  std::string prefix;
  if (wildcard == Wildcard::allowed && rest.substr(0, 2) == "*.") {
    prefix = "*.";
    rest.remove_prefix(2);
  }
  std::string ascii = lower(rest);
  // Plain host names need no IDNA, which refuses some that are in use (two hyphens in places 3 and 4).
  if (!is_ascii(ascii) || ascii.rfind("xn--", 0) == 0 || ascii.find(".xn--") != std::string::npos) {
    ascii = to_a_labels(rest, name);
  }
  if (ascii.empty()) refuse_dns_name(name, "nothing is left of it");
  if (ascii.back() == '.') refuse_dns_name(name, "a certificate carries host names without the dot at the end");
  std::size_t labels = 0;
  std::string_view last;
  for (std::size_t at = 0; at <= ascii.size(); ++labels) {
    const std::size_t end = std::min(ascii.find('.', at), ascii.size());
    last = std::string_view(ascii).substr(at, end - at);
    check_label(last, name);
    at = end + 1;
  }
  if (all_digits(last)) {
    refuse_dns_name(name, "its last label is a number, so it would be read as an IP address",
                    "write an address as ip:192.0.2.1");
  }
  if (!prefix.empty() && labels < 2) {
    refuse_dns_name(name, "a wildcard needs at least two labels after it, like *.example.com");
  }
  ascii.insert(0, prefix);
  if (ascii.size() > 253) refuse_dns_name(name, "it has " + std::to_string(ascii.size()) + " octets, 253 is the most");
  return ascii;
}

}  // namespace hsmbridge::x509
