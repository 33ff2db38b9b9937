#pragma once

#include "base/bytes.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace hsmbridge::x509 {

// Public keys whose private half is known to others. Not copied, and not changed once it is filled: any thread may ask.
class WeakKeyList {
 public:
  WeakKeyList() = default;
  WeakKeyList(const WeakKeyList&) = delete;
  WeakKeyList& operator=(const WeakKeyList&) = delete;

  // Adds the keys of a text, one a line, in hex; empty lines and those that begin with # are skipped:
  //   64 digits   SHA-256 of the DER SubjectPublicKeyInfo (openssl pkey -pubin -outform der | sha256sum)
  //   20 digits   of an RSA key the last 80 bits of the SHA-1 of what `openssl rsa -modulus -noout` prints: the lines of
  //               Debian's openssl-blacklist for CVE-2008-0166 (openssl-vulnkey(1))
  // `name` is what find() gives for them. Throws invalid_input naming the line: a list that is only half understood
  // would let through what it was written for.
  void add(std::string_view text, const std::string& name);
  // The name of a list that has the key; "" for none.
  std::string find(ByteView spki) const;
  std::size_t size() const;  // how many keys it has

 private:
  struct List {
    std::string name;
    std::vector<std::array<std::uint8_t, 32>> keys;    // sorted
    std::vector<std::array<std::uint8_t, 10>> moduli;  // sorted
  };
  std::vector<List> lists_;
};

}  // namespace hsmbridge::x509
