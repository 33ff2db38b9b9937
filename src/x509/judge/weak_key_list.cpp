#include "x509/judge/weak_key_list.h"

#include "base/error.h"
#include "base/text.h"
#include "base/unicode.h"
#include "x509/asn1/bounds.h"
#include "x509/objects/spki.h"

#include <algorithm>
#include <utility>

namespace hsmbridge::x509 {
namespace {

template <std::size_t N>
bool read_into(std::vector<std::array<std::uint8_t, N>>& to, std::string_view line) {
  if (line.size() != 2 * N) return false;
  std::array<std::uint8_t, N> one{};
  for (std::size_t i = 0; i < N; ++i) {
    const int high = hex_digit(line[2 * i]);
    const int low = hex_digit(line[2 * i + 1]);
    if (high < 0 || low < 0) return false;
    one[i] = static_cast<std::uint8_t>(high * 16 + low);
  }
  to.push_back(one);
  return true;
}

template <std::size_t N>
std::array<std::uint8_t, N> last_of(ByteView bytes) {
  std::array<std::uint8_t, N> one{};
  std::copy(bytes.end() - N, bytes.end(), one.begin());
  return one;
}

std::string_view trimmed(std::string_view line) {
  const std::size_t first = line.find_first_not_of(" \t\r");
  if (first == std::string_view::npos) return {};
  return line.substr(first, line.find_last_not_of(" \t\r") - first + 1);
}

// "Modulus=C0FF…\n", as OpenSSL prints it.
Bytes modulus_line(ByteView modulus) {
  std::string digits = upper(hex(modulus));
  if (digits.size() > 1 && digits.front() == '0') digits.erase(0, 1);
  return to_bytes("Modulus=" + digits + "\n");
}

}  // namespace

void WeakKeyList::add(std::string_view text, const std::string& name) {
  List list;
  list.name = name;
  std::size_t number = 0;
  while (!text.empty()) {
    ++number;
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = trimmed(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.empty() || line.front() == '#') continue;
    if (read_into(list.keys, line) || read_into(list.moduli, line)) continue;
    throw Error{ErrorKind::invalid_input, name + ", line " + std::to_string(number) + ": \"" +
                                              printable(bounded(line, 80)) + "\" is not a key of such a list"}
        .hint("a line is 64 hex digits (SHA-256 of the DER public key) or 20 (a line of Debian's openssl-blacklist)");
  }
  std::sort(list.keys.begin(), list.keys.end());
  std::sort(list.moduli.begin(), list.moduli.end());
  lists_.push_back(std::move(list));
}

std::size_t WeakKeyList::size() const {
  std::size_t keys = 0;
  for (const List& list : lists_) keys += list.keys.size() + list.moduli.size();
  return keys;
}

std::string WeakKeyList::find(ByteView spki) const {
  if (lists_.empty()) return "";
  // As it is and as OpenSSL writes it: a list may have either.
  const auto as_it_is = last_of<32>(sha256(spki));
  const auto canonical = last_of<32>(sha256(canonical_spki(spki)));
  const auto rsa = rsa_numbers(spki);
  const auto modulus = rsa ? last_of<10>(sha1(modulus_line(rsa->modulus))) : std::array<std::uint8_t, 10>{};
  for (const List& list : lists_) {
    const auto has = [](const auto& sorted, const auto& one) {
      return std::binary_search(sorted.begin(), sorted.end(), one);
    };
    if (has(list.keys, as_it_is) || has(list.keys, canonical) || (rsa && has(list.moduli, modulus))) return list.name;
  }
  return "";
}

}  // namespace hsmbridge::x509
