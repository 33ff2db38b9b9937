#include "x509/objects/serial.h"

#include "base/error.h"
#include "base/text.h"
#include "x509/asn1/bounds.h"
#include "x509/names/name.h"
#include "x509/objects/certificate.h"

#include <algorithm>

namespace hsmbridge::x509 {
namespace {

// RFC 5280 §4.1.2.2 allows 20 octets; some CAs wrote more.
constexpr std::size_t kMostDigits = 64;
constexpr std::size_t kMostSerialText = 200;

bool is_between(char c) {
  return c == ':' || c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

// What is left of "serial=…", "Serial Number: …" and "… (0x…)".
std::string_view number_in(std::string_view text) {
  for (const std::string_view word : {"serial number", "serialnumber", "serial"}) {
    if (text.substr(0, word.size()) != word) continue;
    text.remove_prefix(word.size());
    while (!text.empty() && (is_between(text.front()) || text.front() == '=')) text.remove_prefix(1);
    break;
  }
  const std::size_t bracket = text.find("(0x");
  if (bracket != std::string_view::npos && !text.empty() && text.back() == ')') {
    text = text.substr(bracket + 1, text.size() - bracket - 2);
  }
  return text;
}

}  // namespace

std::string parse_serial(std::string_view text) {
  const auto refuse_serial = [&] {
    throw Error{ErrorKind::invalid_input,
                "\"" + printable(bounded(text, kMostSerialText)) + "\" is not a serial number in hexadecimal"}
        .hint("write it like 4A3B or 4a:3b, as openssl x509 -serial prints it");
  };
  if (text.size() > kMostSerialText) refuse_serial();
  std::string all = lower(text);
  while (!all.empty() && is_between(all.back())) all.pop_back();
  std::string_view rest = all;
  while (!rest.empty() && is_between(rest.front())) rest.remove_prefix(1);
  rest = number_in(rest);
  const bool negative = !rest.empty() && rest.front() == '-';
  if (negative) rest.remove_prefix(1);
  if (rest.substr(0, 2) == "0x") rest.remove_prefix(2);
  std::string digits;
  for (const char c : rest) {
    if (!is_between(c)) digits.push_back(c);
  }
  if (digits.empty() || digits.size() > kMostDigits ||
      digits.find_first_not_of("0123456789abcdef") != std::string::npos) {
    refuse_serial();
  }
  const std::size_t first = std::min(digits.find_first_not_of('0'), digits.size());
  digits.erase(0, first);
  if (digits.empty()) return "00";
  if (digits.size() % 2 != 0) digits.insert(digits.begin(), '0');
  return (negative ? "-" : "") + digits;
}

bool same_serial(std::string_view one, std::string_view other) {
  try {
    return parse_serial(one) == parse_serial(other);
  } catch (const Error&) {
    return false;
  }
}

}  // namespace hsmbridge::x509
