#pragma once

#include "base/bytes.h"

#include <compare>
#include <string>
#include <string_view>

namespace hsmbridge::x509 {

// An object identifier, held as dotted decimal text ("2.5.4.3"); arcs may be of any size (2.25.<UUID>).
class Oid {
 public:
  Oid() = default;
  // From dotted text that is known to be good (a constant of ours). `parse` is for text from outside.
  explicit Oid(std::string_view dotted) : dotted_(dotted) {}

  // "1.2.3", "OID.1.2.3", "oid:1.2.3", or any short or long name that OpenSSL knows ("serverAuth", "TLS Web Server
  // Authentication", "CN"). Throws invalid_input naming the text.
  static Oid parse(std::string_view text);
  // From the content octets of an OBJECT IDENTIFIER. Throws invalid_input.
  static Oid from_content(ByteView content);

  // The content octets (without tag and length). Throws invalid_input when the text is no OID.
  Bytes content() const;
  const std::string& dotted() const noexcept { return dotted_; }
  // OpenSSL's short name ("CN", "serverAuth"), or the dotted text when it knows none.
  std::string name() const;
  bool empty() const noexcept { return dotted_.empty(); }
  auto operator<=>(const Oid&) const = default;

 private:
  std::string dotted_;
};

}  // namespace hsmbridge::x509
